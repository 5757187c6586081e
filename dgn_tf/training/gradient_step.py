"""One optimizer step, and the numbers that every learner logs with it."""

import keras
import numpy as np
import tensorflow as tf

from dgn_tf.ops.cross_replica import all_reduce_mean, in_replicas

_LEAST_SCALE = 2.0**-10


def gradients_of(optimizer, tape, loss, variables, weight=1.0):
    """Gradients of `weight * loss`, and what an optimizer that scales losses multiplied them by.

    Small gradients would be zero in float16; `apply_gradients` of a `LossScaleOptimizer` takes the
    scale out again, and leaves out a step whose gradients have become infinite by it.
    """
    scale = optimizer.scale_loss(tf.ones([]))
    return tape.gradient(loss, variables, output_gradients=weight * scale), scale


def apply_gradients(optimizer, tape, loss, variables, latents, logged):
    """Step down the gradient of `loss`.

    Args:
        optimizer: a Keras optimizer.
        tape: the tape that watched the loss.
        loss: scalar.
        variables: what to learn; anything else stays as it is.
        latents: [B, d] for each group, to describe; of one of several replicas, its part.
        logged: further scalars to log, by name.

    Returns:
        Of the whole batch: `logged`, loss, gradient norm, mean and standard deviation of each
        group's latents, and `finite`: 1 when loss, gradient and latents are all finite, else 0; an
        optimizer that scales losses looks after its gradients itself.
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
    watched = means["loss"] + gradient_norm
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        # A step that is left out halves the scale: gradients that are never finite lower it so far.
        watched = tf.where(scale < _LEAST_SCALE, np.nan, means["loss"])
        gradient_norm = tf.where(tf.math.is_finite(gradient_norm), gradient_norm, 0.0)
    for name in latents:
        mean, square = means[f"{name}_mean"], means.pop(f"{name}_square")
        # Rounding may make the variance of latents that are all equal less than nothing.
        means[f"{name}_std"] = tf.sqrt(tf.maximum(square - tf.square(mean), 0.0))
        watched += square
    finite = tf.cast(tf.math.is_finite(watched), tf.float32)
    optimizer.apply_gradients(zip(gradients, variables, strict=True))
    return means | {"gradient_norm": gradient_norm, "finite": finite}
