"""A training from its settings to its end."""

import dataclasses
import signal
import sys
from typing import Any

import keras
import tensorflow as tf
from absl import logging

from dgn_tf.cli.app import as_flags
from dgn_tf.config import Config
from dgn_tf.data.batches import steps_per_epoch
from dgn_tf.data.examples import Examples
from dgn_tf.data.sources import with_kind
from dgn_tf.models.discriminator import Discriminator
from dgn_tf.models.factory import make_encoder, make_model
from dgn_tf.runs.directory import Run
from dgn_tf.runs.finishing import finish, is_finished
from dgn_tf.runs.preparing import freeze, summary, training_data
from dgn_tf.runs.restoring import initialize_encoder, initialize_from
from dgn_tf.training.callbacks import MetricsLog, ProgressReport
from dgn_tf.training.checkpoints import Checkpoints
from dgn_tf.training.devices import Devices
from dgn_tf.training.ema import Averaging
from dgn_tf.training.factory import compiles_step, make_learner
from dgn_tf.training.loop import Diverged, fit
from dgn_tf.training.signals import stop_on_signals
from dgn_tf.types import LatentArrays
from dgn_tf.utils.progress import tell
from dgn_tf.visualize.callback import SampleSheets


@dataclasses.dataclass
class _Prepared:
    """What a training learns from and with.

    Attributes:
        config: its settings; `data` has its kind in front.
        devices: that learn together.
        examples: the training examples.
        given: one-hot labels [N, d] by group, of a labeled model.
        model: the model, made in the scope of the devices' strategy.
        encoder: that proposes latents, made in the same scope, or None.
    """

    config: Config
    devices: Devices
    examples: Examples
    given: LatentArrays
    model: Any
    encoder: keras.Model | None


def describe(config: Config) -> None:
    """Prints settings, data and networks of a training that does not take place.

    Raises:
        InputError: the settings or the data cannot be used.
    """
    config = _with_kind(config)
    _print(_prepare(config, Devices(config.execution.strategy, config.learning.shards)))


def train(config: Config, run_dir: str, fresh: bool = False) -> int:
    """Trains, from the start or from where the run in a folder was left.

    Args:
        config: the settings.
        run_dir: folder of the run.
        fresh: whether a run that is there is removed.

    Returns:
        The exit status: 0 at the end of the training, 128 + its number after a signal, when the
        run has been saved, and 1 if the training diverged.

    Raises:
        InputError: settings, data or folder cannot be used.
    """
    config, run = _with_kind(config), Run(run_dir)
    run.check(config, fresh)
    # TensorFlow must know of the other processes before anything else.
    devices = Devices(config.execution.strategy, config.learning.shards)
    if devices.chief:
        run.lock()
    prepared = _prepare(config, devices)
    if devices.chief:
        _print(prepared)
        if fresh:
            run.clear()
        run.begin(config, prepared.examples, prepared.given)
    with devices.together():
        devices.meet()
        status = _learn(run, prepared)
        devices.meet()
    return status


def _with_kind(config: Config) -> Config:
    """The run says what a path was taken for, whatever is at the path later."""
    data = dataclasses.replace(config.data, data=with_kind(config.data.data))
    return dataclasses.replace(config, data=data)


def _prepare(config: Config, devices: Devices) -> _Prepared:
    """Reads the data and makes the networks."""
    # Without it the order in which threads meet would change the last bits, and a resumed run would
    # not be the same as one that was never interrupted.
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(config.learning.seed)
    data, learning = config.data, config.learning
    examples, given = training_data(config)
    with devices.together(), devices.strategy.scope():
        model = make_model(config.model, data.side, data.channels, data.frames)
        if learning.init_from:
            initialize_from(model, config, learning.init_from)
        encoder = _encoder(config, examples, model)
    freeze(model, config)
    return _Prepared(config, devices, examples, given, model, encoder)


def _print(prepared: _Prepared) -> None:
    config, examples = prepared.config, prepared.examples
    discriminator = _discriminator(config, examples)
    print(summary(config, examples, prepared.model, discriminator, prepared.encoder), flush=True)


def _discriminator(config: Config, examples: Examples) -> keras.Model | None:
    """An untrained discriminator, if the settings ask for one."""
    learning = config.learning
    if not learning.adversarial:
        return None
    return Discriminator(
        examples.side,
        examples.channels,
        learning.discriminator_width,
        learning.minibatch_deviation,
        dtype=config.model.precision,
    )


def _encoder(config: Config, examples: Examples, model: Any) -> keras.Model | None:
    """The encoder that proposes latents, as learning begins, if the settings ask for one."""
    if config.learning.proposals == "none":
        return None
    encoder = make_encoder(config.model, model, examples.side, examples.channels)
    if config.learning.init_from:
        initialize_encoder(encoder, config.learning.init_from)
    return encoder


def _learn(run: Run, prepared: _Prepared) -> int:
    """Trains a run to its end, or until a signal; returns the status as `train` does."""
    config, devices, examples = prepared.config, prepared.devices, prepared.examples
    learning, record, model = config.learning, config.record, prepared.model
    learner = make_learner(
        learning,
        examples,
        model,
        prepared.given,
        config.model.precision,
        devices,
        _discriminator(config, examples),
        prepared.encoder,
    )
    if learning.ema:
        with devices.strategy.scope():
            learner = Averaging(learner, learning.ema)
    state = {"model": model, "optimizer": learner.optimizer, **learner.state}
    checkpoints = Checkpoints(
        run / "checkpoints", record.keep_checkpoints, devices=devices, **state
    )
    sheets = SampleSheets(model, learner.latents, examples, run / "samples", record.picture_epochs)
    progress = checkpoints.restore()
    per_epoch = steps_per_epoch(len(examples), learning.batch_size, learning.shards)
    if progress and progress.step >= learning.epochs * per_epoch:
        epochs = progress.step // per_epoch
        if devices.chief:
            # The process may have been killed after its last step.
            if not is_finished(run):
                finish(run, learner, examples, sheets, epochs)
            print(
                f"Nothing to do: {run.folder} is trained for {epochs} epochs. Raise --epochs to go "
                "on."
            )
        return 0
    callbacks: list[keras.callbacks.Callback] = []
    if devices.chief:
        run.forget_results()
        callbacks = [
            ProgressReport(),
            MetricsLog(run / "metrics.jsonl", len(examples)),
            keras.callbacks.TensorBoard(run / "tensorboard", write_graph=False),
            sheets,
        ]
    stop = stop_on_signals()
    try:
        progress = fit(
            learner,
            examples,
            batch_size=learning.batch_size,
            epochs=learning.epochs,
            seed=learning.seed,
            callbacks=callbacks,
            checkpoints=checkpoints,
            progress=progress,
            checkpoint_epochs=record.checkpoint_epochs,
            should_stop=lambda: devices.agree(stop),
            jit=compiles_step(config.execution, state.get("chains")),
            steps_per_execution=config.execution.steps_per_execution,
            shards=devices.shards,
        )
    except Diverged as error:
        logging.error("Training stopped: %s", as_flags(str(error)))
        return 1
    if devices.agree(stop):
        tell(
            f"Stopped by {stop[0].name if stop else 'another worker'}: saved at step "
            f"{progress.step}. The same command goes on from there.",
            sys.stdout,
        )
        # As of a program that the signal has ended, so that what follows in a script does not run.
        return 128 + (stop[0] if stop else signal.SIGTERM)
    if devices.chief:
        finish(run, learner, examples, sheets, learning.epochs)
        print(f"Trained: {run.folder} holds model.keras, metrics.jsonl and samples/latest.")
    return 0
