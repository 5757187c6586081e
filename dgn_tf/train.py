"""Learn a generator from images or clips.

Usage: python -m dgn_tf.train --flagfile=flags/quickstart.cfg --run_dir=runs/quickstart
"""

import dataclasses
import sys
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from absl import flags as absl_flags
from absl import logging

from dgn_tf.cli.app import as_flags, run_app
from dgn_tf.cli.flags import config_from_flags, define_config_flags
from dgn_tf.config import Config
from dgn_tf.data.examples import Examples
from dgn_tf.data.sources import paths_of, with_kind
from dgn_tf.models.discriminator import Discriminator
from dgn_tf.models.factory import make_encoder, make_model
from dgn_tf.runs.directory import CHECKPOINTS, SAMPLES, TENSORBOARD, Run
from dgn_tf.runs.finishing import finish, is_finished
from dgn_tf.runs.preparing import freeze, summary, training_data
from dgn_tf.runs.restoring import initialize_encoder, initialize_from
from dgn_tf.runs.resuming import Past, past_of, resumed_settings
from dgn_tf.training.callbacks import MetricsLog, ProgressReport, RecordedTensorBoard
from dgn_tf.training.checkpoints import Checkpoints
from dgn_tf.training.course import Course
from dgn_tf.training.devices import Devices
from dgn_tf.training.ema import Averaging
from dgn_tf.training.factory import compiles_step, make_learner
from dgn_tf.training.loop import Diverged, fit
from dgn_tf.training.signals import stop_on_signals
from dgn_tf.types import LatentArrays
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.ownership import shortened
from dgn_tf.visualize.callback import SampleSheets

FLAGS = absl_flags.FLAGS


def define_flags() -> None:
    """Declares the flags of this command: every setting of `Config`, and four of its own."""
    define_config_flags()
    absl_flags.DEFINE_string(
        "run_dir", "", "Folder of the run; the same command goes on with a run that is there."
    )
    absl_flags.DEFINE_bool(
        "fresh",
        False,
        "Remove the run in --run_dir and start over; files that others have put there stay.",
    )
    absl_flags.DEFINE_bool(
        "data_changed",
        False,
        "Go on although images were added, removed or renamed since the run began (or --limit or "
        "--where chooses others): the chains of those that are still there are kept, new ones "
        "begin theirs.",
    )
    absl_flags.DEFINE_bool(
        "dry_run", False, "Print the settings, the data and the networks, and train nothing."
    )


def main(_argv: Sequence[str]) -> None:
    """Trains, or describes what would be trained."""
    config = config_from_flags(FLAGS)
    if not FLAGS.run_dir and not FLAGS.dry_run:
        raise InputError("--run_dir is needed: the folder to write the run to.")
    # The run says what a path was taken for, whatever is at the path later.
    data = dataclasses.replace(config.data, data=with_kind(config.data.data))
    config = dataclasses.replace(config, data=data)
    run = Run(FLAGS.run_dir or ".")
    if not FLAGS.dry_run:
        sources = [FLAGS.init_from, *paths_of(config.data.data)]
        run.check(config, FLAGS.fresh, sources, FLAGS.data_changed)
    going_on = run.exists and not FLAGS.fresh and not FLAGS.dry_run
    before = run.config() if going_on else None
    if before:
        config = resumed_settings(run, config)
    # A run that has been saved has its networks in its checkpoints.
    saved = bool(FLAGS.run_dir and run.checkpoint) and not FLAGS.fresh
    # TensorFlow must know of the other processes before anything else.
    devices = Devices(config.execution.strategy, config.learning.shards)
    if devices.chief and not FLAGS.dry_run:
        run.lock()
    # Without it the order in which threads meet would change the last bits, and a resumed run would
    # not be the same as one that was never interrupted.
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(config.learning.seed)
    examples, given = training_data(config, run.folders if going_on else None)
    same = not going_on or run.require_same(config, examples, given, FLAGS.data_changed)
    with devices.together(), devices.strategy.scope():
        model = make_model(config.model, data.side, data.channels, data.frames)
        other = "" if saved else config.learning.init_from
        begun_from = initialize_from(model, config, other) if other else ""
        encoder = encoder_of(config, examples, model, other)
    freeze(model, config)
    if devices.chief:
        print_summary(config, examples, model, encoder)
    if FLAGS.dry_run:
        return
    if devices.chief and FLAGS.fresh:
        tell_kept(run, run.clear())
    if devices.chief and not before:
        run.begin(config, examples, given, begun_from)
    past = past_of(run, before, examples, same) if before else None
    if past and devices.chief:
        for line in past.told(config):
            print(as_flags(line), flush=True)
    with devices.together():
        devices.meet()
        train(run, config, examples, model, given, devices, encoder, past)
        devices.meet()


