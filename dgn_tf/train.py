"""Learn a generator from images.

Usage: python -m dgn_tf.train --flagfile=flags/quickstart.cfg --run_dir=runs/quickstart
"""

import os
import signal
import sys

import keras
import numpy as np
import tensorflow as tf
from absl import flags as absl_flags
from absl import logging

from dgn_tf.cli.app import as_flags, run_app
from dgn_tf.cli.flags import config_from_flags, define_config_flags
from dgn_tf.config.serialization import flagfile
from dgn_tf.data.batches import steps_per_epoch
from dgn_tf.data.labels import class_labels
from dgn_tf.data.sources.described import load_described
from dgn_tf.models.discriminator import Discriminator
from dgn_tf.models.factory import make_model
from dgn_tf.runs.directory import ENCODER, Run
from dgn_tf.runs.restoring import given_latents, initialize_from
from dgn_tf.training.callbacks import MetricsLog, ProgressReport
from dgn_tf.training.checkpoints import Checkpoints
from dgn_tf.training.devices import Devices
from dgn_tf.training.ema import Averaging
from dgn_tf.training.factory import compiles_step, discriminator, make_learner
from dgn_tf.training.loop import Diverged, fit
from dgn_tf.training.memory import step_memory
from dgn_tf.types import EncodedModel
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.progress import progress_bar
from dgn_tf.visualize.callback import SampleSheets

FLAGS = absl_flags.FLAGS


def define_flags():
    """Declare the flags of this app: every setting of `Config`, and three of its own."""
    define_config_flags()
    absl_flags.DEFINE_string(
        "run_dir", "", "Folder of the run; the same command goes on with a run that is there."
    )
    absl_flags.DEFINE_bool("fresh", False, "Remove the run in --run_dir and start over.")
    absl_flags.DEFINE_bool(
        "dry_run", False, "Print the settings, the data and the networks, and train nothing."
    )


def main(argv):
    """Train, or describe what would be trained."""
    del argv
    config = config_from_flags(FLAGS)
    if not FLAGS.run_dir and not FLAGS.dry_run:
        raise InputError("--run_dir is needed: the folder to write the run to.")
    run = Run(FLAGS.run_dir or ".")
    if not FLAGS.dry_run:
        run.check(config, FLAGS.fresh)
    # TensorFlow wants to know of other processes before anything else.
    devices = Devices(config.execution.strategy, config.learning.shards)
    if devices.chief and not FLAGS.dry_run:
        run.lock()
    # Bits that do not depend on how threads meet: what makes a resumed run the same as one that was
    # never interrupted.
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(config.learning.seed)
    examples, given = load(config)
    data = config.data
    with devices.together(), devices.strategy.scope():
        model = make_model(config.model, data.side, data.channels, data.frames)
        if config.learning.init_from:
            initialize_from(model, config, config.learning.init_from)
    freeze(model, config)
    if devices.chief:
        describe(config, examples, model)
    if FLAGS.dry_run:
        return
    if devices.chief:
        if FLAGS.fresh:
            run.clear()
        run.begin(config, examples, given)
    with devices.together():
        devices.meet()
        train(run, config, examples, model, given, devices)
        devices.meet()


def load(config):
    """The examples that a `Config` describes, and what a labeled model is given of them.

    Raises:
        InputError: the data cannot be used, or have not the labels that the model needs.
    """
    with progress_bar("Reading images") as report:
        examples = load_described(config.data, report)
    given = given_latents(config, examples)
    for group, labels in given.items():
        missing = np.flatnonzero(~labels.any(axis=0))
        if len(missing):
            raise InputError(
                f"--appearance=label: no example has the label {missing[0]}, and --{group}_dim="
                f"{labels.shape[1]} asks for 0 to {labels.shape[1] - 1}: give the number of "
                "classes, and data (--limit) that have them all."
            )
    if config.model.appearance == "categorical":
        # What the classes will be compared with is missed now, not after the training.
        class_labels(examples, config.data.label)
    return examples, given


