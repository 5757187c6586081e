"""Losses on displacement fields, added to the learning loss (section 5.7).

They are remedies for a geometric generator that explains everything; the paper has none of them.
"""

import tensorflow as tf

from dgn_tf.ops.cross_replica import batch_mean
from dgn_tf.ops.jacobian import displacement_jacobian
from dgn_tf.types import Tensor

# A cell that keeps less than this share of its area counts as about to fold.
_LEAST_AREA = 0.1


def folding(displacement: Tensor) -> Tensor:
    """Mean over cells and batch of max(0, 0.1 - J)^2: 0 on fields that do not fold.

    J is the determinant of the field's Jacobian (`displacement_jacobian`).

    Args:
        displacement: [B, H, W, 2] floating, (dx, dy) in pixels; H and W at least 2.

    Returns:
        Scalar, no unit, in the type of `displacement`.
    """
    folded = tf.nn.relu(_LEAST_AREA - displacement_jacobian(displacement))
    return tf.reduce_mean(tf.square(folded))


def mean_displacement(displacement: Tensor) -> Tensor:
    """Squared length of the batch's mean field, averaged over the pixels: |mean_b d|^2 / H^2.

    It makes the canonical image stand at the average geometry, and leaves single fields free. The
    batch is that of all replicas.

    Args:
        displacement: [B, H, W, 2] floating, (dx, dy) in pixels.

    Returns:
        Scalar, as a fraction of the squared side H, in the type of `displacement`.
    """
    shift = batch_mean(displacement) / displacement.shape[1]
    return tf.reduce_mean(tf.reduce_sum(tf.square(shift), axis=-1))


def slope_variation(displacement: Tensor) -> Tensor:
    """Mean total variation of the slopes of dx and dy: 0 on affine fields.

    Sums |difference of difference| over the four pairs of axes and both components, and averages
    over cells and batch (Shu et al., "Deforming Autoencoders", ECCV 2018, on differential fields).

    Args:
        displacement: [B, H, W, 2] floating, (dx, dy) in pixels; H and W at least 3.

    Returns:
        Scalar, in pixels, in the type of `displacement`.
    """
    slopes = [displacement[:, :, 1:] - displacement[:, :, :-1]]
    slopes.append(displacement[:, 1:] - displacement[:, :-1])
    bends = [slope[:, :, 1:] - slope[:, :, :-1] for slope in slopes]
    bends += [slope[:, 1:] - slope[:, :-1] for slope in slopes]
    return tf.add_n([tf.reduce_mean(tf.reduce_sum(tf.abs(bend), axis=-1)) for bend in bends])
