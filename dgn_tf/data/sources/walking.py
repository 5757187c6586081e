"""Files under a folder: which there are, of what kind, in which order, and what is left out."""

import collections
import logging
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from dgn_tf.data.kinds import HEAD, kind_by_content, kind_by_suffix, suffix_of
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.ownership import written_in
from dgn_tf.utils.painted import is_painted
from dgn_tf.utils.reading import open_regular

_log = logging.getLogger(__name__)

_NAMED = 10
# Folders that network drives and systems keep on their own: copies, thumbnails, what was deleted.
_FOREIGN = {
    "__macosx",
    "@eadir",
    "#recycle",
    "@recycle",
    "$recycle.bin",
    "system volume information",
}


def is_hidden(name: str) -> bool:
    """Whether a file or folder is none of its user's data by its name."""
    return name.startswith(".") or name.lower() in _FOREIGN


def walk(root: Path, ours: list[str] | None = None) -> Iterator[tuple[str, list[str]]]:
    """Every folder under `root` and the names of its files; what `is_hidden` is left out.

    Linked folders are followed, each folder is visited once. What this program has written into one
    of them, a run, the results of a command or a file that one has painted, is left out too.

    Args:
        root: the folder.
        ours: gets the paths of the files that are left out because this program wrote them.

    Raises:
        InputError: at the end, if folders may not be read: data without them would be other data.
    """
    # Without it, circles of links would never end.
    visited: set[str] = set()
    written: set[str] = set()
    unreadable: list[OSError] = []
    for folder, folders, files in os.walk(root, onerror=unreadable.append, followlinks=True):
        if os.path.realpath(folder) in visited:
            folders.clear()
            continue
        visited.add(os.path.realpath(folder))
        written.update(written_in(folder))
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        folders[:] = [name for name in folders if os.path.join(folder, name) not in written]
        shown = [name for name in files if not is_hidden(name)]
        paths = {name: os.path.join(folder, name) for name in shown}
        written.update(path for path in paths.values() if is_painted(path))
        if ours is not None:
            ours += [path for path in paths.values() if path in written]
        yield folder, [name for name in shown if paths[name] not in written]
    if unreadable:
        named = [f"{printable(str(e.filename))} ({e.strerror})" for e in unreadable[:_NAMED]]
        more = ", ..." if len(unreadable) > _NAMED else ""
        raise InputError(
            f"{root}: {len(unreadable)} of its folders cannot be read: {', '.join(named)}{more}. "
            "Allow it, or move them elsewhere."
        )


def kind_of(path: Path) -> str | None:
    """Say "image" or "video", by the suffix or else the first bytes; None for any other file."""
    kind = kind_by_suffix(path.name)
    if kind:
        return kind
    try:
        with open_regular(path) as file:
            return kind_by_content(path.name, file.read(HEAD))
    except OSError:
        return None


def natural(name: str) -> tuple:
    """A key that sorts names as people number them, 2 before 10; the name settles ties."""
    parts = re.split(r"([0-9]+)", name)
    # Digits as they are compared: a number can be longer than Python would convert.
    digits = [part.lstrip("0") for part in parts[1::2]]
    parts[1::2] = [(len(part), part) for part in digits]
    return tuple(parts), name


def natural_path(path: str) -> tuple:
    """`natural` for each folder of a path, and then for its file."""
    return tuple(natural(part) for part in path.split("/"))


def left_out(names: Iterable[str]) -> str:
    """How many files of which suffix, the most frequent first: "3 .txt, 1 without suffix"."""
    counts = collections.Counter(printable(suffix_of(name)) for name in names)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {suffix or 'without suffix'}" for suffix, count in ordered)


def tell_left_out(name: str, what: str, root: Path, others: list[str]) -> None:
    """Warns of files that are left out by suffix, and of links by name that lead nowhere.

    Such a link may stand for a folder on a disk that is not there, whose files are missing then.

    Args:
        name: of the data, for the message.
        what: the files are not, such as "images".
        root: the folder.
        others: the files, as paths inside of it.
    """
    lost = [path for path in others if os.path.islink(root / path)]
    lost = sorted(path for path in lost if not os.path.exists(root / path))
    files = set(others) - set(lost)
    if files:
        _log.warning("%s: not %s, and left out: %s", name, what, left_out(files))
    if lost:
        listing = ", ".join(printable(path) for path in lost[:_NAMED])
        _log.warning(
            "%s: links that lead nowhere are left out, with all that they may stand for: %s%s",
            name,
            listing,
            ", ..." if len(lost) > _NAMED else "",
        )


def printable(file: str) -> str:
    """The path as valid text, whatever bytes the file system allowed in it."""
    return os.fsencode(file).decode("utf-8", "backslashreplace")


def composed(name: str) -> str:
    """The name with each accented letter as one character, as most systems write it.

    Others write it as a letter and an accent; people see no difference.
    """
    return unicodedata.normalize("NFC", name)


def class_folders(paths: Iterable[str]) -> list[str]:
    """The outermost folders of files in folders, in their order: the class 0, 1, ... of each.

    Of those that are `composed` the same the first stands for all.
    """
    first: dict[str, str] = {}
    for folder in sorted({path.partition("/")[0] for path in paths}, key=natural):
        first.setdefault(composed(folder), folder)
    return list(first.values())


def classes_of(paths: Iterable[str]) -> list[str]:
    """The `class_folders` of files that all lie in folders, of two or more; none of other files."""
    paths = list(paths)
    folders = class_folders(paths)
    return folders if len(folders) > 1 and all("/" in path for path in paths) else []


def class_number(path: str, folders: list[str]) -> int | None:
    """Which of the `class_folders` a file lies in; None for another."""
    folder = path.partition("/")[0]
    if folder in folders:
        return folders.index(folder)
    alike = [composed(known) for known in folders]
    return alike.index(composed(folder)) if composed(folder) in alike else None
