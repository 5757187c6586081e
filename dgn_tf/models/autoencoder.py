"""The inference network of the variational models: an image to its latents, in one pass."""

import math

import keras
import tensorflow as tf

from dgn_tf.config import SIDES
from dgn_tf.models.decoders import FINEST_FILTERS, LARGE_KERNEL_LEVELS


@keras.saving.register_keras_serializable(package="dgn_tf")
class Encoder(keras.Model):
    """q(z | x): the levels of Table IV the other way round, one head for all latent groups.

    Args:
        latent_dims: length of each group's latent vector, by name.
        side: side of the images in pixels: 32, 64, 128 or 256.
        channels: 1 (gray) or 3 (RGB).
        width: filters per level over 16, 32, 64, ..., those of the geometric generator.
        variance: whether log-variances are given beside the means.

    Raises:
        ValueError: `side` is none of these, or `width` is not above 0.
    """

    def __init__(self, latent_dims, side=64, channels=3, width=1.0, variance=True, **kwargs):
        super().__init__(**kwargs)
        if side not in SIDES or width <= 0:
            raise ValueError(f"side must be one of {SIDES} and width above 0; got {side}, {width}")
        self.settings = {
            "latent_dims": dict(latent_dims),
            "side": side,
            "channels": channels,
            "width": width,
            "variance": variance,
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
        numbers = sum(latent_dims.values()) * (2 if variance else 1)
        # float32 whatever the compute dtype, as the latents are.
        layers += [keras.layers.Flatten(), keras.layers.Dense(numbers, dtype="float32", name="fc")]
        self.network = keras.Sequential(
            [keras.Input((side, side, channels)), *layers], name="network"
        )
        self.built = True

    def call(self, x):
        """Mean and log-variance [B, d] of every group of images x [B, S, S, C] in [-1, 1].

        Returns:
            {group: (mean, log-variance)}; the log-variance is None without `variance`.
        """
        dims = self.settings["latent_dims"]
        each = 2 if self.settings["variance"] else 1
        heads = tf.split(self.network(x), [dim for dim in dims.values() for _ in range(each)], 1)
        pairs = (
            zip(heads[::2], heads[1::2], strict=True) if each == 2 else ((h, None) for h in heads)
        )
        return dict(zip(dims, pairs, strict=True))

    def get_config(self):
        """Arguments that make this encoder again."""
        return {**super().get_config(), **self.settings}


@keras.saving.register_keras_serializable(package="dgn_tf")
class EncodedGenerator(keras.Model):
    """A generator and the inference network of its latents, with the generator's own interface.

    With a plain generator it is the paper's rival "VAE"; with a deformable one it is the paper's
    "can also be learned by VAE with an extra inference network".

    Args:
        generator: a model with `latent_dims`, `networks`, `part`, `combine`, `regularization` and
            `diagnostics`.
        encoder: an `Encoder` of the same latent groups.

    Raises:
        ValueError: the groups of generator and encoder differ.
    """

    def __init__(self, generator, encoder, **kwargs):
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
    def latent_dims(self):
        """Length of each group's latent vector."""
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
    def networks(self):
        """The generator's networks by group, and the encoder."""
        return {**self.generator.networks, "encoder": self.encoder}

    def encode(self, x):
        """{group: (mean [B, d], log-variance [B, d] or None)} of images x [B, S, S, C]."""
        return self.encoder(x)

    def part(self, name, z):
        """The generator's part of one group."""
        return self.generator.part(name, z)

    def combine(self, parts):
        """The generator's image [B, S, S, C] in [-1, 1]."""
        return self.generator.combine(parts)

    def call(self, latents):
        """Images [B, S, S, C] in [-1, 1] of latents [B, d] by group."""
        return self.generator(latents)

    def regularization(self, parts):
        """What the generator adds to the loss."""
        return self.generator.regularization(parts)

    def diagnostics(self, parts):
        """The generator's scalars to watch."""
        return self.generator.diagnostics(parts)

    def get_config(self):
        """Arguments that make this model again."""
        return {
            **super().get_config(),
            "generator": keras.saving.serialize_keras_object(self.generator),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
        }

    @classmethod
    def from_config(cls, config):
        """The model of a `get_config`."""
        config = dict(config)
        for name in ("generator", "encoder"):
            config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)