def tell_kept(run: Run, names: list[str]) -> None:
    """Say which files of others --fresh has left in the run's folder."""
    if names:
        print(f"Kept in {run.folder}, not written by this program: {shortened(names)}.")


def print_summary(
    config: Config, examples: Examples, model: Any, encoder: keras.Model | None
) -> None:
    """Prints settings, data and networks."""
    discriminator = discriminator_of(config, examples)
    print(summary(config, examples, model, discriminator, encoder), flush=True)


def discriminator_of(config: Config, examples: Examples) -> keras.Model | None:
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


def encoder_of(
    config: Config, examples: Examples, model: Any, init_from: str
) -> keras.Model | None:
    """The encoder that proposes latents, as learning begins, if the settings ask for one.

    Args:
        config: the settings.
        examples: the training examples.
        model: whose latents it proposes.
        init_from: folder of a run whose encoder it begins with, or empty.
    """
    if config.learning.proposals == "none":
        return None
    encoder = make_encoder(config.model, model, examples.side, examples.channels)
    if init_from:
        initialize_encoder(encoder, init_from)
    return encoder


def train(
    run: Run,
    config: Config,
    examples: Examples,
    model: Any,
    given: LatentArrays,
    devices: Devices,
    encoder: keras.Model | None,
    past: Past | None,
) -> None:
    """Trains a run to its end, or until a signal.

    Args:
        run: where it is written.
        config: its settings.
        examples: the training examples.
        model: the model, made in the scope of the devices' strategy.
        given: one-hot labels [N, d] by group, of a labeled model.
        devices: that learn together.
        encoder: that proposes latents, made in the same scope, or None.
        past: of a run that goes on; None for a new one.
    """
    learning, record = config.learning, config.record
    learner = make_learner(
        learning,
        examples,
        model,
        given,
        config.model.precision,
        devices,
        discriminator_of(config, examples),
        encoder,
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
    if past and devices.chief:
        run.begin(config, examples, given, changed=True)
    if progress and progress.place >= learning.epochs * course.per_epoch:
        epochs = progress.place // course.per_epoch
        if devices.chief:
            # The process may have been killed after its last step.
            if not is_finished(run):
                finish(run, learner, examples, sheets, epochs)
            print(
                f"Nothing to do: {run.folder} is trained for {epochs} epochs. Raise --epochs to go "
                "on."
            )
        return
    callbacks: list[keras.callbacks.Callback] = []
    if devices.chief:
        run.forget_results()
        callbacks = [
            ProgressReport(),
            MetricsLog(run / "metrics.jsonl", len(examples)),
            RecordedTensorBoard(run / TENSORBOARD),
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
        sys.exit(1)
    if devices.agree(stop):
        print(
            f"Stopped by {stop[0] if stop else 'another worker'}: saved at step {progress.step}. "
            "The same command goes on from there."
        )
    elif devices.chief:
        finish(run, learner, examples, sheets, learning.epochs)
        print(f"Trained: {run.folder} holds model.keras, metrics.jsonl and samples/latest.")


def main_cli() -> None:
    """The command dgn-train."""
    define_flags()
    run_app(main)


if __name__ == "__main__":
    main_cli()
