"""Folders that appear whole or not at all, and take no one else's files away."""

import contextlib
import errno
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from dgn_tf.utils.errors import InputError, naming
from dgn_tf.utils.files import PARTIAL, free_path, parents_made
from dgn_tf.utils.ownership import RECORD, Ownership, files_under, remove_files, shortened

_log = logging.getLogger(__name__)

_REPLACED = ".replaced-"


@contextlib.contextmanager
def atomic_folder(folder: Path, kind: str, new: bool = False) -> Iterator[Path]:
    """A new folder to fill, which takes the place of `folder` at the end, with a record of it.

    The parents of `folder` are made if need be. After an error the new folder is gone, and what was
    there before is still there.

    Args:
        folder: missing, empty, or one that this program has written: what others have added to that
            stays.
        kind: what the folder is, as of `Ownership`.
        new: whether nothing may be there, at the end neither.

    Raises:
        InputError: the folder holds files, and no record that they are of this kind; or it is to be
            new, and another process has made it meanwhile.
        OSError: it cannot be made or put in place.
    """
    owned = Ownership(folder, kind)
    require_replaceable(owned, f"{folder}")
    partial = partial_folder(folder)
    with naming(folder, partial), parents_made(partial):
        try:
            partial.mkdir()
            yield partial
            if new:
                _be_new(partial, owned)
            else:
                take_place(partial, owned)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise


