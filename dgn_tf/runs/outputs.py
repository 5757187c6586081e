"""Where a command writes: a folder that appears whole or not at all."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import user_path
from dgn_tf.utils.folders import (
    holds_files,
    new_folder,
    partial_folder,
    require_replaceable,
    take_place,
)
from dgn_tf.utils.ownership import RESULTS, Ownership

REPORT = "report.json"


@contextlib.contextmanager
def output_folder(
    path: str, overwrite: bool, sources: Sequence[str | os.PathLike] = ()
) -> Iterator[Path]:
    """A new folder beside `path`, which takes its place at the end; after an error it is gone.

    Unlike `atomic_folder` it replaces only what is to be overwritten, and keeps what it holds where
    it cannot be put in place.

    Args:
        path: of the results.
        overwrite: whether the results of an earlier command may be there. What others have added to
            them stays.
        sources: paths of files or folders that are read: none may lie in a folder that is replaced.

    Yields:
        The folder to fill.

    Raises:
        InputError: `path` is a file, is not empty (with `overwrite`: and holds no results, or what
            is read), or cannot be made.
    """
    owned, flag = require_output(path, overwrite), f"`output_dir={path}`"
    target = owned.folder
    require_apart(target, flag, sources if holds_files(target) else ())
    partial = partial_folder(target)
    with new_folder(partial, f"{flag} cannot be made"):
        yield partial
    try:
        # Someone may have begun to use it meanwhile.
        require_replaceable(owned, flag)
        if not overwrite and holds_files(target):
            raise InputError("another command has written results there.")
        take_place(partial, owned)
    except (OSError, InputError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or "it is in use by now"
        raise InputError(
            f"{flag} cannot be put in place ({reason}): the results are in {partial}."
        ) from None


def require_output(path: str, overwrite: bool) -> Ownership:
    """Check that results may be written into a folder, as `output_folder` does.

    Returns:
        The record of the folder.

    Raises:
        InputError: `path` is a file, or is not empty (with `overwrite`: and holds no results).
    """
    target, flag = user_path(path).resolve(), f"`output_dir={path}`"
    if target.exists() and not target.is_dir():
        raise InputError(f"{flag} is a file: name a folder.")
    if holds_files(target) and not overwrite:
        raise InputError(f"{flag} is not empty: name another, or give `overwrite`.")
    owned = Ownership(target, RESULTS)
    require_replaceable(owned, flag)
    return owned


def require_apart(folder: Path, flag: str, sources: Sequence[str | os.PathLike]) -> None:
    """Check that what is read does not lie in a folder whose files are to be removed.

    Args:
        folder: the folder.
        flag: the setting that names it, for the message.
        sources: paths of files or folders.

    Raises:
        InputError: one of them lies in the folder, or is it.
    """
    for source in filter(None, sources):
        if user_path(source).resolve().is_relative_to(folder.resolve()):
            raise InputError(
                f"{flag} holds the data ({source}): nothing in it is removed. Name another folder."
            )
