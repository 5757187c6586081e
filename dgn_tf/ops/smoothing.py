"""Gaussian smoothing of a displacement field.

Folds live at short wavelengths, turning heads do not.
"""

import numpy as np
import tensorflow as tf

from dgn_tf.types import Tensor


def gaussian_matrix(side: int, std: float) -> np.ndarray:
    """The Gaussian filter along one axis as a matrix, float32 [side, side].

    Args:
        side: pixels along the axis.
        std: standard deviation of the filter in pixels, above 0.

    Returns:
        Rows that sum to 1: at the border the filter is cut and weighted up, so that a constant
        field stays constant.
    """
    offset = np.arange(side)[:, None] - np.arange(side)[None, :]
    weights = np.exp(-0.5 * np.square(offset / std))
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def smooth(field: Tensor, matrix: np.ndarray) -> Tensor:
    """A field [B, S, S, C] filtered along both axes with a `gaussian_matrix` [S, S]."""
    side, channels = field.shape[2:]
    along = tf.constant(matrix)
    # One product for all columns of an image and one for all rows of the batch: nothing is
    # transposed, at less than half the time of a sum over either axis. The second matrix is made in
    # the graph: those that leave this process hold the first alone, in each of their functions.
    each = tf.transpose(along)[:, None, :, None] * tf.eye(channels)[None, :, None, :]
    across = tf.reshape(each, [side * channels, side * channels])
    rows = tf.matmul(along, tf.reshape(field, [-1, side, side * channels]))
    smoothed = tf.matmul(tf.reshape(rows, [-1, side * channels]), across)
    return tf.reshape(smoothed, [-1, side, side, channels])
