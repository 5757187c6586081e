"""Learned geometry on images of any kind and size (Fig. 12a)."""

import numpy as np
import tensorflow as tf

from dgn_tf.ops.resizing import enlarged_field
from dgn_tf.ops.warp import warp


def warp_photograph(image: np.ndarray, displacement: np.ndarray) -> np.ndarray:
    """An image at its own resolution, moved by a field of a model (Eq. 3).

    Args:
        image: uint8 [H, W, 3].
        displacement: [S, S, 2], (dx, dy) in pixels of the model's images.

    Returns:
        uint8 [H, W, 3]; a field of zeros leaves the image as it is.
    """
    field = enlarged_field(displacement[None], *image.shape[:2])
    # Each image has a size of its own: compiling for it would cost more than it saves.
    moved = warp(tf.constant(image[None], tf.float32), field, jit_compile=False)
    return np.rint(moved[0].numpy()).astype(np.uint8)
