"""The energy of latents: minus the log of their joint density with an image (Eq. 8)."""

import numpy as np
import tensorflow as tf

from dgn_tf.data.examples import ImageArray, as_float
from dgn_tf.types import LatentArrays, LatentModel, Latents, Parts, Tensor

# Images, or frames of clips, that are made at a time.
_FRAMES = 32


def squared_error(x: Tensor, reconstruction: Tensor) -> Tensor:
    """Sum of squares per example [B] on the [0, 1] scale, of two images [B, ...] in [-1, 1]."""
    return tf.reduce_sum(tf.square(x - reconstruction), axis=range(1, x.shape.rank)) / 4.0


def energy(model: LatentModel, x: Tensor, latents: Latents, sigma: Tensor) -> Tensor:
    """-log p(x, z) of each example up to a constant (Eq. 8): [B].

    Args:
        model: makes parts of latents, and observations of parts.
        x: images or clips [B, ...] in [-1, 1].
        latents: a vector [B, d] for each latent group.
        sigma: standard deviation of a pixel on the [0, 1] scale.
    """
    classes = class_parts(model)
    parts = {
        name: tf.gather(classes[name], tf.argmax(z, axis=1))
        if name in classes
        else model.part(name, z)
        for name, z in latents.items()
    }
    prior = tf.add_n([tf.reduce_sum(tf.square(z), axis=1) for z in latents.values()]) / 2.0
    return squared_error(x, model.combine(parts)) / (2.0 * sigma**2) + prior


def class_parts(model: LatentModel) -> Parts:
    """The parts [k, ...] of all k classes of each group of classes, by the group's name."""
    return {name: model.part(name, tf.eye(model.latent_dims[name])) for name in model.class_groups}


def class_energies(
    model: LatentModel, x: Tensor, parts: Parts, name: str, each: Tensor, sigma: Tensor
) -> Tensor:
    """-log p(x, class | the other latents) of every class up to a constant: [B, k].

    Args:
        model: as in `energy`.
        x: images or clips [B, ...] in [-1, 1].
        parts: of all groups, made from the present latents.
        name: of the group whose classes are tried.
        each: the parts of its k classes (`class_parts`).
        sigma: standard deviation of a pixel on the [0, 1] scale.
    """
    count, batch = each.shape[0], tf.shape(x)[0]
    made = {other: tf.repeat(part, count, axis=0) for other, part in parts.items()}
    made[name] = tf.tile(each, [batch] + [1] * (each.shape.rank - 1))
    error = squared_error(tf.repeat(x, count, axis=0), model.combine(made))
    return tf.reshape(error, [batch, count]) / (2.0 * sigma**2)


def reconstruction_errors(
    model: LatentModel, images: ImageArray, latents: LatentArrays
) -> np.ndarray:
    """The squared errors of what a model makes of latents: float64 [N], as `squared_error`.

    Args:
        model: a model of images or of clips.
        images: the images or clips of these latents, uint8 [N, ...].
        latents: [N, d] for each latent group.
    """
    shape = images.shape
    batch = max(1, _FRAMES // (shape[1] if len(shape) == 5 else 1))
    errors = []
    for first in range(0, len(images), batch):
        # The last batch is filled up with itself, so that its size is compiled already.
        count = min(batch, len(images) - first)
        rows = np.resize(np.arange(first, first + count), batch)
        made = {name: model.part(name, tf.constant(z[rows])) for name, z in latents.items()}
        x = tf.constant(as_float(images[first : first + count]))
        errors.append(squared_error(x, model.combine(made)[:count]).numpy())
    return np.concatenate(errors).astype(np.float64)
