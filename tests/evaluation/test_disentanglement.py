"""MIG, SAP and DCI of a perfect, a useless and an entangled representation."""

import numpy as np
import pytest

from dgn_tf.evaluation.metrics.disentanglement import (
    dci,
    disentanglement,
    importances,
    mutual_information_gap,
    scalar_factors,
    separated_attribute_predictability,
)

COUNT = 1000


@pytest.fixture(scope="module")
def factors():
    return np.random.default_rng(0).uniform(-1, 1, (COUNT, 3))


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(1).normal(size=(COUNT, 3))


def perfect(factors, noise):
    """Each code is one factor, in another order and scale; one more code is noise."""
    return np.stack([-3 * factors[:, 2], factors[:, 0] + 5, 9 * factors[:, 1], noise[:, 0]], 1)


def rotated(factors):
    """Each code is the sum or the difference of the same two factors; a third is shared by two."""
    a, b, c = factors.T
    return np.stack([a + b, a - b, c, c], axis=1)


def test_mutual_information_gap(factors, noise):
    assert mutual_information_gap(perfect(factors, noise), factors) > 0.94
    assert 0 <= mutual_information_gap(noise, factors) < 0.02
    assert mutual_information_gap(rotated(factors), factors) < 0.03
    # All of one bit against nothing and against half of it, in closed form.
    bits = np.array([[0, 0], [0, 1], [1, 0], [1, 1]] * 10)
    assert mutual_information_gap(bits, bits) == pytest.approx(1)
    either = np.stack([bits[:, 0], bits.max(axis=1)], axis=1)
    known = np.log(2) - 0.75 * (np.log(3) - 2 / 3 * np.log(2))  # I(first; first or second) in nats
    assert mutual_information_gap(either, bits[:, :1]) == pytest.approx(1 - known / np.log(2))


def test_a_monotone_map_of_a_code_changes_no_mutual_information(factors, noise):
    codes = perfect(factors, noise)
    assert mutual_information_gap(np.exp(codes / 3), factors) == mutual_information_gap(
        codes, factors
    )


def test_separated_attribute_predictability(factors, noise):
    assert separated_attribute_predictability(perfect(factors, noise), factors) > 0.98
    assert 0 <= separated_attribute_predictability(noise, factors) < 0.02
    assert separated_attribute_predictability(rotated(factors), factors) < 0.05
    # Orthogonal columns: the first is 0.8 and 0.6 of the two codes, squared 0.64 and 0.36.
    codes = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]]) + 7.0
    factor = codes @ [[0.8], [0.6]]
    assert separated_attribute_predictability(codes, factor) == pytest.approx(0.28)
    constant = np.concatenate([codes[:, :1], np.ones((4, 1))], axis=1)
    assert separated_attribute_predictability(constant, factor) == pytest.approx(0.64)


def test_dci_of_known_importances():
    perfect = dci(np.array([[0, 1.0], [1, 0], [0, 0]]), np.array([1.0, 0.5]))
    assert perfect == {"disentanglement": 1, "completeness": 1, "informativeness": 0.75}
    useless = dci(np.full((3, 2), 1 / 3), np.array([-0.2, 0.0]))
    assert useless == {
        "disentanglement": pytest.approx(0, abs=1e-12),
        "completeness": pytest.approx(0, abs=1e-12),
        "informativeness": 0,
    }
    nothing = dci(np.zeros((3, 2)), np.zeros(2))
    assert list(nothing.values()) == pytest.approx([0, 0, 0], abs=1e-12)
    # Two codes share a factor half and half; each code serves this factor alone.
    shared = dci(np.array([[0.5, 0], [0.5, 0], [0, 1], [0, 0]]), np.ones(2))
    assert shared["disentanglement"] == 1
    assert shared["completeness"] == pytest.approx((1 - np.log(2) / np.log(4) + 1) / 2)


def test_dci_of_representations(factors, noise):
    good = dci(*importances(perfect(factors, noise), factors))
    assert min(good.values()) > 0.97
    useless = dci(*importances(noise, factors))
    assert useless["informativeness"] < 0.01
    assert max(useless["disentanglement"], useless["completeness"]) < 0.02
    # The codes tell what the factors are, but neither of the first two stands for one of them.
    mixed = dci(*importances(rotated(factors)[:, :2], factors[:, :2]))
    assert mixed["informativeness"] > 0.9
    assert max(mixed["disentanglement"], mixed["completeness"]) < 0.05


def test_importances_of_a_factor_sum_to_one(factors, noise):
    importance, scores = importances(perfect(factors, noise)[:200], factors[:200])
    np.testing.assert_allclose(importance.sum(axis=0), 1)
    np.testing.assert_array_equal(importance.argmax(axis=0), [1, 2, 0])
    assert importance.min() >= 0 and scores.shape == (3,)


def test_factors_of_several_numbers():
    rng = np.random.default_rng(0)
    place = rng.uniform(size=300)
    color = np.outer(place, [0.5, 0.4, 0.3]) + 0.01 * rng.normal(size=(300, 3))
    light = rng.uniform(-1, 1, (300, 2))
    scalars = scalar_factors(
        {"skin": color, "light": light, "yaw": place, "side": np.ones((300, 2))}
    )
    assert list(scalars) == ["skin", "light 1", "light 2", "yaw"]
    assert abs(np.corrcoef(scalars["skin"], place)[0, 1]) > 0.99
    np.testing.assert_array_equal(scalars["light 2"], light[:, 1])
    np.testing.assert_array_equal(scalars["yaw"], place)


def test_the_groups_are_weighed_for_each_factor(factors, noise):
    latents = {"appearance": factors[:, :1], "geometry": np.stack([noise[:, 0], factors[:, 1]], 1)}
    numbers = disentanglement(latents, {"skin": factors[:, 0], "yaw": factors[:, 1]})
    shares = numbers["group_importance"]
    assert shares["skin"]["appearance"] > 0.98
    assert shares["yaw"]["geometry"] > 0.98
    assert sum(shares["yaw"].values()) == pytest.approx(1)
    assert min(numbers["mig"], numbers["sap"], *numbers["dci"].values()) > 0.9
