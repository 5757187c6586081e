"""The Jacobian of a field: fields whose determinant is known."""

import numpy as np
import pytest
import tensorflow as tf

from dgn_tf.ops.jacobian import displacement_jacobian, folded_fraction


def affine_field(matrix, height=4, width=6):
    """The displacement of (x, y) -> matrix (x, y), [1, H, W, 2]."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    grid = np.stack([x, y], -1).astype(np.float32)
    return (grid @ np.float32(matrix).T - grid)[None]


@pytest.mark.parametrize(
    "matrix",
    [[[1, 0], [0, 1]], [[1.5, 0.25], [-0.5, 0.75]], [[0, -1], [1, 0]], [[-1, 0], [0, 1]]],
    ids=["identity", "affine", "rotation", "reflection"],
)
def test_jacobian_of_an_affine_field_is_its_determinant(matrix):
    field = affine_field(matrix)
    determinant = np.linalg.det(matrix)
    np.testing.assert_allclose(
        displacement_jacobian(field), np.full((1, 3, 5), determinant), atol=1e-5
    )
    np.testing.assert_array_equal(folded_fraction(field), [float(determinant <= 0)])


def test_folded_fraction_counts_each_example_on_its_own():
    kept, mirrored = affine_field(np.eye(2)), affine_field([[-1, 0], [0, 1]])
    # A mirror at x = 2: columns 0 and 1 of the five cell columns keep their orientation.
    half = np.where(np.arange(6)[:, None] <= 2, kept, mirrored + np.float32([4, 0]))
    collapsed = affine_field([[0, 0], [0, 1]])
    undefined = kept.copy()
    undefined[0, 0, 0] = np.nan
    fields = np.concatenate([kept, mirrored, half, collapsed, undefined])
    np.testing.assert_allclose(folded_fraction(fields), [0.0, 1.0, 3 / 5, 1.0, 1 / 15], atol=1e-6)


def test_folding_needs_two_pixels_a_side():
    with pytest.raises(ValueError, match="^displacement must have shape"):
        displacement_jacobian(tf.zeros([1, 1, 6, 2]))
