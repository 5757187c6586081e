"""The metrics on representations of known quality and against plain linear algebra."""

import numpy as np
import pytest

from dgn_tf.evaluation.metrics.errors import (
    mean_image_msre,
    pca_msre,
    sharpness,
    squared_errors,
)
from dgn_tf.evaluation.metrics.r2 import ridge_r2


def test_squared_errors_by_hand():
    x = np.zeros((2, 2, 2, 1))
    y = np.array([[[1, 1], [1, 1]], [[-2, 0], [0, 0.5]]])[..., None]
    # On the [0, 1] scale every difference is half as large.
    np.testing.assert_allclose(squared_errors(x, y), [1.0, (4 + 0.25) / 4])
    black, white = -np.ones((1, 64, 64, 3), np.float32), np.ones((1, 64, 64, 3), np.float32)
    assert squared_errors(black, white) == 64 * 64 * 3


def test_mean_image_by_hand():
    train = np.array([[-1.0, 0.0], [1.0, 1.0]])
    test = np.array([[0.0, 0.5], [1.0, -0.5]])
    assert mean_image_msre(train, test) == pytest.approx((0 + 2 / 4) / 2)


def test_pca_equals_the_singular_value_decomposition():
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(12, 48)) * 0.8 ** np.arange(12)[:, None]
    train = (rng.normal(size=(80, 12)) @ mixing * 0.1 + 0.2).reshape(80, 4, 4, 3)
    test = (rng.normal(size=(15, 12)) @ mixing * 0.1 + 0.2).reshape(15, 4, 4, 3)
    mean = train.reshape(80, -1).mean(0)
    basis = np.linalg.svd(train.reshape(80, -1) - mean, full_matrices=False)[2]
    centered = test.reshape(15, -1) - mean
    errors = []
    for components in (1, 5, 12):
        kept = basis[:components]
        expected = np.square(centered - centered @ kept.T @ kept).sum(1).mean() / 4
        errors.append(pca_msre(train, test, components))
        assert errors[-1] == pytest.approx(expected, rel=1e-3, abs=1e-9)
    assert errors[0] > errors[1] > 100 * errors[2]


def test_more_components_than_images_are_refused():
    with pytest.raises(ValueError):
        pca_msre(np.zeros((3, 8)), np.zeros((2, 8)), 4)


def representations(count=2000, seed=0):
    rng = np.random.default_rng(seed)
    factor, nuisance = rng.normal(size=(2, count))
    return factor, nuisance, rng


def test_a_perfect_representation():
    factor, nuisance, _ = representations()
    assert ridge_r2(np.stack([3 * factor - 7, nuisance], 1), factor) > 0.999


def test_a_useless_representation():
    factor, _, rng = representations()
    assert -0.02 < ridge_r2(rng.normal(size=(len(factor), 5)), factor) < 0.01


def test_entangled_representations():
    factor, nuisance, _ = representations()
    # Rotated by 45 degrees the factor is still a linear function of the latents ...
    rotated = np.stack([factor + nuisance, factor - nuisance], 1)
    assert ridge_r2(rotated, factor) > 0.999
    # ... but half of one latent is nuisance, and so is half of its variance.
    assert ridge_r2(rotated[:, :1], factor) == pytest.approx(0.5, abs=0.05)


def test_several_numbers_give_their_mean():
    factor, nuisance, _ = representations()
    z = factor[:, None]
    both = ridge_r2(z, np.stack([factor, nuisance], 1))
    assert both == pytest.approx((ridge_r2(z, factor) + ridge_r2(z, nuisance)) / 2, abs=0.01)
    assert both == pytest.approx(0.5, abs=0.01)


def test_the_scale_of_latents_and_factor_does_not_matter():
    factor, nuisance, rng = representations(300)
    z = np.stack([factor + 0.5 * rng.normal(size=300), nuisance], 1)
    value = ridge_r2(z, factor)
    assert 0.7 < value < 0.9
    assert ridge_r2(z * [1e-3, 1e3] + 5, 100 * factor - 3) == pytest.approx(value, abs=1e-6)


def test_judged_on_held_out_examples():
    rng = np.random.default_rng(0)
    # 40 latents explain 50 examples almost exactly, if they are fitted and judged on the same.
    assert ridge_r2(rng.normal(size=(50, 40)), rng.normal(size=50)) < 0.1


def test_sharpness_of_ramps_and_blur():
    x, y = np.meshgrid(np.arange(8.0), np.arange(8.0))
    ramp = np.stack([0.06 * x, 0.08 * y, 0.06 * x + 0.08 * y], -1)[None] - 0.5
    # Slopes of 0.03, 0.04 and, of both, 0.05 on the [0, 1] scale.
    assert sharpness(ramp) == pytest.approx(0.04)
    noise = np.random.default_rng(0).uniform(-1, 1, (3, 16, 16, 1))
    blurred = (noise + np.roll(noise, 1, 1) + np.roll(noise, 1, 2)) / 3
    assert sharpness(blurred) < 0.8 * sharpness(noise)