@contextlib.contextmanager
def new_folder(folder: Path, refusal: str) -> Iterator[None]:
    """A folder that is made with those it lies in; after an error all of these are gone again.

    Args:
        folder: nothing is there yet.
        refusal: begins the message if it cannot be made.

    Raises:
        InputError: it cannot be made.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(parents_made(folder))
            folder.mkdir()
        except OSError as error:
            raise InputError(f"{refusal}: {error.strerror}.") from None
        try:
            with naming(folder):
                yield
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def partial_folder(folder: Path) -> Path:
    """Where a folder is filled before it takes its place; nothing is there yet.

    Several processes may fill a folder of one name: each has its own. It is beside the folder, or
    in one that has to stay where it is.
    """
    folder = Path(os.path.realpath(folder))
    name = f"{PARTIAL}{os.getpid()}-{folder.name}"
    return free_path(folder / name if _must_stay(folder) else folder.with_name(name))


def _be_new(made: Path, owned: Ownership) -> None:
    """Give a folder its name, if nothing has it: of two processes one succeeds."""
    Ownership(made, owned.kind).add_all()
    try:
        # No folder takes the place of one that holds something.
        made.rename(owned.folder)
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
            raise
        raise InputError(
            f"{owned.folder} was made by another process meanwhile, and stays as it is: name "
            "another folder."
        ) from None


def _must_stay(folder: Path) -> bool:
    """Whether no other folder can take the place of one.

    A disk may be mounted there, the folder above it may belong to others, and a shell that is in it
    would be nowhere.
    """
    if not folder.is_dir():
        return False
    try:
        within = Path.cwd().is_relative_to(folder)
    except OSError:
        within = False
    return within or os.path.ismount(folder) or not os.access(folder.parent, os.W_OK)


def require_replaceable(owned: Ownership, name: str) -> None:
    """Check that nothing would be lost if a folder were replaced.

    Args:
        owned: the folder, which may be there, as what is to replace it.
        name: of the folder, for the message.

    Raises:
        InputError: it holds files, and no record that this program has written that kind of folder.
    """
    folder = owned.folder
    if holds_files(folder) and not owned.recorded:
        raise InputError(
            f"{name} is not empty, and holds no {RECORD} that says it is {owned.kind} of this "
            "program: nothing there is replaced. Name another folder, or remove it yourself."
        )


def holds_files(folder: Path) -> bool:
    """Whether there is anything in a folder but what is being filled there."""
    return folder.is_dir() and any(not path.name.startswith(PARTIAL) for path in folder.iterdir())


def _tell_interrupted(folder: Path, new: Path) -> None:
    """Warn of what killed processes have left where they filled or replaced a folder.

    Args:
        folder: that takes its place now.
        new: where it was filled.
    """
    try:
        names = sorted(os.listdir(folder.parent))
    except OSError:
        return
    for name in names:
        path = folder.with_name(name)
        if not name.endswith(f"-{folder.name}") or path == new:
            continue
        if name.startswith(_REPLACED):
            _log.warning(
                "%s: a replacement was interrupted, and %s may hold files that this program did "
                "not write: take them out and remove it.",
                folder,
                path,
            )
        elif name.startswith(PARTIAL):
            _log.warning(
                "%s: unless another command is filling it right now, %s is left of one that was "
                "killed: remove it.",
                folder,
                path,
            )


def take_place(new: Path, owned: Ownership) -> None:
    """Put a new folder in the place of another.

    What this program has not written moves from the old folder into the new one. A file whose name
    the new one has too stays in a folder beside it, which a warning names. Where the old folder is
    empty, or has to stay, it is filled instead.

    Args:
        new: a whole folder, of `partial_folder`; all that is in it gets recorded.
        owned: the folder to replace: missing, empty, or with a record.

    Raises:
        OSError: it cannot be put in place: what was there before still is.
    """
    Ownership(new, owned.kind).add_all()
    # A link keeps pointing to where it did.
    folder = Path(os.path.realpath(owned.folder))
    _tell_interrupted(folder, Path(os.path.realpath(new)))
    if new.parent == folder or (folder.is_dir() and not holds_files(folder)):
        _fill(folder, new, owned.kind)
        return
    with contextlib.suppress(OSError):
        shutil.copymode(folder, new)
    before = free_path(folder.with_name(f"{_REPLACED}{os.getpid()}-{folder.name}"))
    with contextlib.suppress(FileNotFoundError):
        os.replace(folder, before)
    try:
        os.replace(new, folder)
    except BaseException:
        if before.exists():
            os.replace(before, folder)
        raise
    if before.exists():
        _keep_strangers(Ownership(before, owned.kind), folder)


def _fill(folder: Path, new: Path, kind: str) -> None:
    """Move all of a new folder into one that stays, in place of what is recorded there."""
    if holds_files(folder):
        Ownership(folder, kind).remove()
    kept = [name for name in files_under(folder) if not name.startswith(PARTIAL)]
    # The record first: of what a killed process has moved it is known whose it is.
    moved = [RECORD, *(name for name in files_under(new) if name != RECORD)]
    for name in moved:
        place = folder / name
        for path in (*reversed(Path(name).parents), Path(name)):
            _move_aside(folder / path, is_folder=folder / path != place)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(new / name, place)
    shutil.rmtree(new, ignore_errors=True)
    if kept:
        _log.warning("%s: kept what this program did not write: %s.", folder, shortened(kept))


def _move_aside(place: Path, is_folder: bool) -> None:
    """Rename what is in the way of a file, or of a folder that files are moved into."""
    if not os.path.lexists(place) or (is_folder and place.is_dir() and not place.is_symlink()):
        return
    aside = free_path(place.with_name(f"{_REPLACED}{place.name}"))
    os.replace(place, aside)
    _log.warning("%s was not written by this program, and is now %s.", place, aside)


def _keep_strangers(owned: Ownership, folder: Path) -> None:
    """Move what others have written, and delete what is left of the old folder."""
    before = owned.folder
    owned.remove()
    kept = files_under(before)
    for name in kept:
        place = folder / name
        if not os.path.lexists(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(before / name, place)
    for place, _, _ in os.walk(before, topdown=False):
        remove_files(Path(place), ())
    if before.exists():
        _log.warning("%s: files that this program did not write are in %s.", folder, before)
    elif kept:
        _log.warning("%s: kept what this program did not write: %s.", folder, shortened(kept))
