"""Checkpoints of a run: each in a folder of its own that appears whole or not at all."""

import dataclasses
import json
import logging
import os
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from dgn_tf.training.chains import Chains
from dgn_tf.training.course import Progress
from dgn_tf.training.devices import Devices
from dgn_tf.utils.checksums import verified, with_checksum
from dgn_tf.utils.errors import DiskError, InputError, disk_reason
from dgn_tf.utils.files import free_path, literal_path, user_path
from dgn_tf.utils.ownership import files_under, remove_files
from dgn_tf.utils.reading import read_text

_log = logging.getLogger(__name__)

PROGRESS = "progress.json"
# What a save writes, and what it leaves where it was killed.
_WHOLE = re.compile(r"step-[0-9]{10,}")
_LEFT = re.compile(r"partial-(old-step-)?[0-9]{10,}")
_FILE = re.compile(
    r"progress\.json|state\.index|state\.data-[0-9]+-of-[0-9]+|checkpoint"
    r"|chains-[0-9]+-[0-9]+\.npz|state_temp/[^/]+|state\.[^/]*tempstate[^/]*"
)


def check_files(path: Path) -> Progress:
    """The `Progress` of the checkpoint in a folder, once its files are found to be intact.

    Checkpoints of older versions, which kept no checksums, are taken as they are.

    Raises:
        OSError, ValueError, TypeError: they are not as they were written.
    """
    row = _read(path)
    for name, checksum in dict(row.pop("files", {})).items():
        if _checksum(path / name) != checksum:
            raise ValueError(f"{name} was changed or damaged after it was written")
    row.pop("data", None)
    return Progress(**row)


def _read(path: Path) -> dict[str, Any]:
    """What progress.json of a checkpoint says."""
    return verified(read_text(path / PROGRESS))


def checkpoint_files(folder: Path) -> list[str]:
    """Paths inside a folder of checkpoints of what `Checkpoints` has written there."""
    found = []
    for name in files_under(folder):
        place, _, rest = name.partition("/")
        if (_WHOLE.fullmatch(place) or _LEFT.fullmatch(place)) and _FILE.fullmatch(rest):
            found.append(name)
    return found


def _checksum(path: Path) -> str:
    value = 0
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            value = zlib.crc32(block, value)
    return f"{value:08x}"


