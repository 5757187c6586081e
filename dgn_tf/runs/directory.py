"""A run's folder: its settings, data, checkpoints, numbers and images."""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from dgn_tf.config import Config
from dgn_tf.config.serialization import flagfile
from dgn_tf.data.examples import Examples
from dgn_tf.data.labels import class_folders
from dgn_tf.data.sources import source_of
from dgn_tf.training.checkpoints import Checkpoints
from dgn_tf.types import LatentArrays
from dgn_tf.utils.checksums import verified, with_checksum
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import partial_path, write_text
from dgn_tf.utils.locks import LOCK, lock_folder
from dgn_tf.visualize.directions import FILE as DIRECTIONS

# What a run writes, and so what `fresh` may remove.
MODEL = "model.keras"
ENCODER = "encoder.keras"
_FILES = (
    "config.json",
    "flags.cfg",
    "data.json",
    "metrics.jsonl",
    "report.json",
    MODEL,
    ENCODER,
    DIRECTIONS,
)
# Left where a process was killed while it wrote; the names with another form are of version 0.1.
_PARTIAL = (
    *(partial_path(Path(name)).name for name in _FILES),
    *(f"{name}.partial" for name in _FILES),
    "partial.keras",
    "partial-encoder.keras",
)
_FOLDERS = ("checkpoints", "samples", "tensorboard", "evaluation")


class Run:
    """The folder of one training run.

    It holds config.json, flags.cfg (the same as a flagfile), data.json (what it learns from),
    checkpoints/, tensorboard/, metrics.jsonl, samples/ and, at the end, model.keras and
    directions.npz (the principal directions of its latents), with proposals also encoder.keras,
    which dgn_tf.amortise adds to other runs; dgn_tf.evaluate adds reports in evaluation/.

    Args:
        folder: of the run; nothing is made yet.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    @property
    def exists(self) -> bool:
        """Whether a run was ever started here."""
        return (self / "config.json").exists()

    def check(self, config: Config, fresh: bool = False) -> None:
        """Check that a training may start or go on here; nothing is written.

        Args:
            config: the settings of the training.
            fresh: whether a run that is here is to be removed.

        Raises:
            InputError: the folder holds something else, or a run with other settings.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"{self.flag} is a file: name a folder.")
        if not self.exists:
            if self.folder.is_dir() and any(
                p.name not in (*_FILES, *_PARTIAL, *_FOLDERS, LOCK) for p in self.folder.iterdir()
            ):
                raise InputError(
                    f"{self.flag} holds something that is not a run: name a new or empty folder."
                )
            return
        if fresh:
            return
        before, now = self.config().settings(), config.settings()
        changed = [
            f"`{name}={before[name][0]}` there, {value} now"
            for name, (value, field) in now.items()
            if field.metadata["fixed"] and before[name][0] != value
        ]
        if changed:
            raise InputError(
                f"{self.flag} was begun with other settings ({'; '.join(changed)}): "
                "use the same, another `run_dir`, or `fresh` to start over."
            )

    def lock(self) -> None:
        """Keep other processes from writing here until this one ends.

        Raises:
            InputError: another process works here, or the folder cannot be written.
        """
        # The handle must outlive this call: the lock goes with it.
        self._lock = lock_folder(self.folder, self.flag)

    def clear(self) -> None:
        """Remove what a run wrote, and nothing else."""
        for name in _FOLDERS:
            shutil.rmtree(self / name, ignore_errors=True)
        for name in (*_FILES, *_PARTIAL):
            (self / name).unlink(missing_ok=True)

    def forget_results(self) -> None:
        """Remove what belongs to the weights as they were, before they change further.

        That is the encoder, which would guess wrong, and the principal directions.
        """
        for name in (ENCODER, DIRECTIONS):
            (self / name).unlink(missing_ok=True)

    def begin(self, config: Config, examples: Examples, given: LatentArrays | None = None) -> None:
        """Write settings and data description, or compare the data with what the run began with.

        Args:
            config: the settings.
            examples: the N training examples.
            given: one-hot labels [N, d] by group, of a labeled model.

        Raises:
            InputError: the data changed since the run began.
        """
        described: dict[str, Any] = {
            "examples": len(examples),
            "fingerprint": examples.fingerprint(),
        }
        if given:
            labels = np.concatenate(list(given.values()), axis=1).argmax(axis=1)
            described["labels"] = hashlib.sha256(labels.astype("<i8").tobytes()).hexdigest()
            if source_of(config.data.data)[0].class_folders:
                described["folders"] = class_folders(examples)
        data = self / "data.json"
        if data.exists() and (before := self.described()) != described:
            began = before["examples"]
            raise InputError(
                f"`data={config.data.data}` has changed since the run in {self.folder} began "
                f"({began} examples then, {len(examples)} now): its chains no longer fit. "
                "Use another `run_dir`, or `fresh`."
            )
        write_text(data, json.dumps(with_checksum(described)) + "\n")
        write_text(self / "flags.cfg", flagfile(config.settings()))
        write_text(self / "config.json", config.to_json())

    def require_data(self, examples: Examples) -> None:
        """Check that examples are those that the run began with.

        Raises:
            InputError: they are others, so that the chains do not fit.
        """
        began = self.described()
        if began["fingerprint"] != examples.fingerprint():
            raise InputError(
                f"{self.flag}: its data have changed since it was trained "
                f"({began['examples']} examples then, {len(examples)} now): its chains no longer "
                "fit."
            )

    def described(self) -> dict[str, Any]:
        """What data.json says of the data that the run began with.

        Returns:
            "examples", their number; "fingerprint" of ids and images; of a labeled run also
            "labels", a checksum, and perhaps "folders".

        Raises:
            InputError: it is missing or damaged.
        """
        path = self / "data.json"
        try:
            described = verified(path.read_text(encoding="utf-8"))
            if not {"examples", "fingerprint"} <= described.keys():
                raise ValueError("it lacks what tells data apart")
        except (OSError, ValueError):
            raise InputError(
                f"{path} is missing or damaged. If the data are as they were, delete what is left "
                "of it and run the dgn_tf.train command again: it writes a new one."
            ) from None
        return described

    @property
    def flag(self) -> str:
        """The setting that names this folder, for messages."""
        return f"`run_dir={self.folder}`"

    @property
    def checkpoint(self) -> str:
        """Name of the newest checkpoint, or "" if there is none."""
        paths = Checkpoints(self / "checkpoints").paths()
        return paths[-1].name if paths else ""

    @property
    def folders(self) -> list[str] | None:
        """The folders that a labeled run has numbered its classes by, or None."""
        return self.described().get("folders") if (self / "data.json").exists() else None

    def config(self) -> Config:
        """The settings of this run.

        Raises:
            InputError: there is no run here, or its settings cannot be read.
        """
        if not self.exists:
            raise InputError(f"{self.flag} holds no run: it has no config.json.")
        try:
            return Config.from_json((self / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(
                f"{self / 'config.json'}: {error}. If it is damaged, delete it and give the "
                f"dgn_tf.train command --flagfile={self / 'flags.cfg'}: it goes on from there."
            ) from None
