"""The training loop: steps, epochs, callbacks, checkpoints and the rescue from divergence."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

import keras
import tensorflow as tf

from dgn_tf.data.batches import Shards, batches
from dgn_tf.data.examples import Examples
from dgn_tf.training.checkpoints import Checkpoints
from dgn_tf.training.course import Course, Progress
from dgn_tf.types import Learner, Tensor
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.memory import keep_freed_memory

_log = logging.getLogger(__name__)

# How often a run goes back to a checkpoint after a number that is not finite.
MAX_RESCUES = 3

# Callbacks of Keras that cannot do here what they are for, and what does it instead.
_REFUSED: dict[type, str] = {
    keras.callbacks.BackupAndRestore: (
        "keeps the weights alone, and a training goes on from its chains and its step too: leave "
        "it out and give `checkpoints`, a dgn_tf.training.checkpoints.Checkpoints"
    ),
    keras.callbacks.SwapEMAWeights: (
        "changes weights that checkpoints are of: leave it out and give, as the learner, a "
        "dgn_tf.training.ema.Averaging (`ema`)"
    ),
}
# Callbacks of Keras that set the learning rate, perhaps for the first time after many epochs.
_SETTING_RATES = (keras.callbacks.LearningRateScheduler, keras.callbacks.ReduceLROnPlateau)

# Callbacks of Keras that ask which of two numbers is better, and which way is so for ours: Keras
# knows that of the loss and of its own metrics alone, and says it after an epoch.
_COMPARING = (
    keras.callbacks.EarlyStopping,
    keras.callbacks.ModelCheckpoint,
    keras.callbacks.ReduceLROnPlateau,
)
_BETTER = {"msre": "min", "loss": "min", "accuracy": "max"}

# Several learning steps as one graph: (iterator of batches, how many) -> their metrics [count].
_Steps: TypeAlias = Callable[[Iterator, Tensor], dict[str, Tensor]]


class Diverged(RuntimeError):
    """Steps kept giving numbers that are not finite; the message says which, and what to change."""


class _NotFinite(Exception):
    """A step gave a number that is not finite."""


def fit(
    learner: Learner,
    examples: Examples,
    *,
    batch_size: int,
    epochs: int,
    seed: int = 0,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    checkpoints: Checkpoints | None = None,
    progress: Progress | None = None,
    checkpoint_epochs: int = 10,
    should_stop: Callable[[], bool] = lambda: False,
    jit: bool = False,
    steps_per_execution: int = 1,
    shards: Shards = Shards(),  # noqa: B008
) -> Progress:
    """Trains until `epochs` passes over the data are done.

    Args:
        learner: what learns.
        examples: the examples to learn from.
        batch_size: examples in a step. It may be another one than before, see `Course`.
        epochs: passes over the data, counted from the start of the run, whenever that was.
        seed: decides the order of the examples.
        callbacks: Keras callbacks; their `logs` are means over the epoch, or its steps so far. One
            that sets `model.stop_training` within an epoch ends the epoch too, as in Keras. Any
            will do but BackupAndRestore and SwapEMAWeights, and those that set a learning rate
            which follows a schedule.
        checkpoints: the `Checkpoints` to save to, and to go back to when numbers are not finite.
        progress: how far the run has come, from `Checkpoints.restore`; None for a new run.
        checkpoint_epochs: epochs between two checkpoints.
        should_stop: called after every execution; True saves and returns. An epoch under way goes
            on when the training does, and has not ended for the callbacks.
        jit: whether XLA compiles the step, once for every size of batch.
        steps_per_execution: steps of an epoch that run between two calls of the callbacks.
        shards: parts of the data that the batches are drawn from.

    Returns:
        The `Progress` of the run.

    Raises:
        Diverged: a number was not finite for the fourth time, or the first without checkpoints.
        InputError: a callback cannot do here what it is for.
    """
    _require_usable(callbacks, learner.optimizer)
    keep_freed_memory()
    course = Course(len(examples), batch_size, shards.count)
    model, per_epoch = learner.model, course.per_epoch
    total = epochs * per_epoch
    progress = course.enter(progress) if progress else _saved(course.enter(Progress()), checkpoints)
    train_steps = _compiled(learner.step, examples.images.shape[1:], jit)
    listeners = _listeners(callbacks, learner, epochs, per_epoch, progress)
    while progress.place < total and not model.stop_training and not should_stop():
        learner.scale.assign(0.5**progress.rescues)
        learner.offset.assign(progress.offset)
        try:
            place, seen = progress.place, progress.seen
            data = iter(batches(examples, batch_size, seed, place, total, shards, seen))
            while progress.place < total:
                count = min(steps_per_execution, per_epoch - progress.place % per_epoch)
                _execute(train_steps, data, count, progress, per_epoch, listeners)
                if checkpoints and progress.place % (checkpoint_epochs * per_epoch) == 0:
                    checkpoints.save(progress)
                if model.stop_training or should_stop():
                    break
        except _NotFinite:
            progress = course.enter(_rescue(progress, checkpoints, listeners))
    _saved(progress, checkpoints)
    if model.stop_training and progress.place % per_epoch:
        listeners.on_epoch_end(progress.place // per_epoch, progress.means(per_epoch))
    listeners.on_train_end(progress.means(per_epoch))
    return progress


def _require_usable(
    callbacks: Iterable[keras.callbacks.Callback], optimizer: keras.optimizers.Optimizer
) -> None:
    """Refuse callbacks that cannot do here what they are for; tell others what is better."""
    for callback in callbacks:
        if isinstance(callback, keras.callbacks.CallbackList):
            _require_usable(callback.callbacks, optimizer)
        if isinstance(callback, _SETTING_RATES) and _is_scheduled(optimizer):
            raise InputError(
                f"the callback {type(callback).__name__} cannot set the learning rate, which "
                "follows a schedule (`learning_rate`): leave it out, or give an optimizer with a "
                "rate of its own, as in model.compile(optimizer=keras.optimizers.Adam(1e-3))."
            )
        if isinstance(callback, _COMPARING) and callback.mode == "auto":
            name = callback.monitor.removeprefix("val_")
            if name in _BETTER:
                callback.mode = _BETTER[name]
            else:
                raise InputError(
                    f"the callback {type(callback).__name__} cannot know whether less or more of "
                    f'{callback.monitor} is better: give mode="min" or mode="max" with it.'
                )
        for kind, reason in _REFUSED.items():
            if isinstance(callback, kind):
                raise InputError(f"the callback {kind.__name__} {reason}.")


def _is_scheduled(optimizer: keras.optimizers.Optimizer) -> bool:
    """Whether the learning rate is no number that can be set."""
    config = optimizer.get_config()
    # Of an optimizer that scales the loss for half precision.
    config = config.get("inner_optimizer", {}).get("config", config)
    return not isinstance(config["learning_rate"], float)


def _saved(progress: Progress, checkpoints: Checkpoints | None) -> Progress:
    """The `Progress`, which has been saved if there are checkpoints."""
    if checkpoints:
        checkpoints.save(progress)
    return progress


def _listeners(
    callbacks: Iterable[keras.callbacks.Callback],
    learner: Learner,
    epochs: int,
    per_epoch: int,
    progress: Progress,
) -> keras.callbacks.CallbackList:
    """The callbacks as one, whose training has begun; their steps are places in the run."""
    # Callbacks of Keras look for both on the model.
    learner.model.optimizer, learner.model.stop_training = learner.optimizer, False
    listeners = keras.callbacks.CallbackList(
        list(callbacks),
        model=learner.model,
        epochs=epochs,
        steps=per_epoch,
        first_step=progress.place,
        offset=progress.offset,
        verbose=1,
    )
    listeners.on_train_begin()
    return listeners


def _compiled(step: Callable, image_shape: Sequence[int], jit: bool) -> _Steps:
    """`steps(data, count)`: `count` learning steps as one graph; each number of theirs [count].

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


