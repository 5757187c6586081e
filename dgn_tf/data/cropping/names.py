"""What crops are called, and their sources in lists."""

import collections
import hashlib
import os
from collections.abc import Sequence

from dgn_tf.data.file_names import file_names
from dgn_tf.data.sources.walking import printable


def line_of(file: str) -> str:
    """The relative path as a list can hold it: valid text without control characters."""
    return "".join(
        mark if mark >= " " else mark.encode("unicode_escape").decode() for mark in printable(file)
    )


def crop_names(files: Sequence[str], rows: Sequence[dict[str, str]]) -> dict[str, str]:
    """A safe name for the crops of each file, which no crop of another file has.

    Only where two would be equal, in either case, or where another file that is gone had that name,
    they get a part of the hash of their path. No name that `file_names` makes has a plus sign.

    Args:
        files: relative paths.
        rows: those of the manifest, of what was cropped before.
    """
    names = {file: file_names([line_of(file)])[0] for file in files}
    uses = collections.Counter(name.casefold() for name in names.values())
    owners = {(_stem(row["crop"]).casefold(), row["source"]) for row in rows}
    taken = collections.Counter(name for name, _ in owners)
    for file, name in names.items():
        others = taken[name.casefold()] - ((name.casefold(), line_of(file)) in owners)
        if uses[name.casefold()] > 1 or others:
            names[file] = f"{name}+{hashlib.sha256(os.fsencode(file)).hexdigest()[:8]}"
    return names


def _stem(crop: str) -> str:
    """What `file_names` made of the source of a crop, "crops/a__one+2.png" for example."""
    stem = crop.removeprefix("crops/").removesuffix(".png").removesuffix(".jpg")
    return stem.partition("+")[0]
