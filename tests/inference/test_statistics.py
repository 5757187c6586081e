"""How latents are spread: fitted, drawn again, and kept; which images are unusual."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from dgn_tf.inference.gaussian import Gaussian, held_out
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
    latents = {name: np.tile(mean, (5, 1)) for name, mean in statistics.means.items()}
    images = np.zeros((5, 8, 8, 3), np.uint8)
    assert list(statistics.typical(images, latents, errors)) == [True, True, False, False, False]
    assert list(statistics.unusual(images, latents, errors)) == ["error", "geometry"]
    nothing = LatentStatistics({}, {})
    assert nothing.typical(images, {}, errors) is None


def test_latents_far_from_the_others_are_not_typical(statistics):
    # A step along the direction in which the latents vary least.
    mean, errors = statistics.means["geometry"], np.zeros(3)
    step = np.array([0.0, 0.0, 0.1])
    z = {"geometry": mean + np.outer([1.0, 10.0, np.nan], step), "appearance": np.eye(4)[:3]}
    images = np.zeros((3, 8, 8, 3), np.uint8)
    assert list(statistics.unusual(images, z, errors)["geometry"]) == [False, True, True]
    assert list(statistics.typical(images, z, errors)) == [True, False, False]
    # Of clips that are longer nothing is known but the error.
    longer = {"geometry": np.pad(z["geometry"], [(0, 0), (0, 2)])}
    assert list(statistics.unusual(images, longer | z, errors)) == ["error", "geometry"]
    assert list(statistics.unusual(images, z | longer, errors)) == ["error"]


def test_drawings_are_no_photographs():
    rng = np.random.default_rng(0)
    soft = gaussian_filter(rng.standard_normal((300, 32, 32, 3)), (0, 2, 2, 0))
    soft *= rng.uniform(300, 500, (300, 1, 1, 1))
    photographs = np.clip(soft + rng.standard_normal(soft.shape) + 128, 0, 255).astype(np.uint8)
    known = LatentStatistics.fit({}, images=photographs[:200])
    drawings = np.where(photographs[200:220] > 128, 200, 50).astype(np.uint8)
    noise = rng.integers(0, 256, drawings.shape, np.uint8)
    for images, wanted in ((photographs[200:], False), (drawings, True), (noise, True)):
        assert list(known.unusual(images, {}, np.zeros(len(images)))) == ["texture"]
        assert np.mean(known.unusual(images, {}, [])["texture"] == wanted) >= 0.99
    # A clip is judged by all of its frames.
    clips = photographs[200:].reshape(25, 4, 32, 32, 3)
    assert not known.unusual(clips, {}, [])["texture"].any()


def test_a_model_that_does_no_better_than_the_mean_image_judges_nothing():
    images = np.zeros((4, 8, 8, 3), np.uint8)
    images[2:] = 255
    mean = np.zeros((8, 8, 3), np.float32)
    latents = {"geometry": np.random.default_rng(0).standard_normal((4, 2))}
    # Half of the range away, in every value.
    worse, better = (
        LatentStatistics.fit(latents, np.full(4, error), (), images, mean) for error in (48.0, 47.9)
    )
    assert worse.mean_errors.tolist() == pytest.approx([48.0] * 3)
    far = {"geometry": np.full((4, 2), 100.0)}
    assert worse.hardly_trained and worse.unusual(images, far, np.full(4, 1e3)) == {}
    assert worse.typical(images, far, np.full(4, 1e3)) is None
    assert not better.hardly_trained and not better.typical(images, far, np.full(4, 1e3)).any()


def test_distances_are_those_of_examples_that_were_left_out():
    values = np.random.default_rng(0).standard_normal((12, 3))
    found = held_out(Gaussian.fit(values, (0.5,)).distance(values))
    for row, distance in enumerate(found):
        others = np.delete(values, row, axis=0)
        moved = values[row] - others.mean(axis=0)
        wanted = moved @ np.linalg.inv(np.cov(others.T, bias=True)) @ moved
        assert distance == pytest.approx(wanted, rel=0.05)
    # Too few examples to say what is far.
    assert np.isinf(Gaussian.fit(values[:1], (0.5, 0.9)).distances).all()


@pytest.mark.parametrize("errors", [np.ones(3), None])
@pytest.mark.parametrize("images", [np.zeros((2, 8, 8, 3), np.uint8), None])
def test_they_are_kept(latents, errors, images, tmp_path):
    statistics = LatentStatistics.fit(latents, errors, ("appearance",), images)
    statistics.save(tmp_path / "statistics.npz")
    found = LatentStatistics.load(tmp_path / "statistics.npz")
    assert found.one_hot == ("appearance",)
    assert (found.texture is None) == (images is None) and list(found.distances) == ["geometry"]
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
    for change in (
        {"one_hot": np.array(["else"])},
        {"geometry/covariance": np.zeros((2, 2))},
        {"geometry/distances": np.zeros(2)},
        {"texture_mean": np.zeros(6)},
    ):
        np.savez(path, **(statistics.arrays() | change))
        with pytest.raises(InputError, match="do not go together"):
            LatentStatistics.load(path)
