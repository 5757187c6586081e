"""Errors that the user can do something about: what commands report in one line."""

import errno
import os


class InputError(ValueError):
    """What the user gave cannot be used; the message names it and says what to do."""


class DiskError(RuntimeError):
    """Something cannot be written; the message says what, and what is kept."""


class WorkerLost(RuntimeError):
    """Another process that takes part has ended; the message says how to go on."""


_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


def long_name(error: BaseException) -> str | None:
    """What has a longer name than the file system takes; None for other errors."""
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return str(error.filename or error.strerror)
    return None


def disk_reason(error: BaseException | None) -> str | None:
    """Why a disk or its quota refused to write, in the system's words; None for other errors.

    TensorFlow and HDF5 pass the system's message on in errors of their own, or raise theirs while
    they handle it.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in _DISK:
            named = f": {error.filename}" if error.filename else ""
            return f"{os.strerror(error.errno)}{named}"
        for number in _DISK:
            if os.strerror(number) in str(error):
                return os.strerror(number)
        error = error.__cause__ or error.__context__
    return None
