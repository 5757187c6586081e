"""Regular files, opened to be read: a named pipe or a device would wait, perhaps for ever."""

import os
import stat
from pathlib import Path
from typing import BinaryIO

_OTHERS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def require_regular(path: str | os.PathLike) -> None:
    """Refuses what is not a regular file, or a link to one.

    Raises:
        FileNotFoundError, IsADirectoryError: as `open` does.
        OSError: it is a pipe, a socket or a device, or cannot be looked at.
    """
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError("is a folder")
    if not stat.S_ISREG(mode):
        raise OSError(f"is {_OTHERS.get(stat.S_IFMT(mode), 'something else')}, not a regular file")


def open_regular(path: str | os.PathLike) -> BinaryIO:
    """Opens a regular file to read its bytes.

    Raises:
        OSError: as `require_regular`, or it may not be read.
    """
    require_regular(path)
    return open(path, "rb")


def read_regular(path: str | os.PathLike) -> bytes:
    """The content of a regular file.

    Raises:
        OSError: as `open_regular`.
    """
    require_regular(path)
    return Path(path).read_bytes()


def read_text(path: str | os.PathLike) -> str:
    """The content of a regular file of text.

    Raises:
        OSError: as `open_regular`.
        UnicodeDecodeError: it is not UTF-8.
    """
    return read_regular(path).decode()
