"""Files that appear whole or not at all, and paths as users write them."""

import contextlib
import errno
import fnmatch
import itertools
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from dgn_tf.utils.errors import naming

# In a folder that one process at a time writes to (`utils.locks`), and what it records there as
# ours (`utils.ownership`).
LOCK, RECORD = ".lock", ".dgn_tf.json"
# What the name begins with of a file or folder that has not taken its place yet.
PARTIAL = ".partial-"

_PATTERN_MARKS = "[]*?\\"
# Bytes of a name that something can be put in front of: file systems take 255.
_LONGEST_NAME = 240
_FILE = re.compile(r"\.(?!v\d)[A-Za-z][A-Za-z0-9]*")


def user_path(path: str | os.PathLike) -> Path:
    """A path that a user has given: "~" at its beginning is their home folder.

    Every path that a flag or an argument names goes through here. A name that only looks like
    that of a user ("~copy.jpg") stays what it is.
    """
    return Path(os.path.expanduser(path))


def looks_like_file(path: Path) -> bool:
    """Whether a path that nothing is at has the suffix of a file, as a.onnx has, and a.v2 has not.

    A folder of such a name would be none that anybody has asked for.
    """
    return bool(_FILE.fullmatch(path.suffix)) and not path.is_dir()


def matching_paths(pattern: str | os.PathLike) -> list[Path]:
    """The paths that a pattern with "*", "?" or "[ab]" names, sorted; "~" as of `user_path`.

    A part of it that is there as it is written is no pattern, so that every path names itself.
    """
    whole = user_path(pattern)
    found = [Path(whole.anchor)]
    for part in whole.relative_to(whole.anchor).parts:
        found = [path for place in found for path in _children(place, part)]
    return sorted(found)


@contextlib.contextmanager
def literal_path(folder: str | os.PathLike) -> Iterator[Path]:
    """A path of a folder for readers that take paths as patterns, as TensorFlow's checkpoints do.

    They take no path that is not UTF-8 either. It is the folder's own, or that of a link to it
    which is there for as long: nothing is copied.

    Raises:
        OSError: the link cannot be made.
    """
    folder = Path(os.path.abspath(folder))
    if _is_literal(folder):
        yield folder
        return
    places = (tempfile.gettempdir(), "/tmp", "/var/tmp")
    place = next((place for place in places if _is_literal(place) and os.path.isdir(place)), None)
    with tempfile.TemporaryDirectory(dir=place) as made:
        link = Path(made, "link")
        link.symlink_to(folder, target_is_directory=True)
        yield link


def _is_literal(path: str | os.PathLike) -> bool:
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        return False
    return not any(mark in os.fspath(path) for mark in _PATTERN_MARKS)


def _children(folder: Path, pattern: str) -> list[Path]:
    if os.path.lexists(folder / pattern):
        return [folder / pattern]
    # Hidden files are named by nobody who writes "*".
    names = os.listdir(folder) if folder.is_dir() else []
    shown = (name for name in names if pattern.startswith(".") or not name.startswith("."))
    return [folder / name for name in fnmatch.filter(shown, pattern)]


def partial_path(path: Path) -> Path:
    """Where a file or folder is made before it takes its place: beside it, with the same suffix.

    Of a name that leaves no room for more, only the end is kept.
    """
    kept = path.name
    if len(os.fsencode(kept)) > _LONGEST_NAME:
        kept = kept.encode(errors="ignore")[-_LONGEST_NAME:].decode(errors="ignore")
    return path.with_name(f"{PARTIAL}{kept}")


def _unused_partial(path: Path) -> Path:
    """`partial_path`, or one with a number where another process may be writing the same file.

    Below a folder of ours with a lock none is: what lies there was left by one that was killed.
    """
    first = partial_path(path)
    if any((folder / LOCK).exists() and (folder / RECORD).exists() for folder in path.parents):
        return first
    kept = first.name.removeprefix(PARTIAL)
    others = (first.with_name(f"{PARTIAL}{n}-{kept}") for n in itertools.count(2))
    return next(p for p in itertools.chain([first], others) if not os.path.lexists(p))


def free_path(path: Path) -> Path:
    """A path that nothing is at: this one, or one with a number.

    The number of a process does not make a name that is free: in a container each has the same.
    """
    numbers = (path.with_name(f"{path.name}-{n}") for n in itertools.count(2))
    return next(p for p in itertools.chain([path], numbers) if not os.path.lexists(p))


@contextlib.contextmanager
def parents_made(path: Path) -> Iterator[None]:
    """The folders that `path` lies in, made if need be; after an error those that were are gone.

    Raises:
        OSError: one of them cannot be made.
    """
    missing = [folder for folder in path.parents if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for folder in missing:
            # One that another process has put something into meanwhile is not empty.
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[Path]:
    """A path to write a file to, which takes the place of `path` at the end.

    It lies in the same folder, which is made if need be, and has the same suffix. After an error it
    is removed, and what was at `path` before is still there. A link keeps pointing to where it did,
    and who may read the file stays as it was.

    Raises:
        OSError: the file cannot be written or put in place, or is a pipe or device.
    """
    path = user_path(path)
    if path.is_symlink():
        path = Path(os.path.realpath(path))
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EINVAL, "is a pipe or device, which no file replaces", str(path))
    partial = _unused_partial(path)
    with naming(path, partial), parents_made(path):
        try:
            yield partial
            with contextlib.suppress(OSError):
                shutil.copymode(path, partial)
            os.replace(partial, path)
        except BaseException:
            # A disk that is read-only refuses this too.
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            raise


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all (`atomic_write`).

    Bytes of file names that are not valid text, as `os.fsdecode` makes them, are kept.
    """
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")
