"""Learned geometry on pictures of any kind and size (Fig. 12a)."""

import numpy as np
import tensorflow as tf
from scipy.ndimage import map_coordinates

from dgn_tf.models.warp import warp


def enlarged_field(displacement: np.ndarray, height: int, width: int) -> np.ndarray:
    """A displacement field for a picture of any size.

    The field lies on the centre square of the picture, which is what a model would see of it;
    beyond the square it goes on as at its border.

    Args:
        displacement: [S, S, 2], (dx, dy) in pixels of the model's pictures.
        height: of the picture, in pixels.
        width: likewise.

    Returns:
        float32 [height, width, 2], (dx, dy) in pixels of the picture.
    """
    side, edge = displacement.shape[0], min(height, width)

    def places(size):
        # A pixel's centre is half a pixel from its corner, before and after.
        inside = np.arange(size) - (size - edge) // 2
        return np.clip((inside + 0.5) * side / edge - 0.5, 0, side - 1)

    grid = np.meshgrid(places(height), places(width), indexing="ij")
    moved = [map_coordinates(displacement[..., k], grid, order=1) for k in range(2)]
    return np.stack(moved, axis=-1).astype(np.float32) * (edge / side)


def warp_photograph(picture: np.ndarray, displacement: np.ndarray) -> np.ndarray:
    """A picture at its own resolution, moved by a field of a model (Eq. 3).

    Args:
        picture: uint8 [H, W, 3].
        displacement: [S, S, 2], (dx, dy) in pixels of the model's pictures.

    Returns:
        uint8 [H, W, 3]; a field of zeros leaves the picture as it is.
    """
    field = enlarged_field(displacement, *picture.shape[:2])
    # Each picture has a size of its own: compiling for it would cost more than it saves.
    moved = warp(tf.constant(picture[None], tf.float32), field[None], jit_compile=False)
    return np.rint(moved[0].numpy()).astype(np.uint8)
