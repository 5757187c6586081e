"""Safe names for files that are made of examples."""

import os
import re
from collections.abc import Sequence

from dgn_tf.data.kinds import IMAGES, VIDEOS


def file_names(names: Sequence[str], longest: int = 200) -> list[str]:
    """Safe file names, without suffix, for names of examples, which may be paths.

    Folders become part of the name ("a/b.jpg" is a__b), whatever is not a letter, digit, dot, dash
    or underscore becomes an underscore, only the last `longest` bytes are kept, and names that
    would be equal but for the case of letters are numbered ("a", "a-2").
    """
    taken: set[str] = set()
    files: list[str] = []
    for name in names:
        stem, suffix = os.path.splitext(name)
        stem = stem if suffix.lower() in (*IMAGES, *VIDEOS) else name
        stem = re.sub(r"[^\w.-]+", "_", stem.replace("/", "__"))
        stem = stem.encode()[-longest:].decode(errors="ignore").lstrip(".-") or "picture"
        file, count = stem, 1
        while file.casefold() in taken:
            count += 1
            file = f"{stem}-{count}"
        taken.add(file.casefold())
        files.append(file)
    return files
