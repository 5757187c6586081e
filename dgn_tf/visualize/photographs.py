"""Learned geometry on images of any kind and size (Fig. 12a)."""

import numpy as np
import tensorflow as tf

from dgn_tf.ops.resizing import enlarged_field
from dgn_tf.ops.warp import warp
from dgn_tf.utils.arrays import checked_numbers
from dgn_tf.utils.errors import InputError


def warp_photograph(image: np.ndarray, displacement: np.ndarray) -> np.ndarray:
    """An image at its own resolution, moved by a field of a model (Eq. 3).

    Args:
        image: uint8 [H, W, 3].
        displacement: [S, S, 2], (dx, dy) in pixels of the model's images.

    Returns:
        uint8 [H, W, 3]; a field of zeros leaves the image as it is.

    Raises:
        InputError: an image of another type or shape, or a field with a NaN or an infinity.
    """
    if image.dtype != np.uint8 or image.ndim != 3:
        raise InputError(
            f"image must be uint8 [H, W, 3], from 0 to 255, not {image.dtype} {list(image.shape)}."
        )
    displacement = checked_numbers("displacement", displacement, [None, None, 2])
    field = enlarged_field(displacement[None], *image.shape[:2])
    # Each image has a size of its own: compiling for it would cost more than it saves.
    moved = warp(tf.constant(image[None], tf.float32), field, jit_compile=False)
    return np.rint(moved[0].numpy()).astype(np.uint8)
