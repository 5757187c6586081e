"""Samples by their seeds, and the way from one to the next."""

import types

import numpy as np
import pytest

from dgn_tf.inference.statistics import LatentStatistics
from dgn_tf.utils.errors import InputError
from dgn_tf.visualize.morphing import interpolate, only_group, sample_latents

MODEL = types.SimpleNamespace(
    latent_dims={"appearance": 3, "geometry": 2}, class_groups=("appearance",), given_groups=()
)
KEYS = {"geometry": np.array([[0.0, 0.0], [4.0, 8.0], [4.0, 0.0]])}


def known():
    latents = {"appearance": np.eye(3)[[0, 0, 1]], "geometry": np.array([[5.0, 5], [6, 5], [7, 5]])}
    return LatentStatistics.fit(latents, one_hot=("appearance",))


def test_a_sample_is_that_of_its_seed_whatever_the_others_are():
    for statistics, source in ((known(), "training"), (known(), "prior"), (None, "prior")):
        all_of_them = sample_latents(MODEL, statistics, range(6), source)
        two = sample_latents(MODEL, statistics, [4, 1], source)
        for name, z in two.items():
            assert np.array_equal(z, all_of_them[name][[4, 1]])
        assert all_of_them["geometry"].shape == (6, 2)
        assert set(all_of_them["appearance"].sum(axis=1)) == {1.0}


def test_samples_come_from_where_they_are_said_to():
    trained = sample_latents(MODEL, known(), range(200), "training")
    assert 5.5 < trained["geometry"][:, 0].mean() < 6.5 and not trained["appearance"][:, 2].any()
    prior = sample_latents(MODEL, known(), range(200), "prior")
    assert abs(prior["geometry"].mean()) < 0.3 and prior["appearance"].any(axis=0).all()


def test_what_is_not_known_cannot_be_sampled():
    with pytest.raises(InputError, match="`source=training`: nothing is known"):
        sample_latents(MODEL, None, [0], "training")
    with pytest.raises(InputError, match="`seeds`: at least one is needed"):
        sample_latents(MODEL, None, [], "prior")


def test_the_way_goes_through_the_keys_and_rests_there():
    path = interpolate(KEYS, 4)["geometry"]
    assert path.shape == (9, 2) and path.dtype == np.float32
    np.testing.assert_allclose(path[::4], KEYS["geometry"])
    np.testing.assert_allclose(path[2], [2, 4])
    first, middle = path[1] - path[0], path[2] - path[1]
    assert np.all(middle > 2 * first)


def test_a_closed_way_ends_before_it_begins_again():
    path = interpolate(KEYS, 4, closed=True)["geometry"]
    assert path.shape == (12, 2)
    np.testing.assert_allclose(path[::4], KEYS["geometry"])
    np.testing.assert_allclose(path[10], [2, 0], atol=1e-6)


def test_one_group_moves_and_the_others_stay():
    latents = {"appearance": np.eye(3), "geometry": KEYS["geometry"]}
    moved = only_group(latents, "geometry")
    assert np.array_equal(moved["geometry"], KEYS["geometry"])
    assert np.array_equal(moved["appearance"], np.eye(3)[[0, 0, 0]])
