"""The warp F_w (Eqs. 2-4): backward bilinear sampling with a gradient of its own."""

import functools
import itertools
import os
from typing import NamedTuple

import tensorflow as tf

from dgn_tf.types import Tensor

BORDERS = ("edge", "zeros")
_MOST_PIECES = 8


class _Axis(NamedTuple):
    """Sampling along one axis; every tensor is [B, H, W]."""

    low: tf.Tensor  # int32 index of the lower neighbor, always inside the image
    high: tf.Tensor  # int32 index of the upper neighbor, always inside the image
    low_weight: tf.Tensor
    high_weight: tf.Tensor
    low_slope: tf.Tensor  # d low_weight / d coordinate
    high_slope: tf.Tensor  # d high_weight / d coordinate


def warp(
    image: Tensor, displacement: Tensor, border: str = "edge", jit_compile: bool = True
) -> Tensor:
    """Samples `image` bilinearly at every pixel moved by its displacement (Eqs. 2-4).

    output(x, y) = image(x + dx, y + dy). Coordinates, interpolation and gradients are float32
    whatever the input types (200.5 would be 200 in bfloat16). Zero displacement is exactly the
    identity. Differentiable once in both arguments; at a whole-numbered coordinate, where the
    interpolation has a kink, the derivative is that of the cell to the right (below), at the last
    pixel that of the cell to the left (above).

    A NaN in a displacement makes its output pixel NaN, and the gradient to that displacement NaN,
    so that a check for finite values sees it. An infinite displacement acts as a very large one.
    Neither reads outside the image.

    Args:
        image: [B, H, W, C] floating, any range; any sizes from 1 up, known or not.
        displacement: [B, H, W, 2] floating, (dx, dy) in pixels; x points right, y down.
        border: What lies outside the image. "edge": coordinates are clipped to the image, and the
            gradient to a clipped coordinate is zero. "zeros": Eq. 4 to the letter, so samples fade
            to 0 within one pixel beyond the image.
        jit_compile: Whether to compile with XLA, several times faster; False gives the same
            mathematics as plain operations, for SavedModel and TFLite exports.

    Returns:
        [B, H, W, C] in the type of `image`.

    Raises:
        ValueError: If `border` is unknown, an argument is not floating, or shapes do not fit.
    """
    image, displacement = tf.convert_to_tensor(image), tf.convert_to_tensor(displacement)
    _check(image, displacement, border)
    sampled = _warp_float32(
        tf.cast(image, tf.float32), tf.cast(displacement, tf.float32), border, jit_compile
    )
    sampled = tf.ensure_shape(sampled, image.shape)
    return tf.cast(sampled, image.dtype)


def _check(image: tf.Tensor, displacement: tf.Tensor, border: str) -> None:
    if border not in BORDERS:
        raise ValueError(f"border must be one of {', '.join(BORDERS)}; got {border!r}.")
    for name, tensor in (("image", image), ("displacement", displacement)):
        if not tensor.dtype.is_floating:
            raise ValueError(f"{name} must be floating; got {tensor.dtype.name}.")
    if image.shape.rank != 4:
        raise ValueError(f"image must have shape [B, H, W, C]; got {image.shape}.")
    if not displacement.shape.is_compatible_with(image.shape[:3] + [2]):
        raise ValueError(
            f"displacement must have shape [B, H, W, 2] with the B, H, W of image {image.shape}; "
            f"got {displacement.shape}."
        )


def _warp_float32(image, displacement, border, jit_compile):
    forward, image_gradient, displacement_gradient = _compiled() if jit_compile else _plain()

    @tf.custom_gradient
    def core(image, displacement):
        # Two calls, so that a graph that needs one gradient drops the other.
        def gradient(upstream):
            return (
                image_gradient(displacement, upstream, border),
                displacement_gradient(image, displacement, upstream, border),
            )

        return forward(image, displacement, border), gradient

    return core(image, displacement)


def _forward(image, displacement, border):
    x, y = _axes(displacement, border)
    pixels, corners = _corners(image, x, y)
    top_left, top_right, bottom_left, bottom_right = (tf.gather(pixels, i) for i in corners)
    top = _weigh(x.low_weight, top_left) + _weigh(x.high_weight, top_right)
    bottom = _weigh(x.low_weight, bottom_left) + _weigh(x.high_weight, bottom_right)
    return _weigh(y.low_weight, top) + _weigh(y.high_weight, bottom)


def _displacement_gradient(image, displacement, upstream, border):
    x, y = _axes(displacement, border)
    pixels, corners = _corners(image, x, y)
    # Channels are summed first: what remains is scalar arithmetic per pixel.
    top_left, top_right, bottom_left, bottom_right = (
        tf.reduce_sum(upstream * tf.gather(pixels, i), -1) for i in corners
    )
    left = y.low_weight * top_left + y.high_weight * bottom_left
    right = y.low_weight * top_right + y.high_weight * bottom_right
    top = x.low_weight * top_left + x.high_weight * top_right
    bottom = x.low_weight * bottom_left + x.high_weight * bottom_right
    return tf.stack(
        [x.low_slope * left + x.high_slope * right, y.low_slope * top + y.high_slope * bottom], -1
    )


