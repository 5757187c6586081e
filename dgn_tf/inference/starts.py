"""Where the chains of new examples start: at zero, at a guess, and at prior samples that fit."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import tensorflow as tf

from dgn_tf.config import MAX_STARTS
from dgn_tf.inference.noise import example_normal
from dgn_tf.types import ClipModel, LatentModel, Latents, Tensor, one_hot_groups

# An encoder: (mean [B, d], log-variance or None) of each group, of images [B, ...] in [-1, 1].
Encoder: TypeAlias = Callable[[Tensor], Mapping[str, tuple[Tensor, Any]]]

# The side at which images are compared.
_COMPARED_SIDE = 32
# More than any energy: samples of another class are no starts.
_OTHER_CLASS = 1e9


def guess_of(encoder: Encoder, x: Tensor) -> Latents:
    """The latents [B, d] that an encoder guesses of x, of the groups that it knows."""
    return {name: mean for name, (mean, _) in encoder(x).items()}


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
    """The latents [B, d] of the starts from zero, once with each class of a group."""
    classes = zero[name].shape[1]
    tiled = {other: tf.tile(z, [classes, 1]) for other, z in zero.items()}
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
