"""One optimizer step, and the numbers that every learner logs with it."""

from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf

from dgn_tf.ops.cross_replica import all_reduce_mean, in_replicas
from dgn_tf.types import Latents, Tensor

_LEAST_SCALE = 2.0**-10


def gradients_of(
    optimizer: keras.optimizers.Optimizer,
    tape: tf.GradientTape,
    loss: Tensor,
    variables: Sequence[tf.Variable],
    weight: Tensor = 1.0,
) -> tuple[list[Tensor], Tensor]:
    """Gradients of `weight * loss`, and what an optimizer that scales losses multiplied them by.

    Small gradients would be zero in float16; `apply_gradients` of a `LossScaleOptimizer` takes the
    scale out again, and leaves out a step whose gradients have become infinite by it.
    """
    scale = optimizer.scale_loss(tf.ones([]))
    return tape.gradient(loss, variables, output_gradients=weight * scale), scale


def apply_gradients(
    optimizer: keras.optimizers.Optimizer,
    tape: tf.GradientTape,
    loss: Tensor,
    variables: Sequence[tf.Variable],
    latents: Latents,
    logged: Mapping[str, Tensor],
) -> dict[str, Tensor]:
    """One step down the gradient of `loss` (Eq. 9).

    Args:
        optimizer: a Keras optimizer.
        tape: the tape that watched the loss.
        loss: scalar, the mean over the batch.
        variables: what learns; anything else stays as it is.
        latents: [B, d] of each group, which are described in what is logged; a replica has its part
            of the batch.
        logged: further scalars to log, by name.

    Returns:
        Means over the whole batch: `logged`, `loss`, `gradient_norm`, mean and standard deviation
        of each group's latents, and `finite`: 1 when all of them are finite, else 0. An optimizer
        that scales losses passes over infinite gradients itself; then `finite` is 0 once the scale
        has become so small that they must always be infinite.
    """
    means = {"loss": loss, **logged}
    for name, latent in latents.items():
        means[f"{name}_mean"] = tf.reduce_mean(latent)
        means[f"{name}_square"] = tf.reduce_mean(tf.square(latent))
    weight = 1.0
    if in_replicas():
        weight = tf.cast(tf.shape(next(iter(latents.values())))[0], tf.float32)
    gradients, scale = gradients_of(optimizer, tape, loss, variables, weight)
    gradients, means = all_reduce_mean(gradients, means, weight)
    gradient_norm = tf.linalg.global_norm(gradients) / scale
    finite = 1.0
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        # A step that is left out halves the scale: gradients that are never finite lower it so far.
        finite = tf.cast(scale >= _LEAST_SCALE, tf.float32)
        gradient_norm = tf.where(tf.math.is_finite(gradient_norm), gradient_norm, 0.0)
    finite *= all_finite({**means, "gradient_norm": gradient_norm})
    for name in latents:
        mean, square = means[f"{name}_mean"], means.pop(f"{name}_square")
        # Rounding may make the variance of latents that are all equal less than nothing.
        means[f"{name}_std"] = tf.sqrt(tf.maximum(square - tf.square(mean), 0.0))
    optimizer.apply_gradients(zip(gradients, variables, strict=True))
    return means | {"gradient_norm": gradient_norm, "finite": finite}


def all_finite(metrics: Mapping[str, Tensor]) -> Tensor:
    """1 when every one of some scalars is finite, else 0; a float32 scalar."""
    return tf.cast(tf.reduce_all(tf.math.is_finite(tf.stack(list(metrics.values())))), tf.float32)
