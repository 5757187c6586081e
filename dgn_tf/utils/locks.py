"""Folders that one process at a time may write to."""

import contextlib
import logging
import os
import socket
import tempfile
from contextlib import AbstractContextManager
from pathlib import Path

import filelock

from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import LOCK

_log = logging.getLogger(__name__)


def lock_folder(folder: Path, name: str) -> AbstractContextManager:
    """Makes a folder and keeps other processes out until this one ends, however it ends.

    On a file system without locks, as some network ones are, a warning says so, and nothing is
    kept out.

    Args:
        folder: to lock.
        name: of the folder in messages, such as "`run_dir=runs/heads`".

    Returns:
        The lock, which goes with this object or at the end of its context.

    Raises:
        InputError: another process has the lock, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for place in (folder, *(path for path in folder.iterdir() if path.is_dir())):
            # Permissions are no proof, on a read-only disk for instance: only writing is.
            with tempfile.TemporaryFile(dir=place):
                pass
    except OSError as error:
        raise InputError(f"{name} cannot be written: {error.strerror}.") from None
    file = folder / LOCK
    lock = filelock.FileLock(file, thread_local=False, fallback_to_soft=False)
    try:
        held = lock.acquire(blocking=False)
    except filelock.Timeout:
        raise InputError(
            f"{name}: {_owner(file)} is working in it: wait until it has finished, or stop it."
        ) from None
    except PermissionError as error:
        raise InputError(f"{name} cannot be locked: {error.strerror}.") from None
    except (OSError, NotImplementedError) as error:
        _log.warning(
            "%s is on a file system without locks (%s): see to it that no other process works in "
            "it.",
            name,
            error,
        )
        return contextlib.nullcontext()
    # Where a locked file cannot be written, as on Windows, others are told less.
    with contextlib.suppress(OSError):
        file.write_text(f"process {os.getpid()} on {socket.gethostname()}\n", encoding="utf-8")
    return held


def _owner(file: Path) -> str:
    """Who has the lock, for people, as far as the file tells."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")[:200]
    except OSError:
        text = ""
    return text.strip() or "another process"
