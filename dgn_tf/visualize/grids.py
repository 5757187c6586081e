"""The grid of Fig. 2: straight on the canonical image, deformed on the image made from it."""

import numpy as np
from PIL import Image

from dgn_tf.visualize.images import as_images

CELLS = 8
_COLOR = np.array([255, 225, 60], np.float32)
_OPACITY = 0.85
_HALF_WIDTH = 0.75
# Where u or v is nearly constant, a line would flood the area: it is at most 4 times as wide.
_MIN_SLOPE = 0.25


def grid_lines(displacement: np.ndarray, scale: int) -> np.ndarray:
    """Where the canonical grid lies after the warp (Eq. 2): how much of each pixel its lines cover.

    The canonical image carries 8 x 8 cells between straight lines, the outermost on its border.
    Output pixel (x, y) reads the canonical point (u, v) = (x + dx, y + dy), so the lines are the
    level sets of u and v. They are traced on the enlarged, bicubically interpolated field and have
    one width throughout; warping a drawn grid instead would blur them.

    Args:
        displacement: [N, S, S, 2], (dx, dy) in pixels of the field; zeros for the canonical grid.
        scale: whole number of image pixels for one field pixel.

    Returns:
        float32 [N, scale * S, scale * S] in [0, 1].
    """
    side = displacement.shape[1]
    # The center of enlarged pixel p stands at (p + 1/2) / scale - 1/2 in field pixels.
    axis = (np.arange(scale * side, dtype=np.float32) + 0.5) / scale - 0.5
    coverage = np.empty((len(displacement), scale * side, scale * side), np.float32)
    for index, field in enumerate(np.asarray(displacement, np.float32)):
        u = axis[None, :] + _enlarge(field[..., 0], scale)
        v = axis[:, None] + _enlarge(field[..., 1], scale)
        coverage[index] = np.maximum(_levels(u, side, scale), _levels(v, side, scale))
    return coverage


def _enlarge(values: np.ndarray, scale: int) -> np.ndarray:
    size = (scale * values.shape[1], scale * values.shape[0])
    return np.asarray(
        Image.fromarray(np.ascontiguousarray(values)).resize(size, Image.Resampling.BICUBIC)
    )


def _levels(coordinate: np.ndarray, side: int, scale: int) -> np.ndarray:
    """Coverage of the level sets of one canonical coordinate at the grid's lines."""
    spacing = side / CELLS
    # The image reaches from -1/2 to side - 1/2: line k lies at k * spacing - 1/2.
    nearest = np.clip(np.rint((coordinate + 0.5) / spacing), 0, CELLS) * spacing - 0.5
    slopes = np.hypot(*np.gradient(coordinate)) * scale
    distance = np.abs(coordinate - nearest) * scale / np.maximum(slopes, _MIN_SLOPE)
    return np.clip(_HALF_WIDTH + 0.5 - distance, 0.0, 1.0)


def draw_grid(images: np.ndarray, displacement: np.ndarray | None, factor: int) -> np.ndarray:
    """Enlarged images with the grid over them.

    Args:
        images: [N, S, S, C], floats in [-1, 1] or uint8.
        displacement: [N, S, S, 2] in pixels, the field that made the images; None for
            canonical images.
        factor: whole number of image pixels for one image pixel.

    Returns:
        uint8 [N, factor * S, factor * S, 3].
    """
    if displacement is None:
        displacement = np.zeros((*images.shape[:3], 2), np.float32)
    enlarged = as_images(images, factor).astype(np.float32)
    opacity = _OPACITY * grid_lines(displacement, factor)[..., None]
    return np.rint(enlarged + opacity * (_COLOR - enlarged)).astype(np.uint8)
