"""The integrated field of deforming autoencoders by hand."""

import keras
import numpy as np
import tensorflow as tf

from dgn_tf.models.baselines.integrated import IntegratedGeometricGenerator

SIDE = 32


def normal(*shape, seed=0):
    return tf.constant(np.random.default_rng(seed).standard_normal(shape), tf.float32)


def silence(generator):
    """Zero networks: steps of one pixel, no affine part."""
    for weight in generator.weights:
        weight.assign(tf.zeros_like(weight))
    return generator


def test_even_steps_are_no_displacement():
    field = silence(IntegratedGeometricGenerator(3, SIDE))(normal(2, 3))
    np.testing.assert_allclose(field, np.zeros((2, SIDE, SIDE, 2)), atol=1e-5)


def test_the_affine_part_moves_about_the_middle():
    generator = silence(IntegratedGeometricGenerator(3, SIDE))
    xx, xy, yx, yy, dx, dy = 0.5, 0.1, -0.2, 0.25, 0.125, -0.0625
    generator.affine.layers[-1].bias.assign([xx, xy, yx, yy, dx, dy])
    axis = np.arange(SIDE) - (SIDE - 1) / 2
    x, y = np.meshgrid(axis, axis)
    expected = np.stack([xx * x + xy * y + SIDE * dx, yx * x + yy * y + SIDE * dy], -1)
    np.testing.assert_allclose(generator(normal(1, 3))[0], expected, atol=1e-4)


def test_places_are_sums_of_positive_steps_and_never_turn_back():
    keras.utils.set_random_seed(1)
    generator = IntegratedGeometricGenerator(3, SIDE)
    for weight in generator.affine.weights:
        weight.assign(tf.zeros_like(weight))
    z = 3.0 * normal(8, 3)
    field = generator(z).numpy()
    steps = 3.0 ** generator.decoder(z).numpy()
    along_x = 1 + np.diff(field[..., 0], axis=2)
    along_y = 1 + np.diff(field[..., 1], axis=1)
    np.testing.assert_allclose(along_x, steps[:, :, 1:, 0], atol=2e-4)
    np.testing.assert_allclose(along_y, steps[:, 1:, :, 1], atol=2e-4)
    assert along_x.min() >= 1 / 3 - 1e-3 and along_y.max() <= 3 + 1e-3
    np.testing.assert_allclose(field.mean(axis=(1, 2)), np.zeros((8, 2)), atol=1e-3)
