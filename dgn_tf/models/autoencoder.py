"""Generators with an encoder: a network that infers the latents of an image in one pass."""

import math
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from dgn_tf.config import SIDES
from dgn_tf.models.decoders import FINEST_FILTERS, LARGE_KERNEL_LEVELS
from dgn_tf.types import LatentModel, Latents, Parts, Tensor


@keras.saving.register_keras_serializable(package="dgn_tf")
class Encoder(keras.Model):
    """q(z | x): the levels of Table IV in reverse, with one head for all latent groups.

    Args:
        latent_dims: length of each group's latent vector, by name.
        side: side of the images in pixels: 32, 64, 128 or 256.
        channels: 1 (gray) or 3 (RGB).
        width: filters per level over 16, 32, 64, ..., those of the geometric generator.
        variance: whether it gives log-variances beside the means.
        classes: k of a group of classes: latents are then inferred anew for each class; 0 without.

    Raises:
        ValueError: `side` is none of these, `width` is not above 0, or there are classes and
            variances.
    """

    def __init__(
        self,
        latent_dims: Mapping[str, int],
        side: int = 64,
        channels: int = 3,
        width: float = 1.0,
        variance: bool = True,
        classes: int = 0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if classes and variance:
            raise ValueError("an encoder with classes has no variances: give variance=False")
        if side not in SIDES or width <= 0:
            raise ValueError(f"side must be one of {SIDES} and width above 0; got {side}, {width}")
        self.settings = {
            "latent_dims": dict(latent_dims),
            "side": side,
            "channels": channels,
            "width": width,
            "variance": variance,
            "classes": classes,
        }
        levels = int(math.log2(side // 4))
        layers = [
            keras.layers.Conv2D(
                max(1, round(width * FINEST_FILTERS * 2**level)),
                5 if level < LARGE_KERNEL_LEVELS else 3,
                strides=2,
                padding="same",
                activation="relu",
                dtype=self.dtype_policy,
                name=f"conv{level + 1}",
            )
            for level in range(levels)
        ]
        numbers = sum(latent_dims.values()) * (2 if variance else 1) * max(1, classes)
        # float32 whatever the compute dtype, as the latents are.
        layers += [keras.layers.Flatten(), keras.layers.Dense(numbers, dtype="float32", name="fc")]
        self.network = keras.Sequential(
            [keras.Input((side, side, channels)), *layers], name="network"
        )
        self.built = True

    def call(self, x: Tensor) -> dict[str, tuple[Tensor, Tensor | None]]:
        """Mean and log-variance of the latents of images, for every group.

        Args:
            x: [B, S, S, C] in [-1, 1].

        Returns:
            {group: (mean [B, d], log-variance [B, d])}, float32; the log-variance is None without
            `variance`. With classes, the means are [B, k, d].
        """
        dims, classes = self.settings["latent_dims"], self.settings["classes"]
        each = 2 if self.settings["variance"] else 1
        numbers = self.network(x)
        if classes:
            numbers = tf.reshape(numbers, [-1, classes, sum(dims.values())])
        heads = tf.split(numbers, [dim for dim in dims.values() for _ in range(each)], axis=-1)
        pairs = (
            zip(heads[::2], heads[1::2], strict=True) if each == 2 else ((h, None) for h in heads)
        )
        return dict(zip(dims, pairs, strict=True))

    def get_config(self) -> dict[str, Any]:
        """Arguments that make this encoder again."""
        return {**super().get_config(), **self.settings}


@keras.saving.register_keras_serializable(package="dgn_tf")
class EncodedGenerator(keras.Model):
    """A generator and its encoder, an `EncodedModel`: all but `encode` is the generator's.

    With a plain generator it is the VAE that the paper compares with; with a deformable one it is
    the model that, in the paper's words, "can also be learned by VAE with an extra inference
    network".

    Args:
        generator: a `LatentModel` of images.
        encoder: an `Encoder` of the same latent groups.

    Raises:
        ValueError: the groups of generator and encoder differ.
    """

    def __init__(self, generator: LatentModel, encoder: Encoder, **kwargs: Any):
        super().__init__(**kwargs)
        if dict(generator.latent_dims) != encoder.settings["latent_dims"]:
            raise ValueError(
                f"the encoder's groups {encoder.settings['latent_dims']} are not the generator's "
                f"{dict(generator.latent_dims)}"
            )
        self.generator = generator
        self.encoder = encoder
        self.built = True

    @property
    def latent_dims(self) -> dict[str, int]:
        """Length of each group's latent vector, as of the generator."""
        return self.generator.latent_dims

    @property
    def given_groups(self) -> tuple[str, ...]:
        """Groups that come with the data, as of the generator."""
        return self.generator.given_groups

    @property
    def class_groups(self) -> tuple[str, ...]:
        """Groups that are inferred by trying every class, as of the generator."""
        return self.generator.class_groups

    @property
    def networks(self) -> dict[str, keras.Model]:
        """The generator's networks by group, and the encoder."""
        return {**self.generator.networks, "encoder": self.encoder}

    def encode(self, x: Tensor) -> dict[str, tuple[Tensor, Tensor | None]]:
        """{group: (mean [B, d], log-variance [B, d] or None)} of images [B, S, S, C] in [-1, 1]."""
        return self.encoder(x)

    def part(self, name: str, z: Tensor) -> Tensor:
        """The generator's part [B, ...] of one group's latents [B, d]."""
        return self.generator.part(name, z)

    def combine(self, parts: Parts) -> Tensor:
        """The generator's image [B, S, S, C] in [-1, 1]."""
        return self.generator.combine(parts)

    def call(self, latents: Latents) -> Tensor:
        """Images [B, S, S, C] in [-1, 1] of latents [B, d] by group."""
        return self.generator(latents)

    def regularization(self, parts: Parts) -> Tensor:
        """What the generator adds to the loss."""
        return self.generator.regularization(parts)

    def diagnostics(self, parts: Parts) -> dict[str, Tensor]:
        """The generator's scalars to watch."""
        return self.generator.diagnostics(parts)

    def get_config(self) -> dict[str, Any]:
        """Arguments that make this model again."""
        return {
            **super().get_config(),
            "generator": keras.saving.serialize_keras_object(self.generator),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "EncodedGenerator":
        """The model of a `get_config`."""
        config = dict(config)
        for name in ("generator", "encoder"):
            config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)
