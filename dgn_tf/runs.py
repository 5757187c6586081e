"""A run's folder: its settings, data, checkpoints, numbers and pictures."""

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from dgn_tf.config import Config
from dgn_tf.data.labels import class_folders, one_hot
from dgn_tf.data.pipeline import steps_per_epoch
from dgn_tf.flags import flagfile, write_text
from dgn_tf.learning.average import WeightAverage
from dgn_tf.learning.chains import read_chains
from dgn_tf.learning.checkpoints import Checkpoints, check_files
from dgn_tf.locks import LOCK, lock_folder
from dgn_tf.models.catalog import make_model
from dgn_tf.parsing import InputError
from dgn_tf.stored import sealed, unsealed

# What a run writes, and so what --fresh may remove.
ENCODER = "encoder.keras"
_FILES = (
    "config.json", "flags.cfg", "data.json", "metrics.jsonl", "model.keras", "report.json", ENCODER,
)  # fmt: skip
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
        write_text(data, json.dumps(sealed(described)) + "\n")
        write_text(self / "flags.cfg", flagfile(config))
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
            described = unsealed(path.read_text(encoding="utf-8"))
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
        """The folders that a labelled run has numbered its classes by, or None."""
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


def load(run_dir):
    """The settings and the trained model of a run.

    Returns:
        (Config, Keras model with the weights, averaged if the run averages them, of the newest
        checkpoint that can be read).

    Raises:
        InputError: there is no run in `run_dir`, or it has no checkpoint that can be read.
    """
    config, model, _ = _restored(run_dir)
    return config, model


def load_finished(run_dir):
    """What `load` gives, of a run that has come to its end.

    Raises:
        InputError: also for a run that has not, or whose last checkpoint cannot be read.
    """
    config, model, step = _restored(run_dir)
    run, learning = Run(run_dir), config.learning
    count = run._described()["examples"]
    steps = learning.epochs * steps_per_epoch(count, learning.batch_size, learning.shards)
    if step < steps:
        raise InputError(
            f"--run_dir={run_dir} is not finished: the newest checkpoint that can be read is of "
            f"step {step} of {steps}. Run its dgn_tf.train command again to finish it."
        )
    return config, model


def _restored(run_dir):
    """Settings, model and step of the newest checkpoint that can be read."""
    run = Run(run_dir)
    config = run.config()
    data = config.data
    model = make_model(config.model, data.side, data.channels, data.frames)
    average = WeightAverage(model) if config.learning.ema else None
    objects = {"model": model, "average": average} if average else {"model": model}
    progress = Checkpoints(run / "checkpoints", **objects).restore(partial=True)
    if progress is None:
        raise InputError(f"--run_dir={run_dir} has no checkpoint yet.")
    if average and progress.step:
        average.copy_to(model)
    return config, model, progress.step


def given_latents(config, examples, folders=None):
    """What a labelled model is given of examples: their one-hot labels.

    Args:
        config: of the run.
        examples: N examples.
        folders: `Run.folders` of a run that is there.

    Returns:
        Float32 [N, d] by latent group; empty for a model that infers all groups.

    Raises:
        InputError: the examples lack the label, or have a class that the model does not know.
    """
    if config.model.appearance != "label":
        return {}
    settings = config.data.label, config.model.appearance_dim
    return {"appearance": one_hot(examples, *settings, folders)}


def load_into(model, config, run_dir):
    """Give a new model the networks of a trained run (--init_from).

    Args:
        model: the untrained model of `config`.
        config: the `Config` of the run that begins; only its penalties may differ from the other's
            model settings.
        run_dir: folder of the trained run.

    Raises:
        InputError: there is no trained run in `run_dir`, or its networks are of other sizes.
    """
    try:
        other, trained = load(run_dir)
    except InputError as error:
        raise InputError(f"--init_from: {error}") from None
    before, now = other.settings(), config.settings()
    # Neither penalties nor the precision of the computation shape the weights.
    shaping = [
        f.name
        for f in dataclasses.fields(config.model)
        if not f.name.endswith("_penalty") and f.name != "precision"
    ]
    differing = [
        f"--{name}={before[name][0]} there, {now[name][0]} here"
        for name in ("side", "channels", "frames", *shaping)
        if before[name][0] != now[name][0]
    ]
    if differing:
        raise InputError(
            f"--init_from={run_dir} has other networks ({'; '.join(differing)}): use the same."
        )
    model.set_weights(trained.get_weights())


def load_encoder(run_dir):
    """The encoder that dgn_tf.amortise has learned for a run.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    path = Run(run_dir) / ENCODER
    if not path.exists():
        raise InputError(
            f"--amortised: --run_dir={run_dir} has no {ENCODER}: run dgn_tf.amortise first."
        )
    try:
        return keras.models.load_model(path)
    except Exception as error:
        # A broken file makes Keras raise nearly anything.
        raise InputError(
            f"--amortised: {path} cannot be read ({type(error).__name__}): run dgn_tf.amortise "
            "again."
        ) from error


def load_chains(run_dir):
    """The latents of a run's training examples, as its Langevin chains left them.

    Returns:
        Float32 [N, d] by name of the latent group, in the order of the training examples, from
        the newest checkpoint that can be read; None for a run that keeps no chains, because its
        model infers latents by an encoder, or whose chains nothing has moved, because it learned
        by a discriminator alone.
    """
    learning = Run(run_dir).config().learning
    if learning.adversarial and not learning.likelihood_weight:
        return None
    for path in reversed(Checkpoints(Run(run_dir) / "checkpoints").paths()):
        try:
            check_files(path)
            _, chains = read_chains(path)
        # A broken checkpoint; loading the model has reported it already.
        except (tf.errors.OpError, OSError, ValueError, IndexError):
            continue
        return chains or None
    return None
