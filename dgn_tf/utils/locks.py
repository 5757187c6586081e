"""Folders that one process at a time may write to."""

import fcntl
import os
import socket
import tempfile
from pathlib import Path
from typing import IO

from dgn_tf.utils.errors import InputError

LOCK = ".lock"


def lock_folder(folder: Path, name: str) -> IO[str]:
    """Makes a folder and keeps other processes out until this one ends, however it ends.

    Args:
        folder: to lock.
        name: of the folder in messages, such as "`run_dir=runs/heads`".

    Returns:
        An open file; the lock goes with it.

    Raises:
        InputError: another process has the lock, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for place in (folder, *(path for path in folder.iterdir() if path.is_dir())):
            # Permissions are no proof, on a read-only disk for instance: only writing is.
            with tempfile.TemporaryFile(dir=place):
                pass
        file = open(folder / LOCK, "a+", encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"{name} cannot be written: {error.strerror}.") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        with file:
            file.seek(0)
            owner = file.read(200).strip() or "another process"
        raise InputError(
            f"{name}: {owner} is working in it: wait until it has finished, or stop it."
        ) from None
    except OSError as error:
        file.close()
        raise InputError(f"{name} cannot be locked: {error.strerror}.") from None
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
    file.flush()
    return file
