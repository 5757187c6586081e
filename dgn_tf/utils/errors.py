"""Errors that the user can do something about: what commands report in one line."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path


class InputError(ValueError):
    """What the user gave cannot be used; the message names it and says what to do."""


class DiskError(RuntimeError):
    """Something cannot be written; the message says what, and what is kept."""


class WorkerLost(RuntimeError):
    """Another process that takes part has ended; the message says how to go on."""


_LOOP, _QUOTES = "Symlink loop from ", "'\""
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


def long_name(error: BaseException) -> str | None:
    """What has a longer name than the file system takes; None for other errors."""
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return str(error.filename or error.strerror)
    return None


def closed_path(error: BaseException) -> str | None:
    """What cannot be entered, read or written, and what to do about it; None for other errors."""
    if isinstance(error, PermissionError) and error.filename is not None:
        path = Path(os.fsdecode(error.filename))
        # What lies in such a folder may be a file that only this program looks for.
        above = reversed(path.parents)
        closed = next((folder for folder in above if not os.access(folder, os.X_OK)), path)
        return f"{closed}: permission denied: allow it, or name another place."
    # Of `Path.resolve`.
    if isinstance(error, RuntimeError) and str(error).startswith(_LOOP):
        link = str(error)[len(_LOOP) :].strip(_QUOTES)
        return f"{link}: is a link that leads to itself: name another place."
    return None


def lacks_memory(error: BaseException) -> bool:
    """Whether there is not enough memory, of the machine or of a GPU, for what was to be done."""
    # The class is TensorFlow's, which commands that need none of it do not wait for.
    return isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError"


@contextlib.contextmanager
def telling_closed() -> Iterator[None]:
    """In here a file or folder that may not be read is said to be one, and no damaged one.

    Raises:
        InputError: it may not be read.
    """
    try:
        yield
    except (PermissionError, RuntimeError) as error:
        told = closed_path(error)
        if told is None:
            raise
        raise InputError(told) from None


def disk_reason(error: BaseException | None) -> str | None:
    """Why a disk or its quota refused to write, in the system's words; None for other errors.

    TensorFlow and HDF5 pass the system's message on in errors of their own, or raise theirs while
    they handle it.
    """
    number, name = _refusal(error)
    if number is None:
        return None
    return os.strerror(number) + (f": {name}" if name else "")


@contextlib.contextmanager
def naming(path: str | os.PathLike, partial: str | os.PathLike | None = None) -> Iterator[None]:
    """In here what a disk or its quota refuses to write names a file: systems often name none.

    Args:
        path: of the file or folder that is written.
        partial: where it is made before it takes its place, which says nothing to people.

    Raises:
        OSError: a disk or its quota refuses, with `path` as its file where it has none.
    """
    try:
        yield
    except Exception as error:
        number, name = _refusal(error)
        inside = partial is not None and Path(name).is_relative_to(partial)
        if number is None or (name and not inside):
            raise
        place = Path(path, Path(name).relative_to(partial)) if partial and inside else Path(path)
        raise OSError(number, os.strerror(number), os.fspath(place)) from error


def _refusal(error: BaseException | None) -> tuple[int | None, str]:
    """The number of the error of a disk, and the file that it names, or empty."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _DISK:
            return error.errno, str(error.filename or "")
        for number in _DISK:
            if os.strerror(number) in str(error):
                return number, ""
        error = error.__cause__ or error.__context__
    return None, ""
