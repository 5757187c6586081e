"""Energies of latents: how badly they explain an image, and how unlikely they are (Eq. 8)."""

import tensorflow as tf


def squared_error(x, reconstruction):
    """Sum of squares per example [B] on the [0, 1] scale, of two images [B, ...] in [-1, 1]."""
    return tf.reduce_sum(tf.square(x - reconstruction), axis=range(1, x.shape.rank)) / 4.0


def energy(model, x, latents, sigma):
    """-log p(x, z) of each example up to a constant (Eq. 8): [B].

    Args:
        model: anything with `part(name, z)` and `combine(parts)`.
        x: images [B, ...] in [-1, 1].
        latents: a vector [B, d] for each latent group.
        sigma: standard deviation of a pixel, on the [0, 1] scale.
    """
    reconstruction = model.combine({name: model.part(name, z) for name, z in latents.items()})
    prior = tf.add_n([tf.reduce_sum(tf.square(z), axis=1) for z in latents.values()]) / 2.0
    return squared_error(x, reconstruction) / (2.0 * sigma**2) + prior


def class_parts(model):
    """The part [k, ...] of every class of each group of classes, by the group's name."""
    return {name: model.part(name, tf.eye(model.latent_dims[name])) for name in model.class_groups}


def class_energies(model, x, parts, name, each, sigma):
    """-log p(x, class | the other latents) of every class up to a constant: [B, k].

    Args:
        model: as in `energy`.
        x: images [B, ...] in [-1, 1].
        parts: of all groups, made from the present latents.
        name: of the group whose classes are tried.
        each: the part of each of its k classes (`class_parts`).
        sigma: standard deviation of a pixel, on the [0, 1] scale.
    """
    count, batch = each.shape[0], tf.shape(x)[0]
    made = {other: tf.repeat(part, count, axis=0) for other, part in parts.items()}
    made[name] = tf.tile(each, [batch] + [1] * (each.shape.rank - 1))
    error = squared_error(tf.repeat(x, count, axis=0), model.combine(made))
    return tf.reshape(error, [batch, count]) / (2.0 * sigma**2)
