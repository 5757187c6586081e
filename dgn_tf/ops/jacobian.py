"""Whether a displacement field folds: the Jacobian of the map of Eq. 2."""

import tensorflow as tf

from dgn_tf.types import Tensor


def displacement_jacobian(displacement: Tensor) -> Tensor:
    """Determinant of d(x + dx, y + dy) / d(x, y) (Eq. 2) by forward differences, per cell.

    1 is no change of area, above 1 the field reads from a larger area than it fills, at 0 or below
    it collapses or folds over. Differentiable.

    Args:
        displacement: [B, H, W, 2] floating, (dx, dy) in pixels; H and W at least 2.

    Returns:
        [B, H-1, W-1], no unit, in the type of `displacement`; the cell (y, x) lies between the
        pixels y, y+1 and x, x+1. NaN where a displacement that it needs is NaN.

    Raises:
        ValueError: the shape does not fit.
    """
    displacement = tf.convert_to_tensor(displacement)
    shape = displacement.shape
    if not shape.is_compatible_with([None, None, None, 2]) or any(
        size is not None and size < 2 for size in shape[1:3]
    ):
        raise ValueError(
            f"displacement must have shape [B, H, W, 2] with H and W at least 2; got {shape}."
        )
    corner = displacement[:, :-1, :-1]
    along_x = displacement[:, :-1, 1:] - corner
    along_y = displacement[:, 1:, :-1] - corner
    stretch = (1.0 + along_x[..., 0]) * (1.0 + along_y[..., 1])
    shear = along_y[..., 0] * along_x[..., 1]
    return stretch - shear


def folded_fraction(displacement: Tensor) -> Tensor:
    """Share of cells whose Jacobian determinant is not above zero.

    Args:
        displacement: [B, H, W, 2] floating, (dx, dy) in pixels; H and W at least 2.

    Returns:
        [B] float32 in [0, 1]. A cell whose determinant is NaN counts as folded.

    Raises:
        ValueError: the shape does not fit.
    """
    kept = displacement_jacobian(displacement) > 0
    return 1.0 - tf.reduce_mean(tf.cast(kept, tf.float32), axis=[1, 2])
