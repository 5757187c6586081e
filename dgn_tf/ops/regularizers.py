"""Losses on displacement fields, added to the learning loss (section 5.7)."""

import tensorflow as tf


def slope_variation(displacement: tf.Tensor) -> tf.Tensor:
    """Mean total variation of the slopes of dx and dy: 0 on affine fields.

    Sums |difference of difference| over the four pairs of axes and both components, and averages
    over cells and batch (Shu et al., "Deforming Autoencoders", ECCV 2018, on differential fields).

    Args:
        displacement: [B, H, W, 2] floating, in pixels; H and W at least 3.

    Returns:
        Scalar, in pixels, in the type of `displacement`.
    """
    slopes = [displacement[:, :, 1:] - displacement[:, :, :-1]]
    slopes.append(displacement[:, 1:] - displacement[:, :-1])
    bends = [slope[:, :, 1:] - slope[:, :, :-1] for slope in slopes]
    bends += [slope[:, 1:] - slope[:, :-1] for slope in slopes]
    return tf.add_n([tf.reduce_mean(tf.reduce_sum(tf.abs(bend), axis=-1)) for bend in bends])
