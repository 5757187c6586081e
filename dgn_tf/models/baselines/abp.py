"""The plain generator learned by alternating back-propagation: no geometry (Table I, "ABP")."""

from typing import Any

import keras
import tensorflow as tf

from dgn_tf.models.deformable import SATURATED
from dgn_tf.models.generators import AppearanceGenerator
from dgn_tf.types import Latents, Parts, Tensor


@keras.saving.register_keras_serializable(package="dgn_tf")
class PlainGenerator(keras.Model):
    """X = F_a(z_a): a `LatentModel` with one latent group, "appearance".

    Args:
        appearance: an `AppearanceGenerator`; its image [B, S, S, C] in [-1, 1] is the
            observation.
    """

    def __init__(self, appearance: AppearanceGenerator, **kwargs: Any):
        super().__init__(**kwargs)
        self.appearance = appearance
        self.built = True

    @property
    def latent_dims(self) -> dict[str, int]:
        """Length of the one latent vector."""
        return {"appearance": self.appearance.settings["latent_dim"]}

    @property
    def given_groups(self) -> tuple[str, ...]:
        """No group comes with the data."""
        return ()

    @property
    def class_groups(self) -> tuple[str, ...]:
        """No group is one of several classes."""
        return ()

    @property
    def networks(self) -> dict[str, keras.Model]:
        """The one network by its group."""
        return {"appearance": self.appearance}

    def part(self, name: str, z: Tensor) -> Tensor:
        """The image of z_a [B, d]."""
        return self.networks[name](z)

    def combine(self, parts: Parts) -> Tensor:
        """The image as it is."""
        return parts["appearance"]

    def call(self, latents: Latents) -> Tensor:
        """Images [B, S, S, C] in [-1, 1] of {"appearance": z_a}."""
        return self.part("appearance", latents["appearance"])

    def regularization(self, parts: Parts) -> Tensor:
        """Nothing is added to the loss: 0."""
        return tf.zeros([])

    def diagnostics(self, parts: Parts) -> dict[str, Tensor]:
        """Share of saturated tanh outputs."""
        saturated = tf.cast(tf.abs(parts["appearance"]) > SATURATED, tf.float32)
        return {"saturated_appearance": tf.reduce_mean(saturated)}

    def get_config(self) -> dict[str, Any]:
        """Arguments that make this model again."""
        return {
            **super().get_config(),
            "appearance": keras.saving.serialize_keras_object(self.appearance),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "PlainGenerator":
        """The model of a `get_config`."""
        config = dict(config)
        config["appearance"] = keras.saving.deserialize_keras_object(config["appearance"])
        return cls(**config)