def _image_gradient(displacement, upstream, border):
    x, y = _axes(displacement, border)
    pixels, corners = _corners(tf.zeros_like(upstream), x, y)
    weights = (
        y.low_weight * x.low_weight,
        y.low_weight * x.high_weight,
        y.high_weight * x.low_weight,
        y.high_weight * x.high_weight,
    )
    channels = tf.shape(upstream)[-1]
    for index, weight in zip(corners, weights, strict=True):
        updates = tf.reshape(_weigh(weight, upstream), [-1, channels])
        pixels = tf.tensor_scatter_nd_add(pixels, tf.reshape(index, [-1, 1]), updates)
    return tf.reshape(pixels, tf.shape(upstream))


def _weigh(weight, values):
    return weight[..., tf.newaxis] * values


def _axes(displacement, border):
    shape = tf.shape(displacement)
    columns = tf.cast(tf.range(shape[2]), tf.float32)
    rows = tf.cast(tf.range(shape[1]), tf.float32)[:, tf.newaxis]
    return (
        _axis(columns + displacement[..., 0], shape[2], border),
        _axis(rows + displacement[..., 1], shape[1], border),
    )


def _axis(coordinate, size, border):
    last = tf.cast(size - 1, tf.float32)
    is_nan = tf.math.is_nan(coordinate)
    nan = tf.constant(float("nan"), tf.float32)
    # Bounded while still floating: casting a NaN or a huge number to an integer is undefined.
    margin = 0.0 if border == "edge" else 2.0
    bounded = tf.clip_by_value(
        tf.where(is_nan, tf.zeros_like(coordinate), coordinate), -margin, last + margin
    )
    # The last pixel belongs to the cell before it. The integer corner moves, not the coordinate:
    # last - epsilon rounds back to last in float32, and its upper neighbor lies outside.
    low = tf.where(tf.equal(bounded, last), last - 1.0, tf.floor(bounded))
    high_weight = tf.where(is_nan, nan, bounded - low)
    low_weight = 1.0 - high_weight
    if border == "edge":
        slope = tf.cast((coordinate >= 0.0) & (coordinate <= last), tf.float32)
        low_slope = high_slope = tf.where(is_nan, nan, slope)
    else:
        low_slope = tf.cast((low >= 0.0) & (low <= last), tf.float32)
        high_slope = tf.cast((low >= -1.0) & (low <= last - 1.0), tf.float32)
        low_weight, high_weight = low_slope * low_weight, high_slope * high_weight
        low_slope = tf.where(is_nan, nan, low_slope)
        high_slope = tf.where(is_nan, nan, high_slope)
    index = tf.cast(low, tf.int32)
    return _Axis(
        low=tf.clip_by_value(index, 0, size - 1),
        high=tf.clip_by_value(index + 1, 0, size - 1),
        low_weight=low_weight,
        high_weight=high_weight,
        low_slope=-low_slope,
        high_slope=high_slope,
    )


def _corners(image, x, y):
    """Returns the flattened image [B*H*W, C] and four indices [B, H, W] into it."""
    shape = tf.shape(image)
    batch, height, width, channels = shape[0], shape[1], shape[2], shape[3]
    first = (tf.range(batch) * height * width)[:, tf.newaxis, tf.newaxis]
    top, bottom = first + y.low * width, first + y.high * width
    corners = (top + x.low, top + x.high, bottom + x.low, bottom + x.high)
    return tf.reshape(image, [-1, channels]), corners


@functools.cache
def _compiled():
    """Forward pass and both gradients, compiled by XLA when first called."""
    xla = functools.partial(tf.function, jit_compile=True, autograph=False)
    # The pieces of a batch that go side by side. What XLA makes of a gradient keeps one core of a
    # CPU busy, whatever there are; of the forward pass, and on a GPU, it makes use of all.
    pieces = 1 if tf.config.list_physical_devices("GPU") else min(os.cpu_count() or 1, _MOST_PIECES)
    gradients = (
        _in_pieces(xla(each), pieces) for each in (_image_gradient, _displacement_gradient)
    )
    return xla(_forward), *gradients


@functools.cache
def _plain():
    """Forward pass and both gradients, each traced once however often a graph calls it."""
    function = functools.partial(tf.function, autograph=False, reduce_retracing=True)
    return function(_forward), function(_image_gradient), function(_displacement_gradient)


def _in_pieces(gradient, pieces):
    """`gradient(*tensors, border)` of so many pieces of a batch; no example meets another in it."""

    def whole(*arguments):
        *tensors, border = arguments
        batch = tf.shape(tensors[0])[0]
        ends = [batch * piece // pieces for piece in range(pieces + 1)]
        return tf.concat(
            [
                gradient(*(tensor[first:end] for tensor in tensors), border)
                for first, end in itertools.pairwise(ends)
            ],
            axis=0,
        )

    return gradient if pieces == 1 else whole
