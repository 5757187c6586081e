"""Transposed-convolution networks from a latent vector to a map: the layers of Tables IV and V."""

import math
from typing import Any

import keras

from dgn_tf.config import SIDES
from dgn_tf.ops.conv_transpose import Deconvolution

# Filters of the last hidden level; each coarser one has twice as many (Table IV: 128, 64, 32, 16).
FINEST_FILTERS = 16
# How many of the last deconvolutions have 5x5 filters, the others having 3x3 (Table IV).
LARGE_KERNEL_LEVELS = 2
VIDEO_SIDES = (32, 64)

# Filters of the 4x4 map of the fully connected layer, and (kernel, stride, filters) of every
# deconvolution.
Layers = tuple[int, list[tuple[int, int, int]]]


def table_iv(side: int, channels: int, width: float) -> Layers:
    """Layers for images (Table IV).

    The table is for side 64. Another side has more or fewer levels at the coarse end, so that a
    level's filters depend on how many doublings are left to the image.

    Args:
        side: 32, 64, 128 or 256.
        channels: of the output.
        width: filters per layer over those of the table, above 0.

    Returns:
        Filters of the 4x4 map of the fully connected layer, and (kernel, stride, filters) of every
        deconvolution.

    Raises:
        ValueError: a side, number or factor that is not possible.
    """
    _check(side, SIDES, channels, width)
    levels = int(math.log2(side // 4))
    filters = [_scaled(FINEST_FILTERS * 2**k, width) for k in range(levels - 1, -1, -1)]
    kernels = [3] * (levels - LARGE_KERNEL_LEVELS) + [5] * LARGE_KERNEL_LEVELS
    outputs = [*filters[1:], channels]
    return filters[0], [(kernel, 2, out) for kernel, out in zip(kernels, outputs, strict=True)]


def table_v_appearance(side: int, channels: int, width: float) -> Layers:
    """Layers of the appearance generator for clips (Table V); side 32 has one level less.

    Args, Returns, Raises: as `table_iv`, with side 32 or 64.
    """
    _check(side, VIDEO_SIDES, channels, width)
    filters = [512, 256, 128, 64] if side == 64 else [256, 128, 64]
    levels = [(3, 2, _scaled(count, width)) for count in filters]
    return _scaled(512, width), [*levels, (5, 1, channels)]


def table_v_geometry(side: int, width: float) -> Layers:
    """Layers of the geometric generator for clips (Table V); the second stride of side 32 is 2.

    Args, Returns, Raises: as `table_v_appearance`.
    """
    _check(side, VIDEO_SIDES, 2, width)
    levels = [(4, 4, _scaled(128, width)), (4, side // 16, _scaled(64, width)), (5, 1, 2)]
    return _scaled(256, width), levels


def _check(side: int, sides: tuple[int, ...], channels: int, width: float) -> None:
    if side not in sides:
        raise ValueError(f"side must be one of {sides}, got {side}")
    if channels < 1:
        raise ValueError(f"channels must be at least 1, got {channels}")
    if width <= 0:
        raise ValueError(f"width must be above 0, got {width}")


def _scaled(filters: int, width: float) -> int:
    return max(1, round(width * filters))


def decoder_network(
    latent_dim: int, layers: Layers, equalized: bool, gain: float, dtype: Any
) -> keras.Sequential:
    """A network from a latent vector [B, latent_dim] to a float32 map [B, S, S, C] in [-1, 1].

    Args:
        latent_dim: length of the latent vector.
        layers: what one of the functions above gives.
        equalized: False, weights as stored (truncated normal start, 0.1), the paper's scheme 1;
            True, N(0, 1) weights scaled at run time by gain * sqrt(2 / fan_in), its scheme 2.
        gain: factor of equalized weights, above 0; without effect on others.
        dtype: Keras dtype policy of all layers but the last.

    Raises:
        ValueError: a size or factor that is not possible.
    """
    if latent_dim < 1:
        raise ValueError(f"latent_dim must be at least 1, got {latent_dim}")
    if gain <= 0:
        raise ValueError(f"gain must be above 0, got {gain}")

    def weighted(layer: Any, fan_in: int, **settings: Any) -> list[keras.layers.Layer]:
        settings["dtype"] = dtype
        if not equalized:
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
