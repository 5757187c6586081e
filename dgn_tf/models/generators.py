"""The two generators of Table IV: latent vectors to canonical picture and to displacement."""

import math

import keras

from dgn_tf.config import SIDES
from dgn_tf.models.smoothing import gaussian_matrix, smooth

# Filters of the last hidden level; each coarser one has twice as many (Table IV: 128, 64, 32, 16).
FINEST_FILTERS = 16
# How many of the last deconvolutions have 5x5 filters, the others having 3x3 (Table IV).
LARGE_KERNEL_LEVELS = 2


def decoder_network(latent_dim, side, channels, ratio, scheme, gain, dtype):
    """Latent vector [B, latent_dim] to float32 [B, side, side, channels] in [-1, 1] (Table IV).

    The table is for side 64. Another side has more or fewer levels at the coarse end, so that a
    level's filters depend on how many doublings are left to the picture.

    Raises:
        ValueError: a side, scheme, size or factor that is not possible.
    """
    if side not in SIDES:
        raise ValueError(f"side must be one of {SIDES}, got {side}")
    if scheme not in (1, 2):
        raise ValueError(f"scheme must be 1 or 2, got {scheme}")
    if latent_dim < 1 or channels < 1:
        raise ValueError(
            f"latent_dim and channels must be at least 1, got {latent_dim}, {channels}"
        )
    if ratio <= 0 or gain <= 0:
        raise ValueError(f"alpha and beta must be above 0, got {ratio}, {gain}")
    levels = int(math.log2(side // 4))
    filters = [max(1, round(ratio * FINEST_FILTERS * 2**k)) for k in range(levels - 1, -1, -1)]
    kernels = [3] * (levels - LARGE_KERNEL_LEVELS) + [5] * LARGE_KERNEL_LEVELS

    def weighted(layer, fan_in, **settings):
        settings["dtype"] = dtype
        if scheme == 1:
            start = keras.initializers.TruncatedNormal(stddev=0.1)
            return [layer(**settings, kernel_initializer=start, bias_initializer=start.clone())]
        # Run-time scaling of the weights: a linear layer can scale its input instead.
        scale = keras.layers.Rescaling(gain * math.sqrt(2.0 / fan_in), dtype=dtype)
        return [
            scale,
            layer(**settings, kernel_initializer=keras.initializers.RandomNormal(stddev=1.0)),
        ]

    layers = weighted(
        keras.layers.Dense, latent_dim, units=4 * 4 * filters[0], activation="relu", name="fc"
    )
    layers.append(keras.layers.Reshape((4, 4, filters[0]), dtype=dtype))
    outputs = filters[1:] + [channels]
    for level, (kernel, inputs, output) in enumerate(zip(kernels, filters, outputs, strict=True)):
        layers += weighted(
            keras.layers.Conv2DTranspose,
            kernel * kernel * inputs,
            filters=output,
            kernel_size=kernel,
            strides=2,
            padding="same",
            activation=None if level == levels - 1 else "relu",
            name=f"deconv{level + 1}",
        )
    # float32 whatever the compute dtype: a coordinate such as 200.5 has no bfloat16.
    layers.append(keras.layers.Activation("tanh", dtype="float32"))
    return keras.Sequential([keras.Input((latent_dim,)), *layers], name="decoder")


@keras.saving.register_keras_serializable(package="dgn_tf")
class AppearanceGenerator(keras.Model):
    """F_a of Eq. 1 (Table IV): z_a [B, latent_dim] to the canonical picture.

    The picture is [B, side, side, channels] in [-1, 1].

    Args:
        latent_dim: d_a, length of z_a.
        side: side of the picture in pixels: 32, 64, 128 or 256.
        channels: 1 (grey) or 3 (RGB).
        alpha: filters per layer over those of the geometric generator, any positive number (section
            5.7, scheme 1).
        scheme: 1, weights as stored (truncated normal start, 0.1); 2, N(0, 1) weights scaled at run
            time by beta * sqrt(2 / fan_in).
        beta: factor of scheme 2; without effect on scheme 1.

    Raises:
        ValueError: a setting outside what is stated above.
    """

    def __init__(
        self, latent_dim=64, side=64, channels=3, alpha=0.625, scheme=1, beta=1.0, **kwargs
    ):
        super().__init__(**kwargs)
        self.settings = {
            "latent_dim": latent_dim,
            "side": side,
            "channels": channels,
            "alpha": alpha,
            "scheme": scheme,
            "beta": beta,
        }
        self.decoder = decoder_network(
            latent_dim, side, channels, alpha, scheme, beta, self.dtype_policy
        )
        self.built = True

    def call(self, z_a):
        """Canonical picture of z_a."""
        return self.decoder(z_a)

    def get_config(self):
        """Arguments that make this generator again."""
        return {**super().get_config(), **self.settings}


@keras.saving.register_keras_serializable(package="dgn_tf")
class GeometricGenerator(keras.Model):
    """F_g of Eq. 1 (Table IV): z_g [B, latent_dim] to the displacement.

    The displacement is (dx, dy) [B, side, side, 2] in pixels.

    Args:
        latent_dim: d_g, length of z_g.
        side: side of the field in pixels: 32, 64, 128 or 256.
        max_displacement: bound of |dx| and |dy| as a fraction of the side: 20/64 by default.
        scheme: 1, weights as stored (truncated normal start, 0.1); 2, N(0, 1) weights scaled at run
            time by beta * sqrt(2 / fan_in).
        beta: factor of scheme 2 (the paper: 0.3 for video); without effect on scheme 1.
        smoothing: standard deviation of a Gaussian filter on the field, as a fraction of the side;
            0 for none, as the paper. A smooth field hardly folds and leaves details to the
            appearance generator.

    Raises:
        ValueError: a setting outside what is stated above.
    """

    def __init__(
        self,
        latent_dim=64,
        side=64,
        max_displacement=20 / 64,
        scheme=1,
        beta=0.3,
        smoothing=0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if max_displacement <= 0 or smoothing < 0:
            raise ValueError(
                "max_displacement must be above 0 and smoothing at least 0, "
                f"got {max_displacement}, {smoothing}"
            )
        self.settings = {
            "latent_dim": latent_dim,
            "side": side,
            "max_displacement": max_displacement,
            "scheme": scheme,
            "beta": beta,
            "smoothing": smoothing,
        }
        self.filter = gaussian_matrix(side, smoothing * side) if smoothing else None
        self.max_pixels = max_displacement * side
        self.decoder = decoder_network(latent_dim, side, 2, 1.0, scheme, beta, self.dtype_policy)
        self.built = True

    def call(self, z_g):
        """Displacement of z_g, in pixels."""
        displacement = self.max_pixels * self.decoder(z_g)
        return displacement if self.filter is None else smooth(displacement, self.filter)

    def get_config(self):
        """Arguments that make this generator again."""
        return {**super().get_config(), **self.settings}
