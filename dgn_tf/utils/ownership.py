"""Which files in a folder this program has written: the only ones that it removes or replaces.

A folder is known by the record in it, a list of the files that were put there, and never by the
names of files: those can be anyone's.
"""

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from dgn_tf.utils.checksums import verified, with_checksum
from dgn_tf.utils.files import RECORD, partial_path, write_text
from dgn_tf.utils.reading import read_text

# What a folder can be to this program: a run is not replaced by the results of an inference.
RUN, SHEETS, LOGS, MEASURED = "a run", "sample sheets", "logs", "measurements of a run"
REPORT, RESULTS, PAGE, PACKED = "a report", "results of an inference", "a web page", "packed data"
LITE, BENCHMARK = ".tflite files", "results of a benchmark"
# The folder of a run whose files come and go, and are in no record.
CHECKPOINTS = "checkpoints"
_SHOWN = 5


class Ownership:
    """The record of what this program has written into a folder.

    Args:
        folder: the folder; nothing is made yet.
        kind: what the folder is, one of the names above.
    """

    def __init__(self, folder: str | os.PathLike, kind: str):
        self.folder = Path(folder)
        self.kind = kind

    @property
    def recorded(self) -> bool:
        """Whether the folder has a record, that can be read, of a folder of this kind."""
        return _read(self.folder).get("kind") == self.kind

    @property
    def names(self) -> set[str]:
        """Paths inside the folder of the files in the record; empty without one."""
        return _names(self.folder)

    def add(self, names: Iterable[str]) -> None:
        """Record files that are there, or that are about to be written.

        Args:
            names: their paths inside the folder, with "/" between the parts.

        Raises:
            OSError: the record cannot be written.
        """
        before = self.names
        after = before | set(names)
        if after != before or not self.recorded:
            values = {"written by": "dgn_tf", "kind": self.kind, "files": sorted(after)}
            write_text(self.folder / RECORD, json.dumps(with_checksum(values), indent=1) + "\n")

    def add_all(self) -> None:
        """Record every file that is in the folder, at any depth."""
        self.add(name for name in files_under(self.folder) if name != RECORD)

    def remove(self) -> None:
        """Delete the files in the record, the record, and every folder that is empty then."""
        remove_recorded(self.folder)


def strangers_in(folder: Path) -> list[str]:
    """Sorted paths inside a folder of the files that are in no record of it or of its folders."""
    known: set[str] = set()
    for place, _, files in os.walk(folder):
        if RECORD in files:
            inside = Path(place).relative_to(folder)
            known |= {(inside / name).as_posix() for name in _all_names(Path(place))}
    return [name for name in files_under(folder) if name not in known]


def files_under(folder: Path) -> list[str]:
    """Sorted paths inside a folder of all files in it; linked folders count as files."""
    found = []
    for place, folders, files in os.walk(folder):
        linked = [name for name in folders if os.path.islink(os.path.join(place, name))]
        found += [Path(place, name).relative_to(folder).as_posix() for name in (*files, *linked)]
    return sorted(found)


def remove_files(folder: Path, names: Iterable[str]) -> None:
    """Delete files of a folder, and every folder that is empty then; others stay.

    Args:
        folder: the folder, which goes too if nothing is left in it.
        names: paths inside it; those that are not there are passed over, and so are those in a
            linked folder, which someone has put in the place of ours.
    """
    emptied = {folder}
    for name in names:
        path = folder / name
        inside = {parent for parent in path.parents if parent.is_relative_to(folder)}
        linked = any(parent.is_symlink() for parent in inside - {folder})
        if linked or path.is_dir() and not path.is_symlink():
            continue
        path.unlink(missing_ok=True)
        emptied |= inside
    for place in sorted(emptied, key=lambda place: len(place.parts), reverse=True):
        # It is not empty, or a link that someone has made.
        with contextlib.suppress(OSError):
            place.rmdir()


def remove_recorded(folder: Path) -> None:
    """Delete the files that the record of a folder, of whatever kind, names; then the record."""
    remove_files(folder, _all_names(folder))


def written_in(folder: str) -> Iterator[str]:
    """Paths of the files, and of the folders of nothing else, that this program has written there.

    Those of files are of any depth.
    """
    for name in _names(Path(folder)):
        yield os.path.join(folder, *name.split("/"))
    if Ownership(folder, RUN).recorded:
        yield os.path.join(folder, CHECKPOINTS)


def shortened(names: list[str]) -> str:
    """The first of some paths and how many more there are, for a message."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _read(folder: Path) -> dict[str, Any]:
    """What the record of a folder says; nothing where there is none, or one that is damaged."""
    try:
        values = verified(read_text(folder / RECORD))
        return {"kind": str(values["kind"]), "files": [str(name) for name in values["files"]]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _names(folder: Path) -> set[str]:
    """The files in the record of a folder, without any that would lie outside of it."""
    files = _read(folder).get("files", ())
    return {name for name in files if not os.path.isabs(name) and ".." not in Path(name).parts}


def _all_names(folder: Path) -> set[str]:
    """The files in the record of a folder, the record, and what a killed writer leaves of them."""
    names = {*_names(folder), RECORD}
    return names | {partial_path(Path(name)).as_posix() for name in names}
