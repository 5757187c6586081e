"""A run's folder: its settings, data, checkpoints, numbers and images."""

import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dgn_tf.cli.paths import run_config
from dgn_tf.config import Config
from dgn_tf.config.going_on import require_fixed
from dgn_tf.config.serialization import flagfile
from dgn_tf.data.examples import Examples
from dgn_tf.data.matching import Identity
from dgn_tf.data.sources.memory import MEMORY
from dgn_tf.runs import contents
from dgn_tf.runs.contents import (
    CHECKPOINTS,
    CONFIG,
    DATA,
    DIRECTIONS,
    ENCODER,
    EVALUATION,
    EXAMPLES,
    FLAGS,
    MODEL,
    SAMPLES,
    STATISTICS,
    TENSORBOARD,
)
from dgn_tf.runs.data_note import (
    describe,
    read_identity,
    read_note,
    same_data,
    write_identity,
    write_note,
)
from dgn_tf.training.chains import read_ids
from dgn_tf.training.checkpoints import Checkpoints
from dgn_tf.types import LatentArrays
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import user_path, write_text
from dgn_tf.utils.locks import lock_folder
from dgn_tf.utils.ownership import shortened
from dgn_tf.utils.words import counted

__all__ = [
    "CHECKPOINTS",
    "DIRECTIONS",
    "ENCODER",
    "EVALUATION",
    "MODEL",
    "SAMPLES",
    "STATISTICS",
    "TENSORBOARD",
    "Run",
]


