"""The training loop: steps, epochs, callbacks, checkpoints and the rescue from divergence."""

import keras
import tensorflow as tf
from absl import logging

from dgn_tf.data.pipeline import Shards, batches, steps_per_epoch
from dgn_tf.learning.checkpoints import Progress

MAX_RESCUES = 3


class Diverged(RuntimeError):
    """Numbers were not finite again and again; the message says at which step."""


class _NotFinite(Exception):
    """A step gave a number that is not finite."""


def fit(
    learner,
    examples,
    *,
    batch_size,
    epochs,
    seed=0,
    callbacks=(),
    checkpoints=None,
    progress=None,
    checkpoint_epochs=10,
    should_stop=lambda: False,
    shards=Shards(),  # noqa: B008
):
    """Train until `epochs` passes over the data are done.

    Args:
        learner: has `model`, `optimizer`, `scale` (tf.Variable) and `step(index, ids, x)`.
        examples: the `Examples` to learn from.
        batch_size: examples in a step.
        epochs: passes over the data, counted from the start of the run, whenever that was.
        seed: decides the order of the examples.
        callbacks: Keras callbacks; their `logs` are means over the epoch, or its steps so far.
        checkpoints: the `Checkpoints` to save to, and to go back to when numbers are not finite.
        progress: how far the run has come, as `Checkpoints.restore` told; None for a new run.
        checkpoint_epochs: epochs between two checkpoints.
        should_stop: asked after every step; True saves and returns.
        shards: what the batches are drawn from, as of `batches`.

    Returns:
        The `Progress` of the run.

    Raises:
        Diverged: a number was not finite for the fourth time, or the first without checkpoints.
    """
    model, per_epoch = learner.model, steps_per_epoch(len(examples), batch_size, shards.count)
    if progress is None:
        progress = Progress()
        if checkpoints:
            checkpoints.save(progress)
    model.optimizer = learner.optimizer
    model.stop_training = False
    callbacks = keras.callbacks.CallbackList(
        list(callbacks), model=model, epochs=epochs, steps=per_epoch, first_step=progress.step
    )
    train_step = _compiled(learner.step, examples.images.shape[1:])
    callbacks.on_train_begin()
    while progress.step < epochs * per_epoch and not model.stop_training and not should_stop():
        learner.scale.assign(0.5**progress.rescues)
        try:
            steps = progress.step, epochs * per_epoch
            for batch in batches(examples, batch_size, seed, *steps, shards):
                _step(train_step, batch, progress, per_epoch, callbacks)
                if checkpoints and progress.step % (checkpoint_epochs * per_epoch) == 0:
                    checkpoints.save(progress)
                if model.stop_training or should_stop():
                    break
        except _NotFinite:
            progress = _rescue(progress, checkpoints, callbacks)
    if checkpoints:
        checkpoints.save(progress)
    callbacks.on_train_end(progress.means(per_epoch))
    return progress


def _compiled(step, picture_shape):
    """`step(index, ids, x)` as one graph for batches of any size."""
    row = tf.TensorSpec([None], tf.int64)
    pictures = tf.TensorSpec([None, *picture_shape], tf.float32)
    return tf.function(step, input_signature=[row, row, pictures])


def _step(train_step, data, progress, per_epoch, callbacks):
    """One learning step with its callbacks; `progress` is brought up to date."""
    epoch, batch = divmod(progress.step, per_epoch)
    if batch == 0:
        progress.sums = {}
        callbacks.on_epoch_begin(epoch)
    callbacks.on_train_batch_begin(batch)
    metrics = {name: float(value) for name, value in train_step(*data).items()}
    if not metrics.pop("finite"):
        raise _NotFinite
    progress.step += 1
    for name, value in metrics.items():
        progress.sums[name] = progress.sums.get(name, 0.0) + value
    logs = progress.means(per_epoch)
    callbacks.on_train_batch_end(batch, logs)
    if batch + 1 == per_epoch:
        callbacks.on_epoch_end(epoch, logs)


def _rescue(progress, checkpoints, callbacks):
    """Go back to the last good checkpoint, to go on with half the step size and learning rate."""
    step, rescues = progress.step + 1, progress.rescues + 1
    before = checkpoints.restore() if checkpoints else None
    if rescues > MAX_RESCUES or before is None:
        # What callbacks write at the end is of the state that is kept.
        callbacks.on_train_end({})
        raise Diverged(
            f"step {step} gave numbers that are not finite, after {progress.rescues} returns to a "
            "checkpoint: lower --step_size and --learning_rate, or raise --sigma."
        )
    progress = before
    progress.rescues = rescues
    logging.warning(
        "Step %d gave numbers that are not finite. Back to step %d with the step size and the "
        "learning rate at %g of what was asked (return %d of %d).",
        step,
        progress.step,
        0.5**rescues,
        rescues,
        MAX_RESCUES,
    )
    return progress
