"""A run's folder: its settings, data, checkpoints, numbers and images."""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dgn_tf.config import Config
from dgn_tf.config.serialization import flagfile
from dgn_tf.data.examples import Examples
from dgn_tf.data.labels import class_folders
from dgn_tf.data.sources import source_of
from dgn_tf.runs.outputs import require_apart
from dgn_tf.runs.unrecorded import unrecorded_files
from dgn_tf.training.checkpoints import Checkpoints, checkpoint_files
from dgn_tf.types import LatentArrays
from dgn_tf.utils.checksums import verified, with_checksum
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import partial_path, user_path, write_text
from dgn_tf.utils.locks import LOCK, lock_folder
from dgn_tf.utils.ownership import (
    LOGS,
    MEASURED,
    RECORD,
    REPORT,
    RUN,
    SHEETS,
    Ownership,
    remove_files,
    remove_recorded,
    shortened,
    strangers_in,
)
from dgn_tf.visualize.directions import FILE as DIRECTIONS

MODEL = "model.keras"
ENCODER = "encoder.keras"
_FILES = (
    "config.json",
    "flags.cfg",
    "data.json",
    "metrics.jsonl",
    MODEL,
    ENCODER,
    DIRECTIONS,
)
# Left where a process was killed while it wrote; all but the first are of version 0.1.
_PARTIAL = (
    *(partial_path(Path(name)).name for name in (*_FILES, RECORD)),
    *(f"{name}.partial" for name in _FILES),
    "partial.keras",
    "partial-encoder.keras",
)
CHECKPOINTS = "checkpoints"
SAMPLES, TENSORBOARD, EVALUATION = "samples", "tensorboard", "evaluation"


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
        self.folder = user_path(folder)
        self._owned = Ownership(self.folder, RUN)

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    @property
    def exists(self) -> bool:
        """Whether a run was ever started here."""
        return (self / "config.json").exists()

    def check(
        self, config: Config, fresh: bool = False, sources: Sequence[str | os.PathLike] = ()
    ) -> None:
        """Check that a training may start or go on here; nothing is written.

        Args:
            config: the settings of the training.
            fresh: whether a run that is here is to be removed.
            sources: paths of files and folders that the training reads.

        Raises:
            InputError: the folder holds something else, or a run with other settings, or with
                `fresh` what is read.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"{self.flag} is a file: name a folder.")
        if fresh and self.folder.is_dir():
            self._require_removable(sources)
        if not self.exists and (others := self._others()):
            raise InputError(
                f"{self.flag} holds something that is not a run ({shortened(others)}): name a new "
                "or empty folder."
            )
        if fresh or not self.exists:
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

    def _others(self) -> list[str]:
        """Paths of files in the folder that no run has written."""
        known = {*_PARTIAL, LOCK, RECORD}
        # Without settings what is left of a run is known by its record or, of versions that kept
        # none, by what they noted of the data before anything else.
        if self._owned.recorded or self._has_description():
            own = checkpoint_files(self / CHECKPOINTS)
            known |= {*_FILES, *(f"{CHECKPOINTS}/{name}" for name in own)}
            known |= {*unrecorded_files(self.folder)}
        return [name for name in strangers_in(self.folder) if name not in known]

    def _has_description(self) -> bool:
        try:
            return bool(self.described())
        except InputError:
            return False

    def _require_removable(self, sources: Sequence[str | os.PathLike]) -> None:
        """Check that what is in the folder is a run, and nothing that is read.

        Raises:
            InputError: it is not.
        """
        if any(path.name != LOCK for path in self.folder.iterdir()) and not self._owned.recorded:
            # Versions that kept no record wrote the settings first.
            try:
                self.config()
            except InputError:
                raise InputError(
                    f"{self.flag} holds neither a {RECORD} of this program nor the settings of a "
                    "run, so `fresh` removes nothing there: name another folder, or remove it "
                    "yourself."
                ) from None
        require_apart(self.folder, self.flag, sources)

    def lock(self) -> None:
        """Keep other processes from writing here until this one ends, and record what is a run's.

        Raises:
            InputError: another process works here, or the folder cannot be written.
        """
        # The handle must outlive this call: the lock goes with it.
        self._lock = lock_folder(self.folder, self.flag)
        # Of a run that was begun without a record.
        before = [] if self._owned.recorded else [*_PARTIAL, *unrecorded_files(self.folder)]
        self._owned.add([*_FILES, *before])

    def clear(self) -> list[str]:
        """Remove what a run has written, and nothing else.

        Returns:
            Paths inside the folder of the files that stay, since others have written them.
        """
        remove_files(self / CHECKPOINTS, checkpoint_files(self / CHECKPOINTS))
        reports = sorted((self / EVALUATION).glob("*"))
        for place, kind in (
            (self / SAMPLES, SHEETS),
            (self / TENSORBOARD, LOGS),
            *((report, REPORT) for report in reports),
            (self / EVALUATION, MEASURED),
        ):
            if Ownership(place, kind).recorded:
                remove_recorded(place)
        self._owned.remove()
        self._owned.add(_FILES)
        return [name for name in strangers_in(self.folder) if name != LOCK]

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
        paths = Checkpoints(self / CHECKPOINTS).paths()
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