class Run:
    """The folder of one training run.

    It holds config.json, flags.cfg (the same as a flagfile), data.json (what it learns from),
    checkpoints/, tensorboard/, metrics.jsonl, samples/ and, at the end, model.keras and
    directions.npz (the principal directions of its latents) and statistics.npz (their distribution,
    and that of the errors), with proposals also encoder.keras, which dgn_tf.amortise adds to other
    runs; dgn_tf.evaluate adds reports in evaluation/. A record
    of what the program has written (`dgn_tf.utils.ownership`) tells it from what others put there.

    Args:
        folder: of the run; nothing is made yet.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = user_path(folder)

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    @property
    def exists(self) -> bool:
        """Whether a run was ever started here."""
        return (self / CONFIG).exists()

    def check(
        self,
        config: Config,
        fresh: bool = False,
        sources: Sequence[str | os.PathLike] = (),
        data_changed: bool = False,
    ) -> None:
        """Check that a training may start or go on here; nothing is written.

        Args:
            config: the settings of the training.
            fresh: whether a run that is here is to be removed.
            sources: paths of files and folders that the training reads.
            data_changed: whether other examples may be chosen (`limit`, `where`) than before.

        Raises:
            InputError: the folder holds something else, or a run with other settings or without
                its checkpoints, or with `fresh` what is read.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"{self.flag} is a file: name a folder.")
        if fresh and self.folder.is_dir():
            contents.require_removable(self.folder, self.flag, _holds(self.config), sources)
        if not self.exists:
            others = contents.others_in(self.folder, _holds(self.described))
            if others:
                raise InputError(
                    f"{self.flag} holds something that is not a run ({shortened(others)}): name a "
                    "new or empty folder."
                )
        elif not fresh:
            require_fixed(self.config(), config, self.flag, data_changed)
            # The first checkpoint is older than either.
            learned = (self / MODEL).exists() or (self / "metrics.jsonl").exists()
            if learned and not self.checkpoint:
                raise InputError(
                    f"{self.flag} has no checkpoints any more, with which a run goes on: from the "
                    f"start it would replace what has been learned. Put {CHECKPOINTS}/ back, name "
                    "another folder, or give `fresh` to start over."
                )

    def lock(self) -> None:
        """Keep other processes from writing here until this one ends, and record what is a run's.

        Raises:
            InputError: another process works here, or the folder cannot be written.
        """
        # The handle must outlive this call: the lock goes with it.
        self._lock = lock_folder(self.folder, self.flag)
        contents.record_run(self.folder)

    def clear(self) -> list[str]:
        """Remove what a run has written, and nothing else.

        Returns:
            Paths inside the folder of the files that stay, since others have written them.
        """
        return contents.clear_run(self.folder)

    def forget_results(self) -> bool:
        """Remove what belongs to the weights as they were, before they change further.

        That is the encoder, which would guess wrong, the principal directions and the statistics.

        Returns:
            Whether there was an encoder.
        """
        encoded = (self / ENCODER).exists()
        for name in (ENCODER, DIRECTIONS, STATISTICS):
            (self / name).unlink(missing_ok=True)
        return encoded

    def begin(
        self,
        config: Config,
        examples: Examples,
        given: LatentArrays | None = None,
        begun_from: str = "",
        changed: bool = False,
    ) -> None:
        """Write settings and what is known of the data.

        Args:
            config: the settings.
            examples: the N training examples, from wherever they are now.
            given: one-hot labels [N, d] by group, of a labeled model.
            begun_from: checksum of the networks that a new run begins with, if another has made
                them.
            changed: whether the data may be others than those that the run began with.

        Raises:
            InputError: the data changed since the run began.
        """
        described = describe(config, examples, given)
        if (self / DATA).exists():
            before = self.described()
            self.require_same(config, examples, given, changed)
            # How the classes are numbered, for example, is as it was.
            described = before | described
            described |= {n: before[n] for n in ("folders", "begun_from") if n in before}
        elif begun_from:
            described["begun_from"] = begun_from
        write_identity(self / EXAMPLES, examples)
        write_note(self / DATA, described)
        write_text(self / FLAGS, flagfile(config.settings()))
        write_text(self / CONFIG, config.to_json())

    def require_same(
        self,
        config: Config,
        examples: Examples,
        given: LatentArrays | None = None,
        changed: bool = False,
    ) -> bool:
        """Whether the data are those that the run began with, if it has.

        Args:
            config: the settings.
            examples: the training examples.
            given: one-hot labels [N, d] by group, of a labeled model.
            changed: whether they may be others.

        Raises:
            InputError: they are others, and may not.
        """
        if not (self / DATA).exists():
            return True
        before = self.described()
        same = same_data(before, describe(config, examples, given))
        if not (same or changed):
            raise InputError(self._others(config, before["examples"], len(examples)))
        return same

    def _others(self, config: Config, then: int, now: int) -> str:
        """What is said of other examples than the `then` that the run began with."""
        data, twice = config.data.data, 1 + config.data.mirror
        noun = "clip" if config.data.frames else "image"
        known = self.config().data.data if self.exists else data
        began = f"the run in {self.folder} began"
        ways = f"`data_changed` to go on with those of the {noun}s that are still there, "
        if data == MEMORY.kind:
            what, ways = f"the {noun}s are not those with which {began}", "the same ones, "
        elif data == known:
            what = f"`data={data}` has changed since {began}"
        else:
            what = f"`data={data}` is not {known}, with which {began}"
        before = counted(then // twice, noun)
        counts = "other ones now" if now == then else f"{now // twice:,} now"
        return (
            f"{what} ({before} then, {counts}), and a run keeps the latents of each of its "
            f"{noun}s. Give {ways}another `run_dir`, or `fresh` to start over."
        )

    @property
    def identity(self) -> Identity | None:
        """What tells the examples apart that the run has chains of; None where nothing is known."""
        kept = read_identity(self / EXAMPLES)
        if kept is not None:
            return kept
        for path in reversed(Checkpoints(self / CHECKPOINTS).paths()):
            try:
                ids = read_ids(path)
            # A broken checkpoint: restoring it reports that.
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
                continue
            return None if ids is None else Identity(ids, None)
        return None

    def require_data(self, examples: Examples) -> None:
        """Check that examples are those that the run began with.

        Raises:
            InputError: they are others, so that the chains do not fit.
        """
        began = self.described()
        if began["fingerprint"] != examples.fingerprint():
            raise InputError(
                f"{self.flag}: its data have changed since it was trained "
                f"({began['examples']:,} examples then, {len(examples):,} now), and the latents "
                "that it keeps are of those. Train it on these first, with `data_changed`."
            )

    def described(self) -> dict[str, Any]:
        """What data.json says of the data that the run began with, as of `read_note`.

        Raises:
            InputError: it is missing or damaged.
        """
        return read_note(self / DATA)

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
        return self.described().get("folders") if (self / DATA).exists() else None

    def config(self) -> Config:
        """The settings of this run.

        Raises:
            InputError: there is no run here, or its settings cannot be read.
        """
        return run_config(self.folder)


def _holds(read: Any) -> bool:
    """Whether a file can be read."""
    try:
        read()
    except InputError:
        return False
    return True
