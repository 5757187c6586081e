"""What a loss knows of a whole batch, wherever its examples are."""

import tensorflow as tf


def batch_mean(values: tf.Tensor) -> tf.Tensor:
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
