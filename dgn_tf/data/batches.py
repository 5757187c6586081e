"""Shuffled batches of a data set that can start again at any step."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from dgn_tf.data.examples import Examples
from dgn_tf.utils.errors import InputError


class Shards(NamedTuple):
    """Parts of a data set, of equal size up to one example, which batches are drawn from equally.

    Attributes:
        count: number of parts.
        first: the first part that this process draws from.
        end: one past the last.
    """

    count: int = 1
    first: int = 0
    end: int = 1

    def rows(self, n: int) -> tuple[int, int]:
        """The examples first .. end - 1 of `n` that are this process's."""
        return _start(n, self.count, self.first), _start(n, self.count, self.end)


def _start(n: int, shards: int, shard: int) -> int:
    """Where a shard begins: the first n % shards of them have one example more."""
    return shard * (n // shards) + min(shard, n % shards)


def steps_per_epoch(n: int, batch_size: int, shards: int = 1) -> int:
    """The number of batches that cover `n` examples once; the last may be partial."""
    return -(-(n // shards) // (batch_size // shards))


def epoch_order(n: int, seed: int, epoch: int, shard: int = 0) -> np.ndarray:
    """The order of an epoch: a permutation int64 [n] that only the arguments decide."""
    key = np.array([seed, epoch], np.uint64)
    # Streams whose counters differ in the highest word do not meet.
    counter = np.array([0, 0, 0, shard], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter)).permutation(n)


def batches(
    examples: Examples,
    batch_size: int,
    seed: int,
    start_step: int,
    stop_step: int,
    shards: Shards = Shards(),  # noqa: B008
    seen: int = 0,
) -> tf.data.Dataset:
    """The batches of steps start_step .. stop_step - 1 (Algorithm 1, the minibatches X_i).

    Every epoch shows each example exactly once, in an order of its own; its last batch is
    partial when `batch_size` does not divide N. Step k of epoch e depends on (seed, e, k) alone,
    so a run that starts at `start_step` sees just what a run from 0 would see from there.

    Args:
        examples: the data set; its images are used in place, never copied whole.
        batch_size: examples a batch, at least 1.
        seed: 0 .. 2^64 - 1, decides the orders.
        start_step: the first step, counted from 0 over all epochs.
        stop_step: one past the last step.
        shards: each step takes batch_size / shards.count examples of every part of the data; those
            of this process are returned. Where an epoch's last batch would have none of some
            parts, the one before it takes one example more of the others.
        seen: how many examples of every part the first batch leaves out, because its epoch has
            seen them in batches of another size.

    Returns:
        A dataset of (index int64 [B], id int64 [B], image float32 [B, S, S, C] in [-1, 1]); index
        is the position in `examples`.

    Raises:
        InputError: if batch_size, seed, steps or shards are out of range.
    """
    _check(len(examples), batch_size, seed, start_step, stop_step, shards)

    # Python hands out the bytes of one batch at a time: no second copy of the images in a
    # tensor, and none in the graph, where 2 GB would be the end.
    def produce() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        steps = range(start_step, stop_step)
        for index in _indices(len(examples), batch_size, seed, steps, shards, seen):
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


def _indices(
    n: int, batch_size: int, seed: int, steps: range, shards: Shards, seen: int
) -> Iterator[np.ndarray]:
    """The examples of each step that are this process's."""
    per_epoch = steps_per_epoch(n, batch_size, shards.count)
    share = batch_size // shards.count
    epoch, orders = -1, []
    for step in steps:
        if step // per_epoch != epoch:
            epoch, orders = step // per_epoch, []
            for shard in range(shards.first, shards.end):
                first, end = shards._replace(first=shard, end=shard + 1).rows(n)
                orders.append(first + epoch_order(end - first, seed, epoch, shard))
        batch = step % per_epoch
        first = batch * share + (seen if step == steps.start else 0)
        rows = slice(first, None if batch + 1 == per_epoch else (batch + 1) * share)
        yield np.concatenate([order[rows] for order in orders])


def _check(
    n: int, batch_size: int, seed: int, start_step: int, stop_step: int, shards: Shards
) -> None:
    """Refuses arguments of `batches` that are out of range."""
    if batch_size < 1:
        raise InputError(f"batch_size must be at least 1; found {batch_size}")
    if not 0 <= seed < 2**64:
        raise InputError(f"seed must be between 0 and 2^64 - 1; found {seed}")
    if not 0 <= start_step <= stop_step:
        raise InputError(f"steps must satisfy 0 <= start <= stop; found {start_step}, {stop_step}")
    if batch_size % shards.count or n < shards.count:
        raise InputError(
            f"`shards={shards.count}` must divide `batch_size={batch_size}`, and be at most the "
            f"number of examples, {n}"
        )
