"""Shuffled batches of a data set that can start again at any step."""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from dgn_tf.data.examples import Examples
from dgn_tf.parsing import InputError


def steps_per_epoch(n: int, batch_size: int) -> int:
    """Returns the number of batches that cover `n` examples once; the last may be partial."""
    return -(-n // batch_size)


def epoch_order(n: int, seed: int, epoch: int) -> np.ndarray:
    """Returns the order of an epoch: a permutation int64 [n] that only (n, seed, epoch) decide."""
    key = np.array([seed, epoch], np.uint64)
    return np.random.Generator(np.random.Philox(key=key)).permutation(n)


def batches(
    examples: Examples, batch_size: int, seed: int, start_step: int, stop_step: int
) -> tf.data.Dataset:
    """Returns the batches of steps start_step .. stop_step - 1 (Algorithm 1, the minibatches X_i).

    Every epoch shows each example exactly once, in an order of its own; its last batch is
    partial when `batch_size` does not divide N. Step k of epoch e depends on (seed, e, k) alone,
    so a run that starts at `start_step` sees just what a run from 0 would see from there.

    Args:
      examples: the data set; its images are used in place, never copied whole.
      batch_size: examples a batch, at least 1.
      seed: 0 .. 2^64 - 1, decides the orders.
      start_step: the first step, counted from 0 over all epochs.
      stop_step: one past the last step.

    Returns:
      A dataset of (index int64 [B], id int64 [B], image float32 [B, S, S, C] in [-1, 1]); index
      is the position in `examples`.

    Raises:
      InputError: if batch_size, seed or the steps are out of range.
    """
    if batch_size < 1:
        raise InputError(f"batch_size must be at least 1; found {batch_size}")
    if not 0 <= seed < 2**64:
        raise InputError(f"seed must be between 0 and 2^64 - 1; found {seed}")
    if not 0 <= start_step <= stop_step:
        raise InputError(f"steps must satisfy 0 <= start <= stop; found {start_step}, {stop_step}")
    per_epoch = steps_per_epoch(len(examples), batch_size)

    # Python hands out the bytes of one batch at a time: no second copy of the images in a
    # tensor, and none in the graph, where 2 GB would be the end.
    def produce() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        epoch, order = -1, np.empty(0, np.int64)
        for step in range(start_step, stop_step):
            if step // per_epoch != epoch:
                epoch = step // per_epoch
                order = epoch_order(len(examples), seed, epoch)
            first = (step % per_epoch) * batch_size
            index = order[first : first + batch_size]
            yield index, examples.ids[index], examples.images[index]

    def to_float(index: tf.Tensor, ids: tf.Tensor, images: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return index, ids, tf.cast(images, tf.float32) / 127.5 - 1.0

    dataset = tf.data.Dataset.from_generator(
        produce,
        output_signature=(
            tf.TensorSpec([None], tf.int64),
            tf.TensorSpec([None], tf.int64),
            tf.TensorSpec([None, *examples.images.shape[1:]], tf.uint8),
        ),
    )
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(stop_step - start_step))
    return dataset.map(to_float, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
