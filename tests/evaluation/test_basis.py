"""Experiment E1 on models whose answers are known."""

import numpy as np
import pytest
import tensorflow as tf

from dgn_tf.data.examples import Examples
from dgn_tf.data.synthetic import heads
from dgn_tf.evaluation.experiments.basis import basis
from dgn_tf.evaluation.figures.basis import faces_sheet
from dgn_tf.evaluation.metrics.fields import (
    explained_variance,
    field_health,
    outside_fraction,
)
from dgn_tf.ops.warp import warp
from dgn_tf.visualize.decoding import decode
from dgn_tf.visualize.directions import unit_directions, unnamed_directions
from dgn_tf.visualize.traversals import traverse

SIDE, COUNT = 16, 40


class Shifter:
    """z_a is brightness and, unused, nothing; z_g shifts the image to the left and up."""

    latent_dims = {"appearance": 2, "geometry": 2}
    given_groups = class_groups = ()

    def part(self, name, z):
        z = z[:, None, None, :]
        if name == "geometry":
            return tf.tile(z, [1, SIDE, SIDE, 1])
        ramp = tf.reshape(tf.linspace(-0.5, 0.5, SIDE), [1, 1, SIDE, 1])
        return tf.tile(ramp + 0.1 * z[..., :1], [1, SIDE, 1, 3])

    def combine(self, parts):
        return warp(parts["appearance"], parts["geometry"], jit_compile=False)


@pytest.fixture(scope="module")
def test_heads():
    factors = {**heads.sample_appearance(COUNT, 5), **heads.sample_geometry(COUNT, 5)}
    images = heads.render(factors, factors, SIDE)
    return Examples(images, np.arange(COUNT), tuple(map(str, range(COUNT))), factors)


@pytest.fixture(scope="module")
def latents(test_heads):
    """The shift to the left is the yaw; brightness is the light's first number."""
    rng = np.random.default_rng(0)
    spare = rng.normal(size=(2, COUNT)) * [[0.5], [0.1]]
    light, yaw = test_heads.factors["light"][:, 0], test_heads.factors["yaw"]
    return {
        "appearance": np.stack([light, spare[0]], axis=1),
        "geometry": np.stack([spare[1], yaw / 10], axis=1),
    }


def test_shares_of_fields_by_hand():
    field = np.zeros((2, 4, 4, 2), np.float32)
    assert outside_fraction(field) == 0
    field[0, ..., 0] = 1.5  # Two of four columns read beyond the last pixel.
    assert outside_fraction(field) == pytest.approx(0.25)
    field[1, ..., 1] = -0.01  # The first row of the other.
    assert outside_fraction(field) == pytest.approx(0.25 + 0.125)

    field[1, :, 0] = [3.0, 0.0]  # All of the first column of cells turns over.
    images = np.array([0.0, 0.995, -0.995, 0.98], np.float32).reshape(1, 2, 2, 1)
    health = field_health({"geometry": field, "appearance": images}, bound=1.5)
    assert health["folded"] == pytest.approx(3 / 18)
    assert health["saturated_appearance"] == 0.5
    assert health["saturated_geometry"] == pytest.approx((16 + 4) / 64)
    assert health["displacement"] == pytest.approx((16 * 1.5 + 4 * 3 + 12 * 0.01) / 32)
    assert "saturated_geometry" not in field_health({"geometry": field, "appearance": images})


def test_explained_variance_in_closed_form():
    class Sum:
        """Images of one pixel, z_a + 2 z_g."""

        latent_dims = {"appearance": 1, "geometry": 1}

        def part(self, name, z):
            return tf.reshape(z, [-1, 1, 1, 1]) * {"appearance": 0.1, "geometry": 0.2}[name]

        def combine(self, parts):
            return parts["appearance"] + parts["geometry"]

    # Orthogonal: the variances are 1 and 4 in some unit, and their sum.
    z = np.float32([[1, 1], [1, -1], [-1, 1], [-1, -1]]) + np.float32([0.5, -0.3])
    latents = {"appearance": z[:, :1], "geometry": z[:, 1:]}
    lost = explained_variance(Sum(), latents)
    assert lost == {"appearance": pytest.approx(0.2), "geometry": pytest.approx(0.8)}
    # What one undoes of the other: the images vary more without the geometry.
    lost = explained_variance(Sum(), {"appearance": z[:, :1], "geometry": -0.25 * z[:, :1]})
    assert lost == {"appearance": pytest.approx(0, abs=1e-6), "geometry": pytest.approx(-3)}


