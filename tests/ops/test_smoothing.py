"""The Gaussian filter of a field against SciPy."""

import numpy as np
import scipy.ndimage
import tensorflow as tf

from dgn_tf.ops.smoothing import gaussian_matrix, smooth


def test_smoothing_is_the_gaussian_filter_away_from_the_border():
    side, std = 64, 2.5
    field = np.random.default_rng(0).normal(size=(2, side, side, 2)).astype(np.float32)
    result = smooth(tf.constant(field), gaussian_matrix(side, std)).numpy()
    expected = scipy.ndimage.gaussian_filter(field, std, axes=(1, 2), truncate=8)
    inner = slice(20, side - 20)  # eight standard deviations from the border
    np.testing.assert_allclose(result[:, inner, inner], expected[:, inner, inner], atol=2e-6)
    assert result[:, inner, inner].std() < 0.2 * field.std()


def test_a_constant_field_stays_constant_up_to_the_border():
    field = np.ones([1, 32, 32, 2], np.float32) * np.float32([3.0, -7.0])
    for std in (0.3, 2.0, 40.0):
        result = smooth(tf.constant(field), gaussian_matrix(32, std))
        np.testing.assert_allclose(result, field, rtol=1e-5)
