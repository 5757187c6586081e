"""The noise against Random123's known answers, the normal law and its promise of independence."""

import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from dgn_tf.inference.noise import _uniform, example_normal, threefry


def draw(seed=0, step=1, ids=(0,), stream=0, draws=1, dim=8):
    return example_normal(
        tf.constant(seed, tf.int64),
        tf.constant(step, tf.int64),
        tf.constant(ids, tf.int64),
        stream,
        draws,
        dim,
    ).numpy()


@pytest.mark.parametrize(
    "key, counter, answer",
    [  # kat_vectors of Random123, threefry2x32 with 20 rounds
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF,) * 2, (0xFFFFFFFF,) * 2, (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_threefry_gives_the_known_answers(key, counter, answer):
    words = [[tf.constant(word, tf.uint32) for word in pair] for pair in (key, counter)]
    assert tuple(int(word) for word in threefry(*words)) == answer


def test_uniforms_stay_inside_the_open_interval():
    lowest, highest = _uniform(tf.constant([0, 0xFFFFFFFF], tf.uint32)).numpy()
    assert lowest == 2.0**-24
    assert highest == np.float32(1 - 2.0**-24)


@pytest.mark.parametrize(
    "settings",
    [
        {"ids": range(1000), "draws": 10, "dim": 10},
        {"ids": (7,), "draws": 1000, "dim": 100},
        {"ids": range(2**40, 2**40 + 100), "draws": 1, "dim": 1000, "stream": 3},
    ],
    ids=["many examples", "one example", "wide"],
)
def test_a_hundred_thousand_draws_are_standard_normal(settings):
    values = draw(**settings).ravel().astype(np.float64)
    assert len(values) == 100_000
    # Four standard errors each.
    assert abs(values.mean()) < 4 / 1e5**0.5
    assert abs(values.var() - 1) < 4 * (2 / 1e5) ** 0.5
    assert abs(scipy.stats.skew(values)) < 4 * (6 / 1e5) ** 0.5
    assert abs(scipy.stats.kurtosis(values)) < 4 * (24 / 1e5) ** 0.5
    assert scipy.stats.kstest(values, "norm").pvalue > 1e-3


PAIRS = {
    "seeds": ({"seed": 0}, {"seed": 1}),
    "steps": ({"step": 1}, {"step": 2}),
    "distant steps": ({"step": 1}, {"step": 1 + 2**32}),
    "seed and step exchanged": ({"seed": 1, "step": 2}, {"seed": 2, "step": 1}),
    "ids": ({"ids": (5,)}, {"ids": (6,)}),
    "ids that differ in the high word": ({"ids": (5,)}, {"ids": (5 + 2**62,)}),
    "streams": ({"stream": 0}, {"stream": 1}),
    "distant streams": ({"stream": 0}, {"stream": 255}),
}


@pytest.mark.parametrize("first, second", PAIRS.values(), ids=PAIRS.keys())
def test_other_keys_give_independent_noise(first, second):
    one = draw(**{"draws": 20, "dim": 1000, **first}).ravel()
    other = draw(**{"draws": 20, "dim": 1000, **second}).ravel()
    for a, b in ((one, other), (one**2, other**2)):
        assert abs(np.corrcoef(a, b)[0, 1]) < 4 / len(one) ** 0.5
    assert not np.isin(one, other).mean() > 0.01


def test_draws_examples_and_numbers_of_a_vector_are_independent():
    values = draw(ids=range(500), draws=4, dim=6)
    # 24 variables (draw, number of the vector), 500 examples; then 500 as variables.
    by_number = np.corrcoef(values.transpose(0, 2, 1).reshape(24, 500))
    assert np.abs(by_number - np.eye(24)).max() < 4.5 / 500**0.5
    wide = draw(ids=range(30), draws=10, dim=100)
    by_example = np.corrcoef(wide.transpose(1, 0, 2).reshape(30, 1000))
    assert np.abs(by_example - np.eye(30)).max() < 4.5 / 1000**0.5


def test_an_example_has_its_row_alone_in_a_batch_and_in_any_order():
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 2**63, 100)
    together = draw(ids=ids, draws=3, dim=7)
    order = rng.permutation(100)
    # The bits of the hash are the same; the compiler may round log, sin and cos otherwise.
    np.testing.assert_allclose(draw(ids=ids[order], draws=3, dim=7), together[:, order], atol=1e-6)
    for row in (0, 41, 99):
        alone = draw(ids=ids[row : row + 1], draws=3, dim=7)
        np.testing.assert_allclose(alone[:, 0], together[:, row], atol=1e-6)


def test_more_draws_begin_with_the_same_draws():
    np.testing.assert_allclose(draw(draws=2), draw(draws=5)[:2], atol=1e-6)


def test_python_numbers_key_as_tensors_do():
    ids = tf.range(3, dtype=tf.int64)
    np.testing.assert_array_equal(example_normal(4, 9, ids, 1, 2, 3), draw(4, 9, range(3), 1, 2, 3))
