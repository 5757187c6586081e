"""Files and folders that appear whole or not at all."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path


def partial_path(path: Path) -> Path:
    """Where a file or folder is made before it takes its place: beside it, with the same suffix."""
    return path.with_name(f".partial-{path.name}")


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[Path]:
    """A path to write a file to, which takes the place of `path` at the end.

    It lies in the same folder, which is made if need be, and has the same suffix. After an error it
    is removed, and what was at `path` before is still there.

    Raises:
        OSError: the file cannot be written or put in place.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_path(path)
    try:
        yield partial
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_text(path: str | os.PathLike, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all (`atomic_write`).

    Bytes of file names that are not valid text, as `os.fsdecode` makes them, are kept.
    """
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")


@contextlib.contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """A new folder to fill, which takes the place of `folder` at the end.

    The parents of `folder` are made if need be. After an error the new folder is gone, and what was
    there before is still there.

    Raises:
        OSError: it cannot be made or put in place.
    """
    # Several processes may fill a folder of one name: each has its own.
    partial = folder.with_name(f".partial-{os.getpid()}-{folder.name}")
    before = folder.with_name(f".replaced-{os.getpid()}-{folder.name}")
    partial.mkdir(parents=True)
    try:
        yield partial
        with contextlib.suppress(FileNotFoundError):
            os.replace(folder, before)
        try:
            os.replace(partial, folder)
        except BaseException:
            if before.exists():
                os.replace(before, folder)
            raise
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    shutil.rmtree(before, ignore_errors=True)
