"""What is known of face crops by where they lie."""

import json
from collections.abc import Iterable
from pathlib import Path

from dgn_tf.config.data import parse_faces
from dgn_tf.utils.reading import read_regular

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
        for folder in (source, source.parent):
            try:
                begun = json.loads(read_regular(folder / SETTINGS))
                if begun["crop"] == "faces" and (folder / "manifest.csv").is_file():
                    text = f"{begun['align']}:{float(begun['margin']):g}"
                    parse_faces(text)
                    return text
            # Whatever else people call settings.json.
            except (OSError, ValueError, KeyError, TypeError):
                continue
    return ""