def _execute(
    train_steps: _Steps,
    data: Iterator,
    count: int,
    progress: Progress,
    per_epoch: int,
    callbacks: keras.callbacks.CallbackList,
) -> None:
    """`count` learning steps with their callbacks; `progress` is brought up to date.

    Raises:
        _NotFinite: a step gave a number that is not finite; `progress` is at the step before it.
    """
    epoch, batch = divmod(progress.place, per_epoch)
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
    progress.seen = 0
    for name, each in metrics.items():
        progress.sums[name] = sum(each.tolist(), progress.sums.get(name, 0.0))
    logs = progress.means(per_epoch)
    callbacks.on_train_batch_end(batch + count - 1, logs)
    if batch + count == per_epoch:
        callbacks.on_epoch_end(epoch, logs)


def _rescue(
    progress: Progress,
    checkpoints: Checkpoints | None,
    callbacks: keras.callbacks.CallbackList,
) -> Progress:
    """Goes back to the last good checkpoint, to go on with half the step size and learning rate.

    Raises:
        Diverged: there is none, or the run has gone back too often.
    """
    step, rescues = progress.step + 1, progress.rescues + 1
    before = checkpoints.restore() if checkpoints else None
    if rescues > MAX_RESCUES or before is None:
        # What callbacks write at the end is of the state that is kept.
        callbacks.on_train_end({})
        raise Diverged(
            f"step {step} gave numbers that are not finite, after {progress.rescues} returns to a "
            "checkpoint: lower `step_size`, `learning_rate` (and `encoder_rate`), or raise `sigma`."
        )
    progress = before
    progress.rescues = rescues
    _log.warning(
        "Step %d gave numbers that are not finite. Back to step %d with the step size and the "
        "learning rate at %g of their settings (return %d of %d).",
        step,
        progress.step,
        0.5**rescues,
        rescues,
        MAX_RESCUES,
    )
    return progress
