"""What is known of face crops by where they lie."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dgn_tf.config.data import parse_faces
from dgn_tf.utils.reading import read_regular, require_regular

# Beside its crops `prepare` writes how they were made.
SETTINGS = "settings.json"


def noted_faces(sources: Iterable[Path]) -> str:
    """How `prepare` has cut out the faces that lie at a path, as the setting `faces` of data.

    Args:
        sources: files and folders with data: the one that is a folder of crops, or holds one.

    Returns:
        Such as "eyes:0.1"; empty where `prepare` has made none of them, or looked for no faces.
    """
    for source in sources:
        for folder in (source, source.parent, source.parent.parent):
            try:
                begun = _begun(folder)
                # The frames of a clip lie in a folder of their own.
                near = folder != source.parent.parent or begun["clips"]
                if begun["crop"] == "faces" and near:
                    text = f"{begun['align']}:{float(begun['margin']):g}"
                    parse_faces(text)
                    return text
            # Whatever else people call settings.json.
            except (OSError, ValueError, KeyError, TypeError):
                continue
    return ""


def noted_source(folder: Path) -> Path | None:
    """The folder of the images that `prepare` has cut the crops in a folder out of, or None."""
    try:
        begun = _begun(folder)
        return Path(begun["source"]) if begun["crop"] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _begun(folder: Path) -> Any:
    """What `prepare` has begun a folder with.

    Raises:
        OSError, ValueError: it has not.
    """
    begun = json.loads(read_regular(folder / SETTINGS))
    require_regular(folder / "manifest.csv")
    return begun
