"""Eq. 21 against its closed form, and which labels are views."""

import numpy as np
import pytest

from dgn_tf.data.examples import Examples
from dgn_tf.evaluation.metrics.views import (
    balanced,
    response_chart,
    view_direction,
    view_labels,
    view_means,
    view_response,
)

ANGLES = np.array([-30.0, -15.0, 0.0, 15.0, 30.0])
# Length of the vector of the angles.
LENGTH = np.sqrt(2 * (30**2 + 15**2))


def examples(**factors):
    count = len(next(iter(factors.values())))
    images = np.zeros((count, 2, 2, 1), np.uint8)
    return Examples(images, np.arange(count), tuple("abcdefgh"[:count]), factors)


def latents_of(labels, rng=None):
    """One unit follows the view with slope 0.1, one is even in it, one is the same everywhere."""
    noise = 0 if rng is None else rng.normal(size=(len(labels), 3))
    z = np.stack([0.1 * labels + 2, labels**2 / 100, np.full(len(labels), 7.0)], axis=1)
    return {"appearance": np.ones((len(labels), 2)), "geometry": z + noise}


def test_the_response_of_units_in_closed_form():
    labels = np.tile(ANGLES, 4)
    response = view_response(latents_of(labels), labels)
    np.testing.assert_allclose(response["geometry"], [0.1 * LENGTH, 0, 0], atol=1e-12)
    np.testing.assert_allclose(response["appearance"], [0, 0], atol=1e-12)
    # A mirrored unit follows the view as much.
    mirrored = {"geometry": -latents_of(labels)["geometry"]}
    np.testing.assert_allclose(view_response(mirrored, labels)["geometry"], response["geometry"])


def test_noise_of_single_images_averages_out():
    labels = np.repeat(ANGLES, 400)
    response = view_response(latents_of(labels, np.random.default_rng(0)), labels)["geometry"]
    # A mean of 400 has a standard deviation of 1/20, and theta has unit norm.
    np.testing.assert_allclose(response, [0.1 * LENGTH, 0, 0], atol=0.2)


def test_numbers_of_views_are_angles_at_equal_distances():
    np.testing.assert_allclose(view_direction(ANGLES), ANGLES / LENGTH)
    for first in (0, 1):
        numbers = view_direction(np.arange(first, first + 5))
        np.testing.assert_allclose(numbers, view_direction(ANGLES))


def test_views_with_unequal_numbers_of_images_count_alike():
    labels = np.array([-1.0, -1.0, -1.0, 1.0])
    z = np.array([[1.0], [2.0], [3.0], [6.0]])
    np.testing.assert_allclose(view_means(z, labels), [[2], [6]])
    assert view_response({"geometry": z}, labels)["geometry"][0] == pytest.approx(4 / np.sqrt(2))


def test_labels_that_are_views():
    np.testing.assert_array_equal(
        view_labels(examples(view=np.int8([2, 0, 1]))), np.float64([2, 0, 1])
    )
    assert view_labels(examples(pose=np.arange(3))) is None
    assert view_labels(examples(view=np.zeros(3))) is None
    assert view_labels(examples(view=np.array([0.0, np.nan, 1.0]))) is None
    assert view_labels(examples(view=np.ones((3, 2)))) is None
    assert view_labels(examples(view=np.array(["left", "right", "left"]))) is None


def test_a_continuous_pose_is_no_view():
    count = 60
    poses = Examples(
        np.zeros((count, 2, 2, 1), np.uint8),
        np.arange(count),
        tuple(map(str, range(count))),
        {"view": np.linspace(-30, 30, count)},
    )
    assert view_labels(poses) is None
    np.testing.assert_array_equal(
        view_labels(poses.subset(np.arange(9))), poses.factors["view"][:9]
    )


def test_a_few_of_each_view_in_their_order():
    labels = np.array([1, 0, 0, 1, 0, 2, 1.0])
    np.testing.assert_array_equal(balanced(labels, 2), [0, 1, 2, 3, 5])
    np.testing.assert_array_equal(balanced(labels, 9), np.arange(7))


def test_the_chart_shows_the_bars():
    labels = np.tile(ANGLES, 4)
    latents = latents_of(labels)
    chart = response_chart(latents, labels)
    assert chart.dtype == np.uint8 and chart.shape[2] == 3

    def inked(color):
        return np.all(chart == np.uint8(color), axis=2).sum()

    # The one unit that follows the view has a bar; no unit of the appearance has.
    red, blue = inked((0xC4, 0x4E, 0x52)), inked((0x4C, 0x72, 0xB0))
    assert red > 5000 > 2000 > blue
    exchanged = {"appearance": latents["geometry"], "geometry": latents["appearance"]}
    assert not np.array_equal(response_chart(exchanged, labels), chart)
