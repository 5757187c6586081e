"""The discriminator of the adversarial extension (Eq. 22)."""

import math
from typing import Any

import keras
import tensorflow as tf

from dgn_tf.config import SIDES
from dgn_tf.models.decoders import FINEST_FILTERS
from dgn_tf.types import Tensor

_SLOPE = 0.2


@keras.saving.register_keras_serializable(package="dgn_tf")
class MinibatchDeviation(keras.layers.Layer):
    """Appends one number as a last channel: how much the batch varies (Karras et al. 2018).

    [B, H, W, C] to [B, H, W, C + 1]. The number is the standard deviation over the batch, averaged
    over pixels and channels.
    """

    def call(self, x: Tensor) -> Tensor:
        """The maps [B, H, W, C + 1] with the new channel."""
        deviation = tf.reduce_mean(tf.sqrt(tf.math.reduce_variance(x, axis=0) + 1e-8))
        return tf.concat([x, tf.broadcast_to(deviation, [*tf.unstack(tf.shape(x)[:3]), 1])], -1)

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        """One channel more."""
        return (*input_shape[:-1], input_shape[-1] + 1)


@keras.saving.register_keras_serializable(package="dgn_tf")
class Discriminator(keras.Model):
    """D(x) as a logit: residual blocks with average pooling, down to 4x4.

    The paper does not give its layers. These are the blocks of Mescheder et al. (2018), whose R1
    penalty it uses, with the filters of the geometric generator's levels.

    Args:
        side: side of the images in pixels: 32, 64, 128 or 256.
        channels: 1 (gray) or 3 (RGB).
        width: filters per level over 16, 32, 64, ...
        minibatch_deviation: whether the last block sees how much the batch varies.

    Raises:
        ValueError: `side` is none of these, or `width` is not above 0.
    """

    def __init__(
        self,
        side: int = 64,
        channels: int = 3,
        width: float = 1.0,
        minibatch_deviation: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if side not in SIDES or width <= 0:
            raise ValueError(f"side must be one of {SIDES} and width above 0; got {side}, {width}")
        self.settings = {
            "side": side,
            "channels": channels,
            "width": width,
            "minibatch_deviation": minibatch_deviation,
        }
        levels = int(math.log2(side // 4))
        filters = [max(1, round(width * FINEST_FILTERS * 2**k)) for k in range(levels + 1)]
        dtype = self.dtype_policy
        x = images = keras.Input((side, side, channels))
        x = keras.layers.Conv2D(filters[0], 1, name="from_image", dtype=dtype)(x)
        for level in range(levels):
            x = _block(x, filters[level], filters[level + 1], dtype)
        if minibatch_deviation:
            x = MinibatchDeviation(dtype="float32")(x)
        x = keras.layers.Conv2D(filters[-1], 3, padding="same", dtype=dtype)(x)
        x = keras.layers.LeakyReLU(_SLOPE, dtype=dtype)(x)
        # float32 whatever the compute dtype, as the loss is.
        logit = keras.layers.Dense(1, dtype="float32")(keras.layers.Flatten()(x))
        self.network = keras.Model(images, logit, name="network")
        self.built = True

    def call(self, x: Tensor) -> Tensor:
        """Logits [B] of images x [B, S, S, C] in [-1, 1]: above 0 for images judged to be data."""
        return self.network(x)[:, 0]

    def get_config(self) -> dict[str, Any]:
        """Arguments that make this discriminator again."""
        return {**super().get_config(), **self.settings}


def _block(x: Tensor, inputs: int, outputs: int, dtype: Any) -> Tensor:
    """Halves height and width and changes the filters; the variance stays about the same."""
    pool = keras.layers.AveragePooling2D(2, dtype=dtype)
    y = keras.layers.LeakyReLU(_SLOPE, dtype=dtype)(x)
    y = keras.layers.Conv2D(inputs, 3, padding="same", dtype=dtype)(y)
    y = keras.layers.LeakyReLU(_SLOPE, dtype=dtype)(y)
    y = pool(keras.layers.Conv2D(outputs, 3, padding="same", dtype=dtype)(y))
    short = keras.layers.Conv2D(outputs, 1, use_bias=False, dtype=dtype)(pool(x))
    both = keras.layers.Add(dtype=dtype)([short, y])
    return keras.layers.Rescaling(math.sqrt(0.5), dtype=dtype)(both)