class Checkpoints:
    """The newest `keep` states of a run, as `step-0000001200/{state.*,chains-*.npz,progress.json}`.

    Args:
        folder: where the checkpoints are; made when the first is saved.
        keep: how many to keep.
        chains: the `Chains` of a run that has them. They are kept in files of their own.
        devices: the `Devices` of a run: where several processes learn together, all of them save
            and restore, each its own chains, and the chief the rest.
        fingerprint: of the training data, which is kept with each checkpoint.
        sources: where the data have changed since other checkpoints were written, whose chains are
            taken from these, as of `Chains.restore`.
        objects: what to save, by name: built Keras models and optimizers, tf.Modules, tf.Variables.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        keep: int = 3,
        chains: Chains | None = None,
        devices: Devices | None = None,
        fingerprint: str = "",
        sources: np.ndarray | None = None,
        **objects: Any,
    ):
        self.folder = user_path(folder)
        self.keep = keep
        self.chains = chains
        self.fingerprint = fingerprint
        self.sources = sources
        self.devices = devices or Devices()
        self.state = tf.train.Checkpoint(**objects)

    def paths(self) -> list[Path]:
        """The checkpoints' folders, oldest first."""
        return self._named(_WHOLE)

    def _named(self, pattern: re.Pattern[str]) -> list[Path]:
        """The folders in `folder` with such names, sorted."""
        folders = self.folder.iterdir() if self.folder.is_dir() else ()
        return sorted(path for path in folders if pattern.fullmatch(path.name) and path.is_dir())

    def save(self, progress: Progress) -> None:
        """Writes a checkpoint, which appears whole, and removes the oldest ones beyond `keep`.

        Raises:
            DiskError: it cannot be written; those that were there before remain.
            WorkerLost: another process has ended.
        """
        partial = self.folder / f"partial-{progress.step:010d}"
        try:
            if self.devices.chief:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._remove(*self._named(_LEFT))
                partial.mkdir()
                self.state.write(str(partial / "state"))
            self.devices.meet()
            if self.chains:
                self.chains.save(partial)
            self.devices.meet()
            if not self.devices.chief:
                return
            files = {path.name: _checksum(path) for path in sorted(partial.iterdir())}
            row = {**dataclasses.asdict(progress), "data": self.fingerprint, "files": files}
            row = with_checksum(row)
            (partial / PROGRESS).write_text(json.dumps(row))
            final = self.folder / f"step-{progress.step:010d}"
            # The name is free for an instant; the states before this one remain whatever happens.
            self._remove(final)
            partial.rename(final)
            self._remove(*self.paths()[: -self.keep])
        except (OSError, tf.errors.OpError) as error:
            self._discard(partial)
            kept = self.paths()
            raise DiskError(
                f"step {progress.step} cannot be saved in {self.folder} ({disk_reason(error)}): "
                + (f"the newest checkpoint is still {kept[-1].name}. " if kept else "")
                + "Make room, then run the same command again: it goes on from there."
            ) from error

    def _remove(self, *paths: Path) -> None:
        """Deletes folders; a checkpoint's loses its name first, all at once.

        A folder that holds what others have put there stays, as kept-NAME.
        """
        for path in filter(Path.exists, paths):
            if _WHOLE.fullmatch(path.name):
                path = path.rename(self.folder / f"partial-old-{path.name}")
            self._discard(path)
            if path.exists():
                path.rename(
                    free_path(self.folder / f"kept-{path.name.removeprefix('partial-old-')}")
                )

    def clear(self) -> None:
        """Deletes every checkpoint and what killed saves have left, and the folder if it is empty.

        What others have put there stays, under names that are no checkpoints'.
        """
        self._remove(*self.paths(), *self._named(_LEFT))
        remove_files(self.folder, ())

    def _sources_of(self, path: Path) -> np.ndarray | None:
        """Whose chains are taken from a checkpoint; None if it is of the data of now."""
        known = self.fingerprint and _read(path).get("data") == self.fingerprint
        return None if known else self.sources

    def _discard(self, path: Path) -> None:
        """Deletes the files of a checkpoint, and its folder if it is empty then.

        Nothing is deleted behind a link: that is the checkpoint of another run.
        """
        if path.is_symlink():
            return
        remove_files(path, [name for name in files_under(path) if _FILE.fullmatch(name)])
        # TensorFlow makes a folder for what it writes first, and may be killed before it does.
        for place, _, _ in os.walk(path, topdown=False):
            remove_files(Path(place), ())

    def restore(self, partial: bool = False) -> Progress | None:
        """Restores the newest checkpoint that can be read; those that cannot are reported.

        Args:
            partial: whether a checkpoint may hold more than the `objects`, as when only a model is
                wanted.

        Returns:
            The `Progress` of that checkpoint, or None when there is no checkpoint at all.

        Raises:
            InputError: there are checkpoints, and none can be read.
        """
        paths = self.paths()
        for path in reversed(paths):
            try:
                progress = check_files(path)
                if self.chains:
                    self.chains.restore(path, self._sources_of(path))
                with literal_path(path) as readable:
                    status = self.state.read(str(readable / "state"))
                    # Older versions kept the chains here too.
                    if partial or (self.chains and not any(path.glob("chains-*"))):
                        status.assert_existing_objects_matched().expect_partial()
                    else:
                        status.assert_consumed()
                return progress
            # Seen of broken files: OpError (a flipped bit, a missing file), IndexError (a truncated
            # index), AssertionError (variables missing from it) and, for progress.json and chains,
            # ValueError or TypeError. Files that were checked cannot make the reader do worse.
            except (
                tf.errors.OpError,
                OSError,
                IndexError,
                AssertionError,
                ValueError,
                TypeError,
            ) as error:
                reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
                _log.warning(
                    "Checkpoint %s cannot be read (%s): the one before it is used.", path, reason
                )
        if paths:
            raise InputError(
                f"none of the {len(paths)} checkpoints in {self.folder} can be read: "
                "train again from the start (`fresh`)."
            )
        return None
