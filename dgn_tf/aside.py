"""Folders that appear whole or not at all."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A new folder aside of `folder`, which takes its place at the end; after an error it is gone.

    The parents of `folder` are made if need be. What was there before goes only once the new one is
    in place.

    Raises:
        OSError: it cannot be made or put in place.
    """
    aside = folder.with_name(f".{folder.name}.partial-{os.getpid()}")
    before = folder.with_name(f".{folder.name}.replaced-{os.getpid()}")
    aside.mkdir(parents=True)
    try:
        yield aside
        if folder.exists():
            os.replace(folder, before)
        os.replace(aside, folder)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    shutil.rmtree(before, ignore_errors=True)
