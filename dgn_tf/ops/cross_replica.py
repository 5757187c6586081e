"""Means over the replicas of tf.distribute, each of which learns from its part of a batch."""

from typing import Any

import keras
import tensorflow as tf

from dgn_tf.types import Tensor

_SUM = tf.distribute.ReduceOp.SUM


def in_replicas() -> bool:
    """Whether the caller is one of several replicas."""
    context = tf.distribute.get_replica_context()
    return context is not None and context.num_replicas_in_sync > 1


def all_reduce_mean(
    gradients: list[Tensor], means: dict[str, Tensor], count: Tensor
) -> tuple[list[Tensor], dict[str, Tensor]]:
    """Gradients and means of the whole batch, in one message; with a single replica, its own.

    Args:
        gradients: of `count` times the replica's mean loss; of a single replica, of its mean loss.
        means: scalars by name, means over the replica's examples.
        count: scalar, how many examples they are; of a single replica, anything.

    Returns:
        (gradients of the mean loss, means), the same on all replicas.
    """
    if not in_replicas():
        return gradients, means
    sums = [count, *(count * value for value in means.values())]
    reduced = tf.distribute.get_replica_context().all_reduce(_SUM, [*gradients, tf.stack(sums)])
    total, *sums = tf.unstack(reduced[-1])
    gradients = [gradient / total for gradient in reduced[:-1]]
    return gradients, {name: value / total for name, value in zip(means, sums, strict=True)}


class Adam(keras.optimizers.Adam):
    """Adam for gradients that `all_reduce_mean` has summed: Keras would sum them once more."""

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> list[Any]:
        return list(grads_and_vars)


def batch_count(values: Tensor) -> Tensor:
    """The number of examples in a batch [B, ...], of all replicas together: a float32 scalar."""
    count = tf.cast(tf.shape(values)[0], tf.float32)
    return tf.distribute.get_replica_context().all_reduce(_SUM, count) if in_replicas() else count


def batch_mean(values: Tensor) -> Tensor:
    """Mean over the batch, of all replicas where tf.distribute runs several; differentiable.

    A replica's gradient is its part of the gradient of the sum of all replicas' losses.

    Args:
        values: [B, ...] floating, B at least 1 and perhaps another number on each replica.

    Returns:
        [...], the same on all replicas.
    """
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return tf.reduce_mean(values, axis=0)
    parts = [tf.reduce_sum(values, axis=0), tf.cast(tf.shape(values)[0], values.dtype)]
    total, count = context.all_reduce(tf.distribute.ReduceOp.SUM, parts)
    return total / count
