"""The refining operation after the warp, which the paper draws as optional (Fig. 1)."""

import keras
import tensorflow as tf

_FILTERS, _LAYERS = 16, 2


@keras.saving.register_keras_serializable(package="dgn_tf")
class Refinement(keras.Model):
    """Adds a bounded residual to a warped image, such as shading that moves with the pose.

    x + 2 bound (1 - x^2) tanh(r(x)), r a convolution of 3x3 three times, with 16 filters and ReLU
    between. An image in [-1, 1] stays there. The bound and the small windows, 7x7 pixels, keep it
    from moving anything, which is for the geometry to do. It begins as the identity.

    Args:
        side: side of the images in pixels.
        channels: 1 (gray) or 3 (RGB).
        bound: the most that is added to a pixel, as a fraction of the range of values.

    Raises:
        ValueError: `bound` is not in (0, 0.25].
    """

    def __init__(self, side=64, channels=3, bound=0.1, **kwargs):
        # The image itself stays float32; the layers cast what they look at.
        super().__init__(autocast=False, **kwargs)
        if not 0 < bound <= 0.25:
            raise ValueError(f"bound must be above 0 and at most 0.25, got {bound}")
        self.settings = {"side": side, "channels": channels, "bound": bound}
        dtype = self.dtype_policy
        hidden = [
            keras.layers.Conv2D(_FILTERS, 3, padding="same", activation="relu", dtype=dtype)
            for _ in range(_LAYERS)
        ]
        # From zero: the generators begin as if it were not there.
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

    def call(self, x):
        """Refined images of x [B, S, S, C] in [-1, 1], float32."""
        return x + 2.0 * self.bound * (1.0 - tf.square(x)) * self.network(x)

    def get_config(self):
        """Arguments that make this network again."""
        return {**super().get_config(), **self.settings}