def test_single_units_run_through_zero(latents):
    directions = unit_directions(latents["geometry"], [1, 0])
    np.testing.assert_array_equal(directions.axes, [[0, 1], [1, 0]])
    np.testing.assert_array_equal(directions.mean, [0, 0])
    np.testing.assert_allclose(directions.scales, latents["geometry"].std(axis=0)[::-1])
    z = {"appearance": np.zeros((1, 2)), "geometry": latents["geometry"]}
    images = traverse(Shifter(), z, "geometry", directions, columns=3, gamma=2.0)
    ends = {"appearance": np.zeros((3, 2)), "geometry": np.float32([[0, -2], [0, 0], [0, 2]])}
    np.testing.assert_allclose(images[0], decode(Shifter(), ends)[0], atol=1e-6)


def test_faces_stay_who_they_are_while_the_geometry_changes(latents):
    directions = unnamed_directions(latents["geometry"])
    z_a = np.float32([[-2, 0], [2, 0]])
    sheet = faces_sheet(Shifter(), z_a, directions, 0)
    cell = 132
    assert sheet.shape[1] >= 12 * cell

    def image(row, column):
        top, left = sheet.shape[0] - 10 - 128 - (1 - row) * cell, 10 + column * cell
        return sheet[top : top + 128, left : left + 128].astype(float)

    # Canonical, then from left to right; the rows differ by their brightness, 0.4 of 2.
    for column in (0, 1, 6, 11):
        difference = image(1, column) - image(0, column)
        np.testing.assert_allclose(difference, 127.5 * 0.4, atol=2)
    # In the middle of the row the shift is the mean; at the ends it is 2.5 deviations off.
    mean, reach = directions.mean[0] + 0, 2.5 * directions.scales[0] * directions.axes[0][0]
    for column, shift in ((1, mean - reach), (6, mean), (11, mean + reach)):
        shown = {"appearance": z_a[:1], "geometry": [[shift, 0]]}
        expected = decode(Shifter(), {k: np.float32(v) for k, v in shown.items()})[0][0, 8, 8, 0]
        assert image(0, column)[68, 68, 0] / 127.5 - 1 == pytest.approx(expected, abs=0.04)


@pytest.mark.slow
def test_a_report_of_heads_with_views(test_heads, latents):
    angles = np.tile([-30.0, -15.0, 0.0, 15.0, 30.0], 2)
    z_g = np.stack([0.1 * angles, np.zeros(10)], axis=1)
    seen = {"appearance": np.stack([angles, angles]).T * [0.02, 0.01], "geometry": z_g}
    report = basis(Shifter(), test_heads, latents, (seen, angles), gamma=3.0)
    numbers = report.numbers
    assert numbers["views"]["ratio"] == pytest.approx(5)
    np.testing.assert_array_equal(numbers["views"]["examples"], [2] * 5)
    assert numbers["directions"]["names"] == ["shift y", "shift x"]
    assert numbers["field"]["folded"] == 0
    assert numbers["explained_variance"]["appearance"] > 0.1
    assert numbers["r2"]["yaw"]["geometry"] > 0.99 > 0.3 > numbers["r2"]["yaw"]["appearance"]
    shares = numbers["disentanglement"]["latent units"]["group_importance"]
    assert shares["yaw"]["geometry"] > 0.9 and shares["light 1"]["appearance"] > 0.8
    assert numbers["recombination"]["recombined"] > 0
    by_caption = {table.caption: table for table in report.tables}
    assert list(by_caption) == [
        "R of Eq. 21: how the latent units follow the view",
        "Health of the field",
        "R² of a factor from",
        "Which group a random forest looks at, given both",
        "Each head's appearance in another's geometry, against the rendered truth",
        "Single codes and single factors",
    ]
    # What the latents were made of is found in them, nothing else.
    assert numbers["r2"]["pitch"]["geometry"] < 0.8
    assert numbers["r2"]["skin"]["geometry"] <= 0.2
    names = [figure.name for figure in report.figures]
    assert names == [
        "samples",
        "views",
        "units_appearance",
        "units_geometry",
        "directions_appearance",
        "directions_geometry",
        "faces_rotation",
        "faces_shape",
    ]
    captions = {figure.name: figure.caption for figure in report.figures}
    assert "from -3 to 3" in captions["units_geometry"]
    # The direction that follows the view, whatever its name, and another one.
    assert '2 of the geometry ("shift x"), the one that follows' in captions["faces_rotation"]
    assert 'direction 1 of the geometry ("shift y") on the' in captions["faces_shape"]


def test_images_of_which_nothing_is_known(latents):
    images = np.zeros((COUNT, SIDE, SIDE, 3), np.uint8)
    unknown = Examples(images, np.arange(COUNT), tuple(map(str, range(COUNT))))
    report = basis(Shifter(), unknown, latents)
    assert set(report.numbers) == {"directions", "field", "explained_variance"}
    assert [table.caption for table in report.tables] == ["Health of the field"]
    assert "views" not in {figure.name for figure in report.figures}
