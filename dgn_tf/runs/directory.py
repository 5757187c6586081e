"""A run's folder: its settings, data, checkpoints, numbers and images."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np

from dgn_tf.config import Config
from dgn_tf.config.serialization import flagfile
from dgn_tf.data.labels import class_folders
from dgn_tf.training.checkpoints import Checkpoints
from dgn_tf.utils.checksums import verified, with_checksum
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import write_text
from dgn_tf.utils.locks import LOCK, lock_folder

# What a run writes, and so what --fresh may remove.
ENCODER = "encoder.keras"
_FILES = (
    "config.json",
    "flags.cfg",
    "data.json",
    "metrics.jsonl",
    "model.keras",
    "report.json",
    ENCODER,
)
# Left where a process was killed while it wrote.
_PARTIAL = ("partial.keras", "partial-encoder.keras", *(f"{name}.partial" for name in _FILES))
_FOLDERS = ("checkpoints", "samples", "tensorboard", "evaluation")


class Run:
    """The folder of one training run.

    config.json, flags.cfg (the same as a flagfile), data.json (what it learns from), checkpoints/,
    tensorboard/, metrics.jsonl, samples/ and, at the end, model.keras; evaluation/ holds reports.
    """

    def __init__(self, folder):
        self.folder = Path(folder)

    def __truediv__(self, name):
        return self.folder / name

    @property
    def exists(self):
        """Whether a run was ever started here."""
        return (self / "config.json").exists()

    def check(self, config, fresh=False):
        """Whether a training with `config` may start or go on here; nothing is written.

        Raises:
            InputError: the folder holds something else, or a run with other settings.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"--run_dir={self.folder} is a file: name a folder.")
        if not self.exists:
            if self.folder.is_dir() and any(
                p.name not in (*_FILES, *_PARTIAL, *_FOLDERS, LOCK) for p in self.folder.iterdir()
            ):
                raise InputError(
                    f"--run_dir={self.folder} holds something that is no run: "
                    "name a new or empty folder."
                )
            return
        if fresh:
            return
        before, now = self.config().settings(), config.settings()
        changed = [
            f"--{name}={before[name][0]} there, {value} now"
            for name, (value, field) in now.items()
            if field.metadata["fixed"] and before[name][0] != value
        ]
        if changed:
            raise InputError(
                f"--run_dir={self.folder} was begun with other settings ({'; '.join(changed)}): "
                "use the same, another --run_dir, or --fresh to start over."
            )

    def lock(self):
        """Keep others that write here out until this process ends.

        Raises:
            InputError: another process works here, or the folder cannot be written.
        """
        # The handle must outlive this call: the lock goes with it.
        self._lock = lock_folder(self.folder, f"--run_dir={self.folder}")

    def clear(self):
        """Remove what a run wrote."""
        for name in _FOLDERS:
            shutil.rmtree(self / name, ignore_errors=True)
        for name in (*_FILES, *_PARTIAL):
            (self / name).unlink(missing_ok=True)

    def begin(self, config, examples, given=None):
        """Write settings and data description, or compare the data with what the run began with.

        Raises:
            InputError: the data changed since the run began.
        """
        described = {"examples": len(examples), "fingerprint": examples.fingerprint()}
        if given:
            labels = np.concatenate(list(given.values()), axis=1).argmax(axis=1)
            described["labels"] = hashlib.sha256(labels.astype("<i8").tobytes()).hexdigest()
            if config.data.data.startswith("folder:"):
                described["folders"] = class_folders(examples)
        data = self / "data.json"
        if data.exists() and (before := self._described()) != described:
            began = before["examples"]
            raise InputError(
                f"--data={config.data.data} has changed since the run in {self.folder} began "
                f"({began} examples then, {len(examples)} now): its chains no longer fit. "
                "Use another --run_dir, or --fresh."
            )
        write_text(data, json.dumps(with_checksum(described)) + "\n")
        write_text(self / "flags.cfg", flagfile(config.settings()))
        write_text(self / "config.json", config.to_json())

    def require_data(self, examples):
        """Whether examples are those that the run began with.

        Raises:
            InputError: they are others, so that the chains do not fit.
        """
        began = self._described()
        if began["fingerprint"] != examples.fingerprint():
            raise InputError(
                f"--run_dir={self.folder}: its data have changed since it was trained "
                f"({began['examples']} examples then, {len(examples)} now): its chains no longer "
                "fit."
            )

    def _described(self):
        """What data.json says of the data that the run began with.

        Raises:
            InputError: it is missing or damaged.
        """
        path = self / "data.json"
        try:
            described = verified(path.read_text(encoding="utf-8"))
            described["examples"], described["fingerprint"]
        except (OSError, ValueError, KeyError):
            raise InputError(
                f"{path} is missing or damaged. If the data are as they were, delete what is left "
                "of it and run the dgn_tf.train command again: it writes a new one."
            ) from None
        return described

    @property
    def checkpoint(self):
        """Name of the newest checkpoint, or "" if there is none."""
        paths = Checkpoints(self / "checkpoints").paths()
        return paths[-1].name if paths else ""

    @property
    def folders(self):
        """The folders that a labeled run has numbered its classes by, or None."""
        return self._described().get("folders") if (self / "data.json").exists() else None

    def config(self):
        """The settings of this run.

        Raises:
            InputError: there is no run here, or its settings cannot be read.
        """
        if not self.exists:
            raise InputError(f"--run_dir={self.folder} holds no run: it has no config.json.")
        try:
            return Config.from_json((self / "config.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(
                f"{self / 'config.json'}: {error}. If it is damaged, delete it and give the "
                f"dgn_tf.train command --flagfile={self / 'flags.cfg'}: it goes on from there."
            ) from None
