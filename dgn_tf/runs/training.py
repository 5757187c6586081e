"""A training from its settings to its end."""

import contextlib
import functools
import logging
import signal
from typing import Any

import keras
import numpy as np

from dgn_tf.cli.app import as_flags
from dgn_tf.config import Config
from dgn_tf.data.sources import paths_of
from dgn_tf.runs.caller import Caller, Ended, print_line
from dgn_tf.runs.directory import CHECKPOINTS, SAMPLES, TENSORBOARD, Run
from dgn_tf.runs.finishing import finish, is_finished, next_commands
from dgn_tf.runs.prepared import Prepared, described, new_discriminator, prepare, with_noted_kind
from dgn_tf.runs.restoring import given_latents
from dgn_tf.runs.resuming import Past, past_of, resumed_settings
from dgn_tf.training.callbacks import MetricsLog, RecordedTensorBoard
from dgn_tf.training.checkpoints import Checkpoints
from dgn_tf.training.course import Course
from dgn_tf.training.devices import Devices
from dgn_tf.training.ema import Averaging, averaged_weights
from dgn_tf.training.factory import compiles_step, make_learner
from dgn_tf.training.loop import Diverged, fit
from dgn_tf.training.signals import stop_on_signals
from dgn_tf.training.trackers import tracked
from dgn_tf.training.validation import Validation
from dgn_tf.types import Learner
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.ownership import shortened
from dgn_tf.utils.words import counted
from dgn_tf.visualize.callback import SampleSheets

_log = logging.getLogger(__name__)


def describe(config: Config) -> None:
    """Prints settings, data and networks of a training that does not take place.

    Raises:
        InputError: the settings or the data cannot be used.
    """
    config = with_noted_kind(config)
    devices = Devices(config.execution.strategy, config.learning.shards)
    print_line(described(prepare(config, devices, config.learning.init_from, Caller())))


def train(config: Config, run_dir: str, fresh: bool = False, data_changed: bool = False) -> int:
    """Trains as the command does; arguments as of `run_training`.

    Returns:
        The exit status: 0 at the end of the training, 128 + its number after a signal, when the
        run has been saved, and 1 if the training diverged.

    Raises:
        InputError: settings, data or folder cannot be used.
    """
    try:
        ended = run_training(config, run_dir, fresh, data_changed)
    except Diverged as error:
        _log.error("Training stopped: %s", error)
        return 1
    # As of a program that the signal has ended, so that what follows in a script does not run.
    return 128 + ended.stopped_by if ended.stopped_by else 0


def run_training(
    config: Config,
    run_dir: str,
    fresh: bool = False,
    data_changed: bool = False,
    caller: Caller | None = None,
) -> Ended:
    """Trains, from the start or from where the run in a folder was left.

    Args:
        config: the settings.
        run_dir: folder of the run.
        fresh: whether a run that is there is removed.
        data_changed: whether it goes on although its data have changed.
        caller: what a Python program gives beside the settings; None for a command.

    Raises:
        InputError: settings, data or folder cannot be used.
        Diverged: numbers were not finite again and again.
    """
    caller = caller or Caller()
    config, run = with_noted_kind(config), Run(run_dir)
    sources = [config.learning.init_from, *paths_of(config.data.data)]
    run.check(config, fresh, sources, data_changed)
    before = run.config() if run.exists and not fresh else None
    if before:
        config = resumed_settings(run, config)
    # A run that has been saved has its networks in its checkpoints.
    init_from = config.learning.init_from if fresh or not run.checkpoint else ""
    # TensorFlow must know of the other processes before anything else.
    devices = Devices(config.execution.strategy, config.learning.shards)
    if devices.chief:
        run.lock()
    folders = run.folders if before else None
    prepared = prepare(config, devices, init_from, caller, folders)
    if caller.weights and not run.checkpoint:
        prepared.begin_with(caller.weights)
    examples, given = prepared.examples, prepared.given
    same = not before or run.require_same(config, examples, given, data_changed)
    past = None
    if devices.chief:
        caller.say(described(prepared))
        kept = run.clear() if fresh else []
        if kept:
            caller.say(f"Kept in {run.folder}, not written by this program: {shortened(kept)}.")
        if not before:
            run.begin(config, examples, given, prepared.begun_from)
    if before:
        if config.data.validation and not same:
            raise InputError(
                f"`validation={config.data.validation}`: the data of {run.flag} have changed, and "
                "with them which examples would be held out: begin another run, or give `fresh`."
            )
        past = past_of(run, before, examples, same)
        if devices.chief:
            for line in past.told_data:
                caller.say(line)
    with devices.together():
        devices.meet()
        ended = _learn(run, prepared, past, caller)
        devices.meet()
    return ended


