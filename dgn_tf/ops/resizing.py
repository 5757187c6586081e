"""Displacement fields for images of another size than the model's."""

import tensorflow as tf

from dgn_tf.types import Tensor


def enlarged_field(displacement: Tensor, height: int | Tensor, width: int | Tensor) -> Tensor:
    """Displacement fields for images of any size.

    A field covers the center square of the image, which is what a model would see of it; beyond
    the square the values at its border are repeated.

    Args:
        displacement: [B, S, S, 2], (dx, dy) in pixels of the model's images.
        height: of the images in pixels, an integer or an int32 scalar.
        width: likewise.

    Returns:
        float32 [B, height, width, 2], (dx, dy) in pixels of the images.
    """
    edge = tf.minimum(height, width)
    # Bilinear, a pixel's center half a pixel from its corner, before and after.
    square = tf.image.resize(displacement, tf.stack([edge, edge]))
    for axis, size in ((1, height), (2, width)):
        places = tf.clip_by_value(tf.range(size) - (size - edge) // 2, 0, edge - 1)
        square = tf.gather(square, places, axis=axis)
    return square * (tf.cast(edge, tf.float32) / displacement.shape[1])
