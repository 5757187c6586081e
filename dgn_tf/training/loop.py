"""The training loop: steps, epochs, callbacks, checkpoints and the rescue from divergence."""

import keras
import tensorflow as tf
from absl import logging

from dgn_tf.data.batches import Shards, batches, steps_per_epoch
from dgn_tf.training.checkpoints import Progress

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
    jit=False,
    steps_per_execution=1,
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
        should_stop: asked after every execution; True saves and returns.
        jit: whether XLA compiles the step, once for every size of batch.
        steps_per_execution: steps of an epoch that run, and that callbacks hear of, at once.
        shards: what the batches are drawn from, as of `batches`.

    Returns:
        The `Progress` of the run.

    Raises:
        Diverged: a number was not finite for the fourth time, or the first without checkpoints.
    """
    model, per_epoch = learner.model, steps_per_epoch(len(examples), batch_size, shards.count)
    total = epochs * per_epoch
    progress = progress or _saved(Progress(), checkpoints)
    train_steps = _compiled(learner.step, examples.images.shape[1:], jit)
    callbacks = _listeners(callbacks, learner, epochs, per_epoch, progress.step)
    while progress.step < total and not model.stop_training and not should_stop():
        learner.scale.assign(0.5**progress.rescues)
        try:
            data = iter(batches(examples, batch_size, seed, progress.step, total, shards))
            while progress.step < total:
                count = min(steps_per_execution, per_epoch - progress.step % per_epoch)
                _execute(train_steps, data, count, progress, per_epoch, callbacks)
                if checkpoints and progress.step % (checkpoint_epochs * per_epoch) == 0:
                    checkpoints.save(progress)
                if model.stop_training or should_stop():
                    break
        except _NotFinite:
            progress = _rescue(progress, checkpoints, callbacks)
    _saved(progress, checkpoints)
    callbacks.on_train_end(progress.means(per_epoch))
    return progress


def _saved(progress, checkpoints):
    """The `Progress`, once it is kept where there are checkpoints."""
    if checkpoints:
        checkpoints.save(progress)
    return progress


def _listeners(callbacks, learner, epochs, per_epoch, first_step):
    """The callbacks as one, which find the optimizer where Keras would have it; begun."""
    learner.model.optimizer, learner.model.stop_training = learner.optimizer, False
    listeners = keras.callbacks.CallbackList(
        list(callbacks),
        model=learner.model,
        epochs=epochs,
        steps=per_epoch,
        first_step=first_step,
    )
    listeners.on_train_begin()
    return listeners


def _compiled(step, image_shape, jit):
    """`steps(data, count)`: the numbers [count] of so many steps by name, as one graph.

    `step(index, ids, x)` takes batches of any size; `data` is an iterator of them.
    """
    row = tf.TensorSpec([None], tf.int64)
    images = tf.TensorSpec([None, *image_shape], tf.float32)
    signature = [row, row, images]
    step = tf.function(step, input_signature=signature, jit_compile=jit, autograph=False)
    names = sorted(step.get_concrete_function().structured_outputs)

    @tf.function(reduce_retracing=True, autograph=False)
    def steps(data, count):
        def one(done, logged):
            values = step(*data.get_next())
            return done + 1, [
                array.write(done, values[name]) for name, array in zip(names, logged, strict=True)
            ]

        logged = [tf.TensorArray(tf.float32, count) for _ in names]
        _, logged = tf.while_loop(
            lambda done, _: done < count, one, [0, logged], parallel_iterations=1
        )
        return {name: array.stack() for name, array in zip(names, logged, strict=True)}

    return steps


def _execute(train_steps, data, count, progress, per_epoch, callbacks):
    """`count` learning steps with their callbacks; `progress` is brought up to date."""
    epoch, batch = divmod(progress.step, per_epoch)
    if batch == 0:
        progress.sums = {}
        callbacks.on_epoch_begin(epoch)
    callbacks.on_train_batch_begin(batch)
    metrics = {name: each.numpy() for name, each in train_steps(data, tf.constant(count)).items()}
    finite = metrics.pop("finite") > 0
    if not finite.all():
        progress.step += int(finite.argmin())
        raise _NotFinite
    progress.step += count
    for name, each in metrics.items():
        progress.sums[name] = sum(each.tolist(), progress.sums.get(name, 0.0))
    logs = progress.means(per_epoch)
    callbacks.on_train_batch_end(batch + count - 1, logs)
    if batch + count == per_epoch:
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
