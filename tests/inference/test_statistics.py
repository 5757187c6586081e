"""How latents are spread: fitted, drawn again, and kept; which errors are unusual."""

import numpy as np
import pytest

from dgn_tf.inference.statistics import LatentStatistics, prior_latents
from dgn_tf.utils.errors import InputError


@pytest.fixture(scope="module")
def latents():
    rng = np.random.default_rng(0)
    mixing = np.array([[2.0, 1.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 0.1]])
    z = rng.standard_normal((4000, 3)) @ mixing + np.array([1.0, -2.0, 3.0])
    classes = np.eye(4, dtype=np.float32)[rng.choice(4, 4000, p=[0.7, 0.2, 0.0, 0.1])]
    return {"geometry": z.astype(np.float32), "appearance": classes}


@pytest.fixture(scope="module")
def statistics(latents):
    return LatentStatistics.fit(latents, np.arange(1001.0), one_hot=("appearance",))


def test_samples_are_spread_as_the_latents_were(latents, statistics):
    drawn = statistics.sample(4000, seed=1)
    for values in (np.mean, lambda z, axis: np.cov(z, rowvar=False)):
        wanted = values(latents["geometry"], axis=0)
        np.testing.assert_allclose(values(drawn["geometry"], axis=0), wanted, atol=0.3)
    assert drawn["geometry"].dtype == drawn["appearance"].dtype == np.float32
    np.testing.assert_allclose(drawn["appearance"].mean(axis=0), [0.7, 0.2, 0, 0.1], atol=0.03)
    assert set(drawn["appearance"].sum(axis=1)) == {1.0}


def test_samples_of_the_prior_are_standard_normal_and_classes_come_in_turn(statistics):
    drawn = statistics.sample(4000, source="prior")
    np.testing.assert_allclose(np.cov(drawn["geometry"], rowvar=False), np.eye(3), atol=0.1)
    assert list(drawn["appearance"].argmax(axis=1)[:5]) == [0, 1, 2, 3, 0]
    equal = prior_latents({"geometry": 3, "appearance": 4}, ("appearance",), 4000)
    assert all(np.array_equal(drawn[name], equal[name]) for name in equal)


@pytest.mark.parametrize("source", ["training", "prior"])
def test_the_seed_decides(statistics, source):
    one, same, other = (statistics.sample(2, seed, source)["geometry"] for seed in (3, 3, 4))
    assert np.array_equal(one, same) and not np.array_equal(one, other)


def test_what_cannot_be_drawn_is_named(statistics):
    for arguments, message in (
        ((0,), "`count=0`: must be at least 1"),
        ((1, -1), "`seed=-1`: must be at least 0"),
        ((1, 0, "best"), "`source=best`: must be one of training, prior"),
    ):
        with pytest.raises(InputError, match=message):
            statistics.sample(*arguments)
    with pytest.raises(InputError, match="`geometry`: must be finite"):
        LatentStatistics.fit({"geometry": np.array([[np.nan]])})


def test_errors_far_above_those_of_the_training_are_not_typical(statistics):
    assert list(statistics.errors) == [500.0, 900.0, 995.0]
    errors = np.array([0.0, 996.0, 1493.0, np.nan, np.inf])
    assert list(statistics.typical(errors, factor=1.0)) == [True, False, False, False, False]
    assert list(statistics.typical(errors, factor=1.5)) == [True, True, False, False, False]
    assert LatentStatistics.fit({"geometry": np.zeros((2, 1))}).typical(errors) is None


@pytest.mark.parametrize("errors", [np.ones(3), None])
def test_they_are_kept(latents, errors, tmp_path):
    statistics = LatentStatistics.fit(latents, errors, one_hot=("appearance",))
    statistics.save(tmp_path / "statistics.npz")
    found = LatentStatistics.load(tmp_path / "statistics.npz")
    assert found.one_hot == ("appearance",)
    one, other = statistics.arrays(), found.arrays()
    assert one.keys() == other.keys() and all(np.array_equal(one[n], other[n]) for n in one)


def test_latents_of_one_number_and_of_no_group_are_kept_too(tmp_path):
    for latents in ({"geometry": np.array([[1.0], [3.0]])}, {}):
        LatentStatistics.fit(latents).save(tmp_path / "statistics.npz")
        found = LatentStatistics.load(tmp_path / "statistics.npz")
        assert found.means.keys() == latents.keys()
    assert found.covariances == {}


def test_a_damaged_file_is_named(tmp_path, statistics):
    path = tmp_path / "statistics.npz"
    path.write_bytes(b"broken")
    with pytest.raises(InputError, match=f"{path} is damaged"):
        LatentStatistics.load(path)
    for change in ({"one_hot": np.array(["else"])}, {"geometry/covariance": np.zeros((2, 2))}):
        np.savez(path, **(statistics.arrays() | change))
        with pytest.raises(InputError, match="do not go together"):
            LatentStatistics.load(path)
