"""Where a command writes: a folder that appears whole or not at all."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from dgn_tf.utils.errors import InputError

REPORT = "report.json"


@contextlib.contextmanager
def output_folder(path: str, overwrite: bool) -> Iterator[Path]:
    """A new folder beside `path`, which takes its place at the end; after an error it is gone.

    Unlike `atomic_folder` it never replaces what is not from an inference, and keeps what it holds
    where it cannot be put in place.

    Args:
        path: of the results.
        overwrite: whether the results of an earlier inference may be there.

    Yields:
        The folder to fill.

    Raises:
        InputError: `path` is a file, is not empty (with `overwrite`: and holds no results of an
            inference), or cannot be made.
    """
    target, flag = Path(path).expanduser().resolve(), f"`output_dir={path}`"
    if target.exists() and not target.is_dir():
        raise InputError(f"{flag} is a file: name a folder.")
    occupied = target.is_dir() and any(target.iterdir())
    if occupied and not overwrite:
        raise InputError(f"{flag} is not empty: name another, or give `overwrite`.")
    if occupied and not (target / REPORT).is_file():
        raise InputError(
            f"{flag} holds no {REPORT}, so it is not from an inference and `overwrite` would "
            "delete something else: name another folder."
        )
    partial = target.with_name(f"{target.name}.partial-{os.getpid()}")
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"{flag} cannot be made: {error.strerror}.") from None
    try:
        yield partial
    except BaseException:
        shutil.rmtree(partial)
        raise
    before = target.with_name(f"{target.name}.replaced-{os.getpid()}")
    try:
        if occupied:
            os.replace(target, before)
        os.replace(partial, target)
    except OSError as error:
        raise InputError(
            f"{flag} cannot be put in place ({error.strerror}): the results are in {partial}."
        ) from None
    if occupied:
        shutil.rmtree(before)
