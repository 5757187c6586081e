"""Each regularizer on fields that are worked out by hand."""

import numpy as np
import pytest
import tensorflow as tf

from dgn_tf.ops.jacobian import displacement_jacobian
from dgn_tf.ops.regularizers import folding, mean_displacement, slope_variation

X, Y = np.meshgrid(np.arange(8.0), np.arange(8.0))


def field(dx, dy):
    return tf.constant(np.stack([dx, dy], -1)[None])


def test_folding_counts_what_is_below_a_tenth_of_the_area():
    # The map (x, y) -> (x / 20, y): each cell keeps a twentieth of its area.
    shrunk = field(X / 20 - X, 0 * Y)
    assert float(folding(shrunk)) == pytest.approx(0.05**2)
    assert float(folding(tf.concat([shrunk, 0 * shrunk], 0))) == pytest.approx(0.05**2 / 2)


def test_mean_displacement_is_that_of_the_batch_over_the_side():
    to_the_right, down = field(X * 0 + 2, Y * 0), field(X * 0, Y * 0 + 4)
    both = tf.concat([to_the_right, down], 0)
    assert float(mean_displacement(both)) == pytest.approx((1**2 + 2**2) / 8**2)
    assert float(mean_displacement(tf.concat([down, -down], 0))) == 0


def test_variation_is_zero_on_affine_fields_and_else_the_second_differences():
    affine = field(0.5 * X - 2 * Y + 3, X + 0.25 * Y)
    assert float(slope_variation(affine)) == pytest.approx(0, abs=1e-12)
    assert np.ptp(displacement_jacobian(affine)) < 1e-12
    # Second differences: 2 along x for x^2, and 1 for either order of the mixed ones of x y.
    assert float(slope_variation(field(X**2, X * Y))) == pytest.approx(2 + 1 + 1)
