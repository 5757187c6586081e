"""The refinement of the warped image, optional in the paper (Fig. 1)."""

from typing import Any

import keras
import tensorflow as tf

from dgn_tf.types import Tensor

_FILTERS, _LAYERS = 16, 2


@keras.saving.register_keras_serializable(package="dgn_tf")
class Refinement(keras.Model):
    """Adds a bounded residual to a warped image, such as shading that moves with the pose.

    x + 2 bound (1 - x^2) tanh(r(x)), where r is three 3x3 convolutions, with 16 filters and ReLU
    between them. An image in [-1, 1] stays there. The bound and the small receptive field, 7x7
    pixels, keep it from moving anything: that is left to the geometry. It starts as the identity.

    Args:
        side: side of the images in pixels.
        channels: 1 (gray) or 3 (RGB).
        bound: the most that is added to a pixel, as a fraction of the range of values.

    Raises:
        ValueError: `bound` is not in (0, 0.25].
    """

    def __init__(self, side: int = 64, channels: int = 3, bound: float = 0.1, **kwargs: Any):
        # The image itself stays float32; the layers cast what they read.
        super().__init__(autocast=False, **kwargs)
        if not 0 < bound <= 0.25:
            raise ValueError(f"bound must be above 0 and at most 0.25, got {bound}")
        self.settings = {"side": side, "channels": channels, "bound": bound}
        dtype = self.dtype_policy
        hidden = [
            keras.layers.Conv2D(_FILTERS, 3, padding="same", activation="relu", dtype=dtype)
            for _ in range(_LAYERS)
        ]
        # Zero weights: the generators start as if it were not there.
        last = keras.layers.Conv2D(
            channels,
            3,
            padding="same",
            activation="tanh",
            kernel_initializer="zeros",
            dtype="float32",
        )
        images = keras.Input((side, side, channels))
        self.network = keras.Sequential([images, *hidden, last], name="residual")
        self.bound = bound
        self.built = True

    def call(self, x: Tensor) -> Tensor:
        """Refined images of x [B, S, S, C] in [-1, 1], float32."""
        return x + 2.0 * self.bound * (1.0 - tf.square(x)) * self.network(x)

    def get_config(self) -> dict[str, Any]:
        """Arguments that make this network again."""
        return {**super().get_config(), **self.settings}
