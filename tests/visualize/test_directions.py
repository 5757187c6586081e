"""Principal directions: found, named, kept in a file and read back."""

import numpy as np
import pytest
import tensorflow as tf

from dgn_tf.utils.errors import InputError
from dgn_tf.visualize.directions import (
    Directions,
    equal_directions,
    principal_directions,
    read_directions,
    write_directions,
)

SIDE = 16
X, Y = np.meshgrid(*[(np.arange(SIDE) + 0.5) / SIDE * 2 - 1] * 2)


class Widener:
    """Widens by the first latent of its geometry, rolls by the second; looks like one class."""

    latent_dims = {"appearance": 4, "geometry": 2}
    given_groups = ("appearance",)
    class_groups = ()

    def part(self, name, z):
        fields = tf.constant([np.stack([X, 0 * X], -1), np.stack([-Y, X], -1)], tf.float32)
        return tf.einsum("bk,kyxc->byxc", z, fields)


@pytest.fixture
def latents():
    z = np.random.default_rng(0).standard_normal((300, 2)) * [0.5, 3.0] + 1.0
    return {"appearance": np.eye(4)[np.arange(300) % 4], "geometry": z}


@pytest.fixture
def directions(latents):
    return principal_directions(Widener(), latents)


def test_groups_that_move_by_degrees_have_named_directions(directions, latents):
    assert list(directions) == ["geometry"]
    found = directions["geometry"]
    assert found.names == ("roll", "widen")
    np.testing.assert_allclose(found.mean, latents["geometry"].mean(axis=0))
    # An image moves against the field that it is read by.
    np.testing.assert_allclose(found.axes, [[0, -1], [-1, 0]], atol=0.05)


def test_a_group_that_does_not_deform_has_none_but_its_axes(latents):
    model = Widener()
    model.given_groups = ()
    found = principal_directions(model, latents)
    assert list(found) == ["appearance", "geometry"]
    assert found["appearance"].names == () and found["appearance"].axes.shape == (4, 4)
    largest = np.abs(found["appearance"].axes).argmax(axis=1)
    assert (found["appearance"].axes[np.arange(4), largest] > 0).all()


def test_the_leading_ones_are_the_strongest(directions):
    (name,) = directions["geometry"].leading(1).names
    assert name == "roll" and directions["geometry"].leading(1).axes.shape == (1, 2)
    assert directions["geometry"].leading(9).names == ("roll", "widen")


def test_they_are_read_back_as_they_were(directions, tmp_path):
    unnamed = Directions(np.zeros(3), np.eye(3)[:2], np.ones(2))
    kept = directions | {"texture": unnamed}
    write_directions(tmp_path / "deep/directions.npz", kept)
    read = read_directions(tmp_path / "deep/directions.npz", {"geometry": 2, "texture": 3})
    assert equal_directions(read, kept) and list(read) == ["geometry", "texture"]
    assert read["geometry"].names == ("roll", "widen") and read["texture"].names == ()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["directions.npz"]
    assert not equal_directions(read, directions)
    turned = directions["geometry"]._replace(axes=-directions["geometry"].axes)
    assert not equal_directions({"geometry": turned}, directions)


def test_none_are_kept_as_none(tmp_path):
    write_directions(tmp_path / "directions.npz", {})
    assert read_directions(tmp_path / "directions.npz", {"geometry": 2}) == {}


def test_what_is_damaged_or_of_another_model_is_named(directions, tmp_path):
    path = tmp_path / "directions.npz"
    write_directions(path, directions)
    for dims in ({"geometry": 3}, {"appearance": 2}):
        with pytest.raises(InputError, match=f"{path} is damaged .*: delete it, and"):
            read_directions(path, dims)
    content = path.read_bytes()
    for damaged in (content[:200], b"", content[:300] + b"\0" * 40 + content[340:]):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=f"{path} is damaged .*: delete it, and"):
            read_directions(path, {"geometry": 2})
    np.savez(path, **{"geometry/mean": np.array([{}], object)})
    with pytest.raises(InputError, match="is damaged"):
        read_directions(path, {"geometry": 2})
