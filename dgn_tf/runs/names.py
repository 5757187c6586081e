"""Names that people give to directions: kept with a run, or among the user's own settings."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dgn_tf.utils.checksums import verified, with_checksum
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import user_path, write_text
from dgn_tf.visualize.directions import Directions

# The file in the folder of a run.
FILE = "names.json"


def user_file(directions: Mapping[str, Directions]) -> Path:
    """Where the user's own names of the directions of an export are kept.

    Exports are not changed: they are somebody else's, and have checksums.
    """
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return user_path(home) / "dgn_tf" / "names" / f"{_digest(directions)}.json"


def keep_names(path: Path, directions: Mapping[str, Directions]) -> None:
    """Write the names of directions to a file.

    Raises:
        InputError: it cannot be written.
    """
    names = {group: list(of_group.names) for group, of_group in directions.items()}
    kept = with_checksum({"directions": _digest(directions), "names": names})
    try:
        write_text(path, json.dumps(kept, indent=1) + "\n")
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from None


def with_names(path: Path, directions: Mapping[str, Directions]) -> dict[str, Directions]:
    """The directions with the names that `keep_names` has written for them.

    Names of other directions, such as those of before a run went on, do not count.

    Raises:
        InputError: the file is damaged.
    """
    found = dict(directions)
    if not path.is_file():
        return found
    try:
        kept = verified(path.read_text(encoding="utf-8"))
        if kept["directions"] != _digest(directions):
            return found
        for group, names in kept["names"].items():
            if len(names) not in (0, len(found[group].axes)):
                raise ValueError(f"its names of {group} are not one for each direction")
            found[group] = found[group]._replace(names=tuple(map(str, names)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is damaged ({error}): delete it, and the directions have the names that they "
            "were given at the end of the training."
        ) from None
    return found


def _digest(directions: Mapping[str, Directions]) -> str:
    """What tells directions from others, whatever their names are."""
    told = hashlib.sha256()
    for group in sorted(directions):
        told.update(group.encode())
        told.update(np.ascontiguousarray(directions[group].axes, "<f8").tobytes())
    return told.hexdigest()[:16]
