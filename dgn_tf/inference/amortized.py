"""An encoder learned from a trained model's own chains: where inference may start."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from dgn_tf.inference.energy import squared_error
from dgn_tf.inference.observations import checked_observations, observation_shape
from dgn_tf.inference.starts import guess_of
from dgn_tf.types import LatentArrays, LatentModel, Latents, Tensor


def fit_encoder(
    model: LatentModel,
    encoder: Any,
    images: np.ndarray,
    latents: LatentArrays,
    *,
    epochs: int = 60,
    batch_size: int = 100,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Teaches an encoder to guess the latents that Langevin dynamics would find.

    A batch holds as many images of the data, with the latents of their chains, as images that
    the model makes of the appearance of one chain and the geometry of another, whose latents are
    known exactly. The loss is the squared error of the guess, in units of each latent's variance,
    plus the error of the data as reconstructed from the guess, in units of that from the chains.

    Args:
        model: a trained model, which is left as it is.
        encoder: an `Encoder` without variances of the model's groups; it is changed.
        images: N images [N, S, S, C] in [-1, 1] that the model was trained on.
        latents: their chains' latents [N, d] by group.
        epochs: passes over the images.
        batch_size: images of the data in a step.
        seed: of the order of the images and of the pairs of chains.
        progress: called with (epochs done, epochs).

    Raises:
        InputError: the images' shape or type is not the model's, or a number is not finite or out
            of range.
    """
    images = checked_observations(images, observation_shape(model))
    rng = np.random.default_rng(seed)
    per_epoch = -(-len(images) // batch_size)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, epochs * per_epoch)
    optimizer = keras.optimizers.Adam(rate)
    optimizer.build(encoder.trainable_variables)
    spread = {name: z.var(axis=0).astype(np.float32) + 1e-3 for name, z in latents.items()}
    chain_error = _chain_error(model, images, latents, batch_size)

    def guessed(x: Tensor, z: Latents) -> tuple[Tensor, Latents]:
        """The squared error of the guess of latents z, and the guess."""
        guess = guess_of(encoder, x)
        errors = [tf.reduce_mean(tf.square(guess[name] - z[name]) / spread[name]) for name in z]
        return tf.add_n(errors) / len(errors), guess

    @tf.function(reduce_retracing=True, autograph=False)
    def step(x: Tensor, z: Latents, mixed: Latents) -> None:
        generated = model(mixed)
        with tf.GradientTape() as tape:
            data_error, guess = guessed(x, z)
            generated_error, _ = guessed(generated, mixed)
            reconstruction_error = tf.reduce_mean(squared_error(x, model(guess)))
            loss = data_error + generated_error + reconstruction_error / chain_error
        gradients = tape.gradient(loss, encoder.trainable_variables)
        optimizer.apply_gradients(zip(gradients, encoder.trainable_variables, strict=True))

    for epoch in range(epochs):
        for rows in np.array_split(rng.permutation(len(images)), per_epoch):
            z = {name: np.float32(value[rows]) for name, value in latents.items()}
            pairs = {name: rng.integers(len(images), size=len(rows)) for name in latents}
            mixed = {name: np.float32(value[pairs[name]]) for name, value in latents.items()}
            step(tf.constant(images[rows]), z, mixed)
        if progress:
            progress(epoch + 1, epochs)


def _chain_error(
    model: LatentModel, images: np.ndarray, latents: LatentArrays, batch_size: int
) -> float:
    """Mean squared error of the images as reconstructed from their chains, 1 at least."""
    total = 0.0
    for first in range(0, len(images), batch_size):
        rows = slice(first, first + batch_size)
        made = model({name: tf.constant(z[rows], tf.float32) for name, z in latents.items()})
        total += float(tf.reduce_sum(squared_error(tf.constant(images[rows]), made)))
    return max(total / len(images), 1.0)
