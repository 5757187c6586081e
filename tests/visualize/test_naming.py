import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dgn_tf.visualize.directions import Directions, orient
from dgn_tf.visualize.naming import name_fields
from dgn_tf.visualize.traversals import leading_directions, traversal_sheet

SIDE = 48
AXIS = (np.arange(SIDE) - (SIDE - 1) / 2) / (SIDE / 2)
X, Y = np.meshgrid(AXIS, AXIS)
ONE, ZERO = np.ones_like(X), np.zeros_like(X)
# How near the surface of an egg stands to the viewer, over a plane behind it.
DEPTH = np.sqrt(np.maximum(1 - (X / 0.65) ** 2 - (Y / 0.8) ** 2, 0))
PURE = {
    "shift x": (ONE, ZERO),
    "shift y": (ZERO, ONE),
    "roll": (-Y, X),
    "zoom": (X, Y),
    "widen": (X, ZERO),
    "heighten": (ZERO, Y),
    "stretch": (X, -Y),
    "shear": (0.3 * Y, ZERO),
    "rotate": (DEPTH, ZERO),
    "nod": (ZERO, DEPTH),
}


class Fields:
    """A model whose displacement is a sum of fields, each as strong as its latent."""

    latent_dims = {"appearance": 1, "geometry": 3}
    given_groups = class_groups = ()

    def __init__(self, *fields):
        self.fields = tf.constant(np.array(fields), tf.float32)

    def part(self, name, z):
        if name == "appearance":
            return tf.zeros([len(z), SIDE, SIDE, 1])
        return 7.0 + tf.einsum("bk,kyxc->byxc", z, self.fields)

    def combine(self, parts):
        return parts["appearance"] + parts["geometry"][..., :1] / 100.0


def field(name):
    return np.stack(PURE[name], -1)


def noise(correlation, count=100):
    """Random fields [count, S, S, 2], smooth over `correlation` pixels."""
    rng = np.random.default_rng(correlation)
    small = rng.standard_normal((count, 2, SIDE // correlation, SIDE // correlation), np.float32)
    planes = small.reshape(-1, *small.shape[2:])
    grown = [np.asarray(Image.fromarray(plane).resize((SIDE, SIDE))) for plane in planes]
    return np.moveaxis(np.array(grown).reshape(count, 2, SIDE, SIDE), 1, -1)


@pytest.mark.parametrize("name", PURE)
@pytest.mark.parametrize("scale", [-0.01, 5.0])
def test_a_pure_motion_gets_its_name(name, scale):
    # A tenth of the energy is not the motion's own.
    spoiled = field(name) / np.std(field(name)) + 0.3 * noise(3, 1)[0] / np.std(noise(3, 1))
    assert name_fields(scale * np.array([field(name), spoiled])) == [name, f"{name} 2"]


@pytest.mark.parametrize("correlation", [1, 3, 6])
def test_noise_and_nothing_are_other(correlation):
    fields = np.concatenate([noise(correlation), np.zeros((1, SIDE, SIDE, 2))])
    names = name_fields(fields)
    assert names[0] == "other" and names[1:] == [f"other {k}" for k in range(2, 102)]


def test_the_background_does_not_count():
    outside = (X**2 + Y**2 > 0.75**2)[..., None]
    mixed = np.where(outside, 20.0 * field("nod"), field("widen"))
    assert name_fields(mixed[None]) == ["widen"]


def test_a_motion_below_a_third_of_the_energy_is_no_name():
    pure, spoil = field("roll"), field("shift x")
    disc = (X**2 + Y**2 <= 0.7**2)[..., None]
    pure, spoil = (f / np.linalg.norm(f * disc) for f in (pure, spoil))
    # Waves of half a disc's length have next to no share of any motion.
    waves = np.stack([np.sin(40 * X), np.cos(40 * Y)], -1) * disc
    waves /= np.linalg.norm(waves)
    named = {share: np.sqrt(share) * pure + np.sqrt(1 - share) * waves for share in (0.40, 0.28)}
    assert name_fields(np.array([named[0.40]])) == ["roll"]
    assert name_fields(np.array([named[0.28]])) == ["other"]
    assert name_fields((0.9 * pure + 0.8 * spoil)[None]) == ["roll"]


def test_names_follow_the_axes_not_the_latents():
    model = Fields(field("zoom"), field("shift x"), field("rotate"))
    axes = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.6, 0.8, 0.0]])
    directions = Directions(np.array([1.0, -2.0, 0.5]), axes, np.array([2.0, 1.0, 1.0]))
    # The constant part of the displacement is no motion along a direction.
    assert orient(model, directions).names == ("rotate", "zoom", "shift x")


@pytest.mark.parametrize("name", [name for name in PURE if name != "shear"])
@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_a_positive_step_moves_the_image_as_the_name_says(name, sign):
    # The image moves against its displacement: right of the middle, (1, 0) away from it, a
    # field that points left brings things to the right.
    directions = Directions(np.zeros(3), sign * np.eye(3)[:1], np.ones(1))
    oriented = orient(Fields(field(name), field("zoom"), field("roll")), directions)
    np.testing.assert_array_equal(oriented.axes, -np.eye(3)[:1])
    assert oriented.mean is directions.mean and oriented.scales is directions.scales


def test_what_has_no_name_keeps_its_way():
    waves = np.stack([np.sin(40 * X), np.cos(40 * Y)], -1)
    directions = Directions(np.zeros(3), np.diag([1.0, -1.0, -1.0]), np.ones(3))
    oriented = orient(Fields(waves, waves, field("shear")), directions)
    np.testing.assert_array_equal(oriented.axes, directions.axes)


def test_traversals_of_the_geometry_are_captioned_with_the_names(monkeypatch):
    captions = []

    def lay_out(rows, labels, headings):
        captions.extend(labels)
        return rows[0][0]

    monkeypatch.setattr("dgn_tf.visualize.traversals.lay_out", lay_out)
    model = Fields(field("widen"), field("nod"), field("roll"))
    rng = np.random.default_rng(0)
    latents = {
        "appearance": rng.standard_normal((50, 1)),
        "geometry": rng.standard_normal((50, 3)) * [1.0, 3.0, 0.3],
    }
    leading = leading_directions(model, latents, "geometry", 2)
    traversal_sheet(model, latents, "geometry", leading)
    assert [caption.split("\n")[:2] for caption in captions] == [
        ["geometry 1", "nod"],
        ["geometry 2", "widen"],
    ]
