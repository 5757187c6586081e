"""Where the chains of new examples start: at zero, at a guess, and at prior samples that fit."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import tensorflow as tf

from dgn_tf.config import MAX_STARTS
from dgn_tf.inference.energy import energy
from dgn_tf.inference.noise import example_normal
from dgn_tf.types import ClipModel, LatentModel, Latents, Tensor, one_hot_groups

# An encoder: (mean [B, d], log-variance or None) of each group, of images [B, ...] in [-1, 1].
Encoder: TypeAlias = Callable[[Tensor], Mapping[str, tuple[Tensor, Any]]]

# The side at which images are compared.
_COMPARED_SIDE = 32
# More than any energy: samples of another class are no starts.
_OTHER_CLASS = 1e9


def guess_of(encoder: Encoder, x: Tensor) -> Latents:
    """The latents that an encoder guesses of x, of the groups that it knows.

    They are [B, d], or [B, k, d] if it has a guess for each of k classes.
    """
    return {name: mean for name, (mean, _) in encoder(x).items()}


def guess_in_class(model: LatentModel, guess: Latents, z: Latents) -> Latents:
    """The guesses [B, d] for the classes of `z`, of a `guess_of` with one for each class."""
    for name in model.class_groups:
        chosen = tf.argmax(z[name], axis=1)
        guess = {
            other: tf.gather(each, chosen, batch_dims=1) if each.shape.rank == 3 else each
            for other, each in guess.items()
        }
    return guess


def first_starts(
    model: LatentModel, x: Tensor, known: Latents, encoder: Encoder | None = None
) -> Latents:
    """Latents [B, d] of each group: zero; with classes [k * B, d], zero in every one of k classes.

    Args:
        model: a trained model.
        x: images [B, S, S, C] or clips, in [-1, 1].
        known: one-hot [B, d] of each group that the model does not infer.
        encoder: whose guess takes the place of zero.
    """
    count = tf.shape(x)[0]
    z = {name: tf.zeros([count, dim]) for name, dim in model.latent_dims.items()}
    if encoder is not None:
        z |= guess_of(encoder, x)
    for name in model.class_groups:
        z = _in_every_class(z, name, count)
    return z | known


def lowest_start(
    model: LatentModel, x: Tensor, starts: Latents, sigma: Tensor
) -> tuple[Latents, Tensor]:
    """The starts [B, d] of the lowest energy of each example, and these energies [B].

    Args:
        model: a model, trained or not.
        x: images or clips [B, ...] in [-1, 1].
        starts: [k * B, d] of each group: the first of every example, then the second, ...
        sigma: standard deviation of a pixel on the [0, 1] scale.
    """
    count, all_starts = tf.shape(x)[0], tf.shape(next(iter(starts.values())))[0]
    x_all = tf.tile(x, [all_starts // count] + [1] * (x.shape.rank - 1))
    energies = energy(model, x_all, starts, sigma)
    rows = lowest_rows(energies, count)
    return {n: tf.gather(z, rows) for n, z in starts.items()}, tf.gather(energies, rows)


def lowest_class(model: LatentModel, encoder: Encoder, sigma: float) -> Encoder:
    """An encoder of all groups of a model with classes, of one with a guess for each class.

    It guesses the class of the lowest energy, and the other groups for that class.

    Args:
        model: with classes.
        encoder: of the other groups.
        sigma: standard deviation of a pixel on the [0, 1] scale.
    """

    def encode(x: Tensor) -> dict[str, tuple[Tensor, Any]]:
        starts = first_starts(model, x, {}, encoder)
        lowest, _ = lowest_start(model, x, starts, tf.constant(sigma))
        return {name: (z, None) for name, z in lowest.items()}

    return encode


def lowest_rows(energies: Tensor, count: Tensor) -> Tensor:
    """Rows int32 [B] of the starts of the lowest energy, of energies [k * B]; `count` is B."""
    # A start that diverged must not win over one that did not.
    energies = tf.where(tf.math.is_nan(energies), float("inf"), energies)
    best = tf.argmin(tf.reshape(energies, [-1, count]), axis=0, output_type=tf.int32)
    return best * count + tf.range(count)


class PriorSamples:
    """1,024 samples of the prior, of a clip's first frame, and the images that they make.

    Args:
        model: a trained model.
        seed: of the samples.

    Attributes:
        latents: [1024, d] of each group; of clips, of the first frame.
        images: small and flat, [1024, n].
    """

    def __init__(self, model: LatentModel, seed: int):
        self.model = model
        dims = model.frame_dims if isinstance(model, ClipModel) else model.latent_dims
        ids = tf.range(MAX_STARTS, dtype=tf.int64)
        self.latents = {
            name: example_normal(seed, 0, ids, stream, 1, dim)[0]
            for stream, (name, dim) in enumerate(dims.items())
        }
        for name in one_hot_groups(model):
            self.latents[name] = tf.one_hot(ids % dims[name], dims[name])
        images = []
        for first in range(0, MAX_STARTS, 128):
            rows = slice(first, first + 128)
            parts = {name: model.part(name, z[rows]) for name, z in self.latents.items()}
            images.append(_small(_first_frame(model.combine(parts))))
        self.images = tf.concat(images, 0)

    def nearest(self, x: Tensor, known: Latents, count: int, sigma: float) -> Latents:
        """Latents [count * B, d] of the samples of the lowest energy: the best of each image first.

        Later frames of a clip move by zero noise. What is known of an example its samples share.

        Args:
            x: images [B, S, S, C] or clips, in [-1, 1].
            known: one-hot [B, d] of each group that the model does not infer.
            count: samples for each image.
            sigma: standard deviation of a pixel on the [0, 1] scale.
        """
        first = _first_frame(x)
        small = _small(first)
        pixels = first.shape.num_elements() / small.shape.num_elements()
        distance = (
            tf.reduce_sum(tf.square(small), 1)[:, None]
            - 2.0 * tf.matmul(small, self.images, transpose_b=True)
            + tf.reduce_sum(tf.square(self.images), 1)[None]
        ) / 4.0
        prior = tf.add_n([tf.reduce_sum(tf.square(z), 1) for z in self.latents.values()]) / 2.0
        energies = pixels * distance / (2.0 * sigma**2) + prior
        for name, value in known.items():
            same = tf.matmul(value, self.latents[name], transpose_b=True)
            energies += _OTHER_CLASS * (1.0 - same)
        nearest = tf.math.top_k(-energies, count).indices
        rows = tf.reshape(tf.transpose(nearest), [-1])
        starts = {}
        for name, dim in self.model.latent_dims.items():
            z = tf.gather(self.latents[name], rows)
            starts[name] = tf.pad(z, [[0, 0], [0, dim - z.shape[1]]])
        return starts | {name: tf.tile(value, [count, 1]) for name, value in known.items()}


def _in_every_class(zero: Latents, name: str, count: Tensor) -> Latents:
    """The latents [B, d] or, one for each class, [B, k, d] of the starts, in each class."""
    classes = zero[name].shape[1]
    tiled = {
        other: tf.reshape(tf.transpose(z, [1, 0, 2]), [-1, z.shape[2]])
        if z.shape.rank == 3
        else tf.tile(z, [classes, 1])
        for other, z in zero.items()
    }
    return {**tiled, name: tf.repeat(tf.eye(classes), count, axis=0)}


def _first_frame(x: Tensor) -> Tensor:
    """Clips [B, F, S, S, C] as their first frames; anything else as it is."""
    return x[:, 0] if x.shape.rank == 5 else x


def _small(images: Tensor) -> Tensor:
    """Images [B, S, S, C] averaged down to at most 32x32 and flattened."""
    factor = max(1, images.shape[1] // _COMPARED_SIDE) if images.shape.rank == 4 else 1
    if factor > 1:
        images = tf.nn.avg_pool2d(images, factor, factor, "VALID")
    return tf.reshape(images, [len(images), -1])
