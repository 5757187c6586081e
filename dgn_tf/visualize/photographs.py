"""Learned geometry on pictures of any kind and size (Fig. 12a)."""

import numpy as np
import tensorflow as tf

from dgn_tf.models.enlarging import enlarged_field
from dgn_tf.models.warp import warp


def warp_photograph(picture: np.ndarray, displacement: np.ndarray) -> np.ndarray:
    """A picture at its own resolution, moved by a field of a model (Eq. 3).

    Args:
        picture: uint8 [H, W, 3].
        displacement: [S, S, 2], (dx, dy) in pixels of the model's pictures.

    Returns:
        uint8 [H, W, 3]; a field of zeros leaves the picture as it is.
    """
    field = enlarged_field(displacement[None], *picture.shape[:2])
    # Each picture has a size of its own: compiling for it would cost more than it saves.
    moved = warp(tf.constant(picture[None], tf.float32), field, jit_compile=False)
    return np.rint(moved[0].numpy()).astype(np.uint8)
