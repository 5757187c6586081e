"""Transposed-convolution networks from a latent vector to a map: the layers of Tables IV and V."""

import math

import keras

from dgn_tf.config import SIDES
from dgn_tf.ops.conv_transpose import Deconvolution

# Filters of the last hidden level; each coarser one has twice as many (Table IV: 128, 64, 32, 16).
FINEST_FILTERS = 16
# How many of the last deconvolutions have 5x5 filters, the others having 3x3 (Table IV).
LARGE_KERNEL_LEVELS = 2
VIDEO_SIDES = (32, 64)


def table_iv(side, channels, ratio):
    """Layers for images (Table IV).

    The table is for side 64. Another side has more or fewer levels at the coarse end, so that a
    level's filters depend on how many doublings are left to the image.

    Args:
        side: 32, 64, 128 or 256.
        channels: of the output.
        ratio: filters over those of the table.

    Returns:
        Filters of the 4x4 map of the fully connected layer, and (kernel, stride, filters) of every
        deconvolution.

    Raises:
        ValueError: a side, number or factor that is not possible.
    """
    _check(side, SIDES, channels, ratio)
    levels = int(math.log2(side // 4))
    filters = [_scaled(FINEST_FILTERS * 2**k, ratio) for k in range(levels - 1, -1, -1)]
    kernels = [3] * (levels - LARGE_KERNEL_LEVELS) + [5] * LARGE_KERNEL_LEVELS
    outputs = [*filters[1:], channels]
    return filters[0], [(kernel, 2, out) for kernel, out in zip(kernels, outputs, strict=True)]


def table_v_appearance(side, channels, width):
    """Layers of the appearance generator for clips (Table V); side 32 has one level less.

    Args, Returns, Raises: as `table_iv`, with side 32 or 64, and `width` for `ratio`.
    """
    _check(side, VIDEO_SIDES, channels, width)
    filters = [512, 256, 128, 64] if side == 64 else [256, 128, 64]
    levels = [(3, 2, _scaled(count, width)) for count in filters]
    return _scaled(512, width), [*levels, (5, 1, channels)]


def table_v_geometry(side, width):
    """Layers of the geometric generator for clips (Table V); the second stride of side 32 is 2.

    Args, Returns, Raises: as `table_v_appearance`.
    """
    _check(side, VIDEO_SIDES, 2, width)
    levels = [(4, 4, _scaled(128, width)), (4, side // 16, _scaled(64, width)), (5, 1, 2)]
    return _scaled(256, width), levels


def _check(side, sides, channels, ratio):
    if side not in sides:
        raise ValueError(f"side must be one of {sides}, got {side}")
    if channels < 1:
        raise ValueError(f"channels must be at least 1, got {channels}")
    if ratio <= 0:
        raise ValueError(f"alpha, or the width, must be above 0, got {ratio}")


def _scaled(filters, ratio):
    return max(1, round(ratio * filters))


def decoder_network(latent_dim, layers, scheme, gain, dtype):
    """Latent vector [B, latent_dim] to float32 [B, S, S, C] in [-1, 1].

    Args:
        latent_dim: length of the latent vector.
        layers: what one of the functions above gives.
        scheme: 1, weights as stored (truncated normal start, 0.1); 2, N(0, 1) weights scaled at
            run time by gain * sqrt(2 / fan_in).
        gain: factor of scheme 2.
        dtype: Keras dtype policy of all layers but the last.

    Raises:
        ValueError: a scheme, size or factor that is not possible.
    """
    if scheme not in (1, 2):
        raise ValueError(f"scheme must be 1 or 2, got {scheme}")
    if latent_dim < 1:
        raise ValueError(f"latent_dim must be at least 1, got {latent_dim}")
    if gain <= 0:
        raise ValueError(f"beta must be above 0, got {gain}")

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

    inputs, levels = layers
    network = weighted(
        keras.layers.Dense, latent_dim, units=4 * 4 * inputs, activation="relu", name="fc"
    )
    network.append(keras.layers.Reshape((4, 4, inputs), dtype=dtype))
    for level, (kernel, stride, outputs) in enumerate(levels, 1):
        network += weighted(
            Deconvolution,
            kernel * kernel * inputs,
            filters=outputs,
            kernel_size=kernel,
            strides=stride,
            padding="same",
            activation=None if level == len(levels) else "relu",
            name=f"deconv{level}",
        )
        inputs = outputs
    # float32 whatever the compute dtype: a coordinate such as 200.5 has no bfloat16.
    network.append(keras.layers.Activation("tanh", dtype="float32"))
    return keras.Sequential([keras.Input((latent_dim,)), *network], name="decoder")
