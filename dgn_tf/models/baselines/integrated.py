"""The deformation decoder of deforming autoencoders: coordinates as integrals (Shu et al. 2018)."""

from typing import Any

import keras
import tensorflow as tf

from dgn_tf.models.decoders import decoder_network, table_iv
from dgn_tf.types import Tensor

# A step between neighboring pixels reads from a third of a pixel to three pixels further on.
_STEP_RANGE = 3.0


@keras.saving.register_keras_serializable(package="dgn_tf")
class IntegratedGeometricGenerator(keras.Model):
    """z_g [B, latent_dim] to a displacement [B, side, side, 2] in pixels that hardly folds.

    After Shu et al., "Deforming Autoencoders", ECCV 2018: the decoder (here of Table IV) gives the
    positive distances between the places that neighboring pixels read from; their running sums,
    about the middle of the image, are the places; an affine map of z_g moves them all. Sums of
    positive steps rise along every row and column.

    Args:
        latent_dim: d_g, length of z_g.
        side: side of the field in pixels: 32, 64, 128 or 256.

    Raises:
        ValueError: a setting that is not possible.
    """

    def __init__(self, latent_dim: int = 64, side: int = 64, **kwargs: Any):
        super().__init__(**kwargs)
        self.settings = {"latent_dim": latent_dim, "side": side}
        # Nothing bounds the sums, so the field never saturates.
        self.max_pixels = float("inf")
        self.decoder = decoder_network(
            latent_dim,
            table_iv(side, 2, width=1.0),
            equalized=False,
            gain=1.0,
            dtype=self.dtype_policy,
        )
        small = keras.initializers.RandomNormal(stddev=0.01)
        self.affine = keras.Sequential(
            [
                keras.Input((latent_dim,)),
                keras.layers.Dense(6, kernel_initializer=small, dtype="float32"),
            ],
            name="affine",
        )
        self.built = True

    def call(self, z_g: Tensor) -> Tensor:
        """Displacement [B, S, S, 2] of z_g [B, d_g], in pixels."""
        side = self.settings["side"]
        steps = _STEP_RANGE ** self.decoder(z_g)
        places = tf.stack([tf.cumsum(steps[..., 0], 2), tf.cumsum(steps[..., 1], 1)], axis=-1)
        places -= tf.reduce_mean(places, axis=[1, 2], keepdims=True)
        numbers = self.affine(z_g)
        matrix = tf.eye(2) + tf.reshape(numbers[:, :4], [-1, 2, 2])
        places = tf.einsum("byxk,bjk->byxj", places, matrix)
        places += side * numbers[:, None, None, 4:]
        axis = tf.range(side, dtype=tf.float32) - (side - 1) / 2.0
        return places - tf.stack(tf.meshgrid(axis, axis), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """Arguments that make this generator again."""
        return {**super().get_config(), **self.settings}