def _validation(
    prepared: Prepared, caller: Caller, learner: Learner, folders: list[str] | None
) -> list[keras.callbacks.Callback]:
    """What measures held-out examples, if there are any."""
    if prepared.held_out is None:
        return []
    given = given_latents(prepared.config, prepared.held_out, folders)
    return [
        Validation(
            prepared.model,
            prepared.held_out,
            prepared.config.learning,
            prepared.encoder,
            given,
            caller.validation_epochs,
            functools.partial(averaged_weights, learner),
        )
    ]


def _used_weights(learner: Learner) -> list[np.ndarray]:
    """The weights that the model is used with: averaged ones, if there are any."""
    with averaged_weights(learner):
        return learner.model.get_weights()


def _learn(run: Run, prepared: Prepared, past: Past | None, caller: Caller) -> Ended:
    """Trains a run to its end, or until a signal.

    Args:
        run: where it is written.
        prepared: what it learns from and with.
        past: of a run that goes on; None for a new one.
        caller: what a Python program gives.
    """
    config, devices, examples = prepared.config, prepared.devices, prepared.examples
    learning, record, model = config.learning, config.record, prepared.model
    learner = make_learner(
        learning,
        examples,
        model,
        prepared.given,
        config.model.precision,
        devices,
        new_discriminator(config, examples),
        prepared.encoder,
    )
    if learning.ema:
        with devices.strategy.scope():
            learner = Averaging(learner, learning.ema)
    state = {"model": model, "optimizer": learner.optimizer, **learner.state}
    checkpoints = Checkpoints(
        run / CHECKPOINTS,
        record.keep_checkpoints,
        devices=devices,
        fingerprint=examples.fingerprint(),
        sources=past.sources if past else None,
        **state,
    )
    sheets = SampleSheets(model, learner.latents, examples, run / SAMPLES, record.picture_epochs)
    course = Course(len(examples), learning.batch_size, learning.shards)
    progress = checkpoints.restore()
    if past and progress:
        progress = past.enter(course, progress)
        if past.changed(config):
            # What the checkpoints are of must not be told by settings that are about to change.
            checkpoints.save(progress)
    asked = learning.epochs * course.per_epoch
    # A run that has more than it is asked for goes on saying so.
    if past and devices.chief and not (progress and progress.place > asked):
        run.begin(config, examples, prepared.given, changed=True)
    if progress and progress.place >= asked:
        epochs = progress.place // course.per_epoch
        if devices.chief:
            # The process may have been killed after its last step.
            if not is_finished(run):
                finish(run, learner, examples, sheets, epochs)
            caller.say(
                f"Nothing to do: {run.folder} is trained for {counted(epochs, 'epoch')}. Raise "
                "--epochs to go on."
            )
        return Ended(_used_weights(learner), finished=epochs)
    callbacks: list[keras.callbacks.Callback] = []
    if devices.chief:
        for line in past.told_settings(config) if past else []:
            caller.say(as_flags(line))
        if run.forget_results() and prepared.encoder is None:
            caller.say(
                "The encoder that dgn_tf.amortise has learned is of the networks as they were, and "
                "is removed: run it again when this training has ended."
            )
        board = RecordedTensorBoard(run / TENSORBOARD, _settings_of(config))
        sheets.publish = board.write_image
        callbacks = [
            *_validation(prepared, caller, learner, run.folders),
            *([caller.watch] if caller.watch else []),
            MetricsLog(run / "metrics.jsonl", len(examples)),
            board,
            sheets,
            *caller.callbacks,
        ]
    chosen = record.trackers() if devices.chief else []
    with tracked(chosen, run.folder, _settings_of(config)) as more, stop_on_signals() as stop:
        progress = fit(
            learner,
            examples,
            batch_size=learning.batch_size,
            epochs=learning.epochs,
            seed=learning.seed,
            callbacks=[*callbacks, *more],
            checkpoints=checkpoints,
            progress=progress,
            checkpoint_epochs=record.checkpoint_epochs,
            should_stop=lambda: devices.agree(stop),
            jit=compiles_step(config.execution, state.get("chains")),
            steps_per_execution=config.execution.steps_per_execution,
            shards=devices.shards,
        )
        stopped = devices.agree(stop)
    if stopped:
        # The terminal may have been closed: that is a signal too.
        with contextlib.suppress(OSError):
            caller.say(
                f"Stopped by {stop[0].name if stop else 'another worker'}: saved at step "
                f"{progress.step}. The same command goes on from there."
            )
        return Ended(_used_weights(learner), stop[0] if stop else signal.SIGTERM)
    if devices.chief:
        finish(run, learner, examples, sheets, learning.epochs)
        caller.say(f"Trained: {run.folder} holds model.keras, metrics.jsonl and samples/latest.")
        if caller.examples is None:
            caller.say("\n".join(["Next:", *(f"  {line}" for line in next_commands(run, config))]))
    return Ended(_used_weights(learner))


def _settings_of(config: Config) -> dict[str, Any]:
    """All settings by name."""
    return {name: value for name, (value, _) in config.settings().items()}
