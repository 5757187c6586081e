"""One optimizer step, and the numbers that every learner logs with it."""

import keras
import numpy as np
import tensorflow as tf

_LEAST_SCALE = 2.0**-10


def gradients_of(optimizer, tape, loss, variables):
    """Gradients of `loss`, and what an optimizer that scales losses has multiplied them by.

    Small gradients would be zero in float16; `apply_gradients` of a `LossScaleOptimizer` takes the
    scale out again, and leaves out a step whose gradients have become infinite by it.
    """
    scale = optimizer.scale_loss(tf.ones([]))
    return tape.gradient(loss, variables, output_gradients=scale), scale


def update(optimizer, tape, loss, variables, latents, logged):
    """Step down the gradient of `loss`.

    Args:
        optimizer: a Keras optimizer.
        tape: the tape that watched the loss.
        loss: scalar.
        variables: what to learn; anything else stays as it is.
        latents: [B, d] for each group, to describe.
        logged: further scalars to log, by name.

    Returns:
        `logged`, loss, gradient norm, mean and standard deviation of each group's latents, and
        `finite`: 1 when loss, gradient and latents are all finite, else 0; an optimizer that scales
        losses looks after its gradients itself.
    """
    gradients, scale = gradients_of(optimizer, tape, loss, variables)
    gradient_norm = tf.linalg.global_norm(gradients) / scale
    watched = loss + gradient_norm
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        # A step that is left out halves the scale: gradients that are never finite lower it so far.
        watched = tf.where(scale < _LEAST_SCALE, np.nan, loss)
        gradient_norm = tf.where(tf.math.is_finite(gradient_norm), gradient_norm, 0.0)
    metrics = {"loss": loss, "gradient_norm": gradient_norm, **logged}
    for name, latent in latents.items():
        metrics[f"{name}_mean"] = tf.reduce_mean(latent)
        metrics[f"{name}_std"] = tf.math.reduce_std(latent)
        watched += tf.reduce_sum(latent)
    metrics["finite"] = tf.cast(tf.math.is_finite(watched), tf.float32)
    optimizer.apply_gradients(zip(gradients, variables, strict=True))
    return metrics
