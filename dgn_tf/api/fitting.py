"""Training by a Python program: the loop of `dgn train`, and a Keras History of it."""

import contextlib
import dataclasses
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from dgn_tf.api.settings import Langevin, near
from dgn_tf.config import Config, ExecutionConfig, TrainingConfig
from dgn_tf.config.fields import whole_number
from dgn_tf.data.examples import Examples
from dgn_tf.runs.caller import Caller, Weights
from dgn_tf.runs.directory import Run
from dgn_tf.runs.trained import Trained, load_trained
from dgn_tf.runs.training import run_training
from dgn_tf.training.callbacks import ProgressReport, read_metrics
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import user_path
from dgn_tf.utils.progress import tell
from dgn_tf.utils.words import counted

# Of metrics.jsonl: what is no number of an epoch.
_PLACES = ("epoch", "step")


@dataclasses.dataclass(frozen=True)
class Fitted:
    """What a training has ended with.

    Attributes:
        trained: the model and what goes with it.
        weights: of the model, after the last callback.
        history: the numbers of every epoch of the run.
        stopped_by: the signal that has stopped it, or None.
    """

    trained: Trained
    weights: list[np.ndarray]
    history: keras.callbacks.History
    stopped_by: signal.Signals | None


def fit(
    config: Config,
    folder: str,
    examples: Examples,
    held_out: Examples | None,
    validation_freq: int | None,
    callbacks: Sequence[keras.callbacks.Callback],
    weights: Weights | None,
    verbose: str | int | bool,
    fresh: bool,
) -> Fitted:
    """Train in a folder; see `Generator.fit`.

    Args:
        config: the settings.
        folder: of the run.
        examples: to learn from.
        held_out: whose error is measured, or None.
        validation_freq: epochs between two measurements, or None.
        callbacks: of Keras.
        weights: that a new run begins with; None for new ones.
        verbose: as of `Generator.fit`.
        fresh: whether a run that is there is removed.

    Raises:
        InputError: an argument cannot be used.
    """
    if validation_freq is not None:
        validation_freq = whole_number("validation_freq", validation_freq, 1)
    caller = Caller(
        examples=examples,
        validation=held_out,
        validation_epochs=validation_freq,
        callbacks=_checked(callbacks),
        watch=_watch(verbose),
        say=lambda line: None,
        weights=weights,
    )
    ended = run_training(config, folder, fresh=fresh, caller=caller)
    if ended.finished and verbose:
        tell(
            f"Nothing to do: {folder} is trained for {counted(ended.finished, 'epoch')}. Give more "
            "`epochs` to go on, or fresh=True to start over.",
            sys.stderr,
        )
    trained = load_trained(folder, None)
    history = _history(Run(folder), trained.model)
    return Fitted(trained, ended.weights, history, ended.stopped_by)


def require_no_losses(langevin: Any, settings: Mapping[str, Any]) -> None:
    """Check that nobody gives a loss or metrics, as Keras takes them.

    Raises:
        InputError: somebody does.
    """
    if langevin is not None and not isinstance(langevin, Langevin):
        raise InputError(
            f"`langevin={langevin!r}`: must be dgn.Langevin(...). There is no loss to choose: a "
            "model learns by its likelihood, which `sigma` weighs."
        )
    if "loss" in settings:
        raise InputError(
            "`loss`: leave it out: a model learns by its likelihood, which `sigma` of dgn.Langevin "
            "weighs, and by penalties among its settings, such as `fold_penalty`."
        )
    if {"metrics", "weighted_metrics"} & settings.keys():
        raise InputError(
            "`metrics`: leave them out: `msre` is measured at every step, `val_msre` of "
            "`validation_data`, and all else by `evaluate` or by `callbacks` of `fit`."
        )


def require_training_settings(settings: Mapping[str, Any]) -> None:
    """Check that settings are of the training alone: those of the networks are made already.

    Raises:
        InputError: one is none.
    """
    known = [
        field.name
        for kind in (TrainingConfig, ExecutionConfig)
        for field in dataclasses.fields(kind)
    ]
    for name in settings:
        if name not in known:
            raise InputError(f"`{name}` is no setting of the training{near(name, known)}")


@contextlib.contextmanager
def run_folder(run_dir: str | os.PathLike | None) -> Iterator[str]:
    """The folder of a run; where none is given, one that goes when the training is over."""
    if run_dir is not None:
        yield os.fspath(user_path(run_dir))
        return
    with tempfile.TemporaryDirectory(prefix="dgn_tf-") as place:
        yield str(Path(place, "run"))


def raise_if_stopped(stopped_by: signal.Signals | None) -> None:
    """End the program as the signal would have, once what was learned is kept."""
    if stopped_by is None:
        return
    if stopped_by == signal.SIGINT:
        raise KeyboardInterrupt
    sys.exit(128 + stopped_by)


def _checked(callbacks: Any) -> Sequence[keras.callbacks.Callback]:
    given = (
        [callbacks] if isinstance(callbacks, keras.callbacks.Callback) else list(callbacks or ())
    )
    for callback in given:
        if not isinstance(callback, keras.callbacks.Callback):
            raise InputError(
                f"`callbacks` must be Keras callbacks; there is a {type(callback).__name__}."
            )
    return given


def _watch(verbose: str | int | bool) -> ProgressReport | None:
    if verbose not in ("auto", 0, 1, 2):
        raise InputError(f"`verbose={verbose!r}`: must be 'auto', 0, 1 or 2.")
    if not verbose:
        return None
    return ProgressReport(watched=False if verbose == 2 else None)


def _history(run: Run, model: keras.Model) -> keras.callbacks.History:
    """The numbers that a run has written, of all its epochs."""
    history = keras.callbacks.History()
    history.set_model(model)
    history.epoch = []
    for row in read_metrics(run / "metrics.jsonl"):
        history.epoch.append(row["epoch"] - 1)
        for name, value in row.items():
            if name not in _PLACES:
                history.history.setdefault(name, []).append(value)
    return history