def freeze(model, config):
    """Keep the network that --freeze names out of the learning.

    Raises:
        InputError: the model has no such network.
    """
    name = config.learning.freeze
    if name and name not in model.networks:
        raise InputError(
            f"--freeze={name}: --model={config.model.model} has no such network; it has "
            f"{', '.join(model.networks)}."
        )
    if name:
        model.networks[name].trainable = False


def describe(config, examples, model):
    """Print settings, data and networks."""
    print(flagfile(config.settings()), end="")
    kind = "pictures" if examples.frames is None else f"clips of {examples.frames} frames"
    print(f"data: {len(examples)} {kind} of {examples.side}x{examples.side}x{examples.channels}")
    print(
        "parameters: "
        + " + ".join(
            f"{network.count_params():,} ({name}{'' if network.trainable else ', frozen'})"
            for name, network in model.networks.items()
        )
    )
    judge = discriminator_of(config, examples)
    if judge is not None:
        print(f"discriminator: {judge.count_params():,} parameters")
    per_epoch = steps_per_epoch(len(examples), config.learning.batch_size, config.learning.shards)
    print(f"steps: {config.learning.epochs} epochs of {per_epoch}")
    print(f"memory: about {_memory(config, examples, model, judge) / 1e9:.1f} GB for a step")
    gpus = tf.config.list_logical_devices("GPU")
    print(
        f"device: {', '.join(gpu.name for gpu in gpus) or f'CPU, {os.cpu_count()} cores'}",
        flush=True,
    )


def discriminator_of(config, examples):
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


def _memory(config, examples, model, judge):
    """Bytes that a step takes, see `step_memory`."""
    learning, encoded = config.learning, isinstance(model, EncodedModel)
    inferred = not (encoded or (judge and not learning.likelihood_weight))
    return step_memory(
        model,
        min(learning.batch_size, len(examples)),
        frames=examples.frames or 1,
        examples=0 if encoded else len(examples),
        langevin_steps=learning.langevin_steps if inferred else 0,
        discriminator=judge,
    )


def train(run, config, examples, model, given, devices):
    """Run the loop of a run to its end, or to a signal."""
    learning, record = config.learning, config.record
    learner = make_learner(
        learning,
        examples,
        model,
        given,
        config.model.precision,
        devices,
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
        if devices.chief:
            _make_up(run, model, learner, sheets, progress.step // per_epoch)
        return
    stop = _stop_on_signals()
    try:
        progress = fit(
            learner,
            examples,
            batch_size=learning.batch_size,
            epochs=learning.epochs,
            seed=learning.seed,
            callbacks=_callbacks(run, len(examples), sheets) if devices.chief else (),
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
        _export(run, model, learner)
        print(f"Trained: {run.folder} holds model.keras, metrics.jsonl and samples/latest.")


def _callbacks(run, count, sheets):
    """What is written while a run with `count` examples goes on."""
    # An encoder of the weights as they were would guess wrong.
    (run / ENCODER).unlink(missing_ok=True)
    return [
        ProgressReport(),
        MetricsLog(run / "metrics.jsonl", count),
        keras.callbacks.TensorBoard(run / "tensorboard", write_graph=False),
        sheets,
    ]


def _make_up(run, model, learner, sheets, epochs):
    """What comes after the last step, if the process was killed then."""
    if not (run / "model.keras").exists():
        sheets.write(epochs)
        _export(run, model, learner)
    print(f"Nothing to do: {run.folder} is trained for {epochs} epochs. Raise --epochs to go on.")


def _export(run, model, learner):
    """Write the trained model as model.keras, with its averaged weights if there are any."""
    if isinstance(learner, Averaging):
        learner.average.copy_to(model)
    partial = run / "partial.keras"
    model.save(partial)
    os.replace(partial, run / "model.keras")


def _stop_on_signals():
    """A list that gets the name of the first SIGTERM or SIGINT; a second one ends at once."""
    received = []

    def handler(number, frame):
        received.append(signal.Signals(number).name)
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handler)
    return received


def main_cli():
    """Entry point of the command."""
    define_flags()
    run_app(main)


if __name__ == "__main__":
    main_cli()
