"""KID by hand, in closed form, and on features that know faces from noise."""

import sys

import numpy as np
import pytest

from dgn_tf.data.examples import as_float
from dgn_tf.data.synthetic import heads
from dgn_tf.evaluation.metrics.face_features import load_face_features
from dgn_tf.evaluation.metrics.kernel_distance import kernel_distance, squared_mmd


def normal(rows, dim=4, shift=0.0, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, dim)) + shift


def test_the_estimate_is_the_double_loop_over_pairs():
    x, y = normal(6), normal(5, shift=0.4, seed=1)

    def k(a, b):
        return (sum(p * q for p, q in zip(a, b, strict=True)) / len(a) + 1) ** 3

    def within(z):
        pairs = [k(z[i], z[j]) for i in range(len(z)) for j in range(len(z)) if i != j]
        return np.mean(pairs)

    between = np.mean([k(a, b) for a in x for b in y])
    assert squared_mmd(x, y) == pytest.approx(within(x) + within(y) - 2 * between)


def test_its_expectation_is_that_of_the_distributions():
    # On the line k(a, b) = 1 + 3ab + 3a^2 b^2 + a^3 b^3, so the squared distance is that of the
    # moments: 3 m1^2 + 3 (difference of second moments)^2 + (of third)^2. For N(c, 1) against
    # N(0, 1) these are c, c^2 and c^3 + 3c.
    c = 0.5
    expected = 3 * c**2 + 3 * (c**2) ** 2 + (c**3 + 3 * c) ** 2
    draws = [
        squared_mmd(normal(40, 1, c, seed), normal(40, 1, 0, 1000 + seed)) for seed in range(1000)
    ]
    error = np.std(draws) / np.sqrt(len(draws))
    assert abs(np.mean(draws) - expected) < 4 * error < 0.4 * expected
    same = [squared_mmd(normal(40, 1, 0, s), normal(40, 1, 0, 1000 + s)) for s in range(1000)]
    # A biased estimate would be above by 2 (E k(x, x) - E k(x, x')) / 40, over 1.
    assert abs(np.mean(same)) < 4 * np.std(same) / np.sqrt(len(same)) < 0.5


def test_the_distance_grows_with_the_shift_and_its_subsets_differ():
    values = [kernel_distance(normal(200), normal(160, shift=s, seed=1)) for s in (0, 0.5, 1)]
    means, spreads = zip(*values, strict=True)
    assert abs(means[0]) < 2 * spreads[0] and means[0] < means[1] < means[2]
    assert min(spreads) > 0
    assert kernel_distance(normal(200), normal(160, seed=1)) == values[0]
    assert kernel_distance(normal(3), normal(200)) is None
    # Two rows of one set and two of the other that are all the same.
    assert kernel_distance(np.ones((4, 2)), np.ones((9, 2))) == (0, 0)


def test_features_tell_heads_from_noise():
    pytest.importorskip("mtcnn", reason='needs pip install "dgn_tf[faces]"')
    features = load_face_features()
    factors = {**heads.sample_appearance(120, 5), **heads.sample_geometry(120, 5)}
    images = heads.render(factors, factors, 64)
    noise = np.random.default_rng(0).integers(0, 256, images.shape, dtype=np.uint8)
    seen, unseen = features(images), features(noise)
    assert seen.shape == (120, 256) and seen.dtype == np.float32
    same, spread = kernel_distance(seen[::2], seen[1::2])
    other, _ = kernel_distance(seen[::2], unseen[1::2])
    assert abs(same) < 3 * spread and other > 20 * spread
    np.testing.assert_allclose(features(as_float(images[:3])), seen[:3], atol=1e-4)
    gray = images[:2, ..., :1]
    np.testing.assert_allclose(features(gray), features(np.repeat(gray, 3, -1)), atol=1e-4)


def test_without_the_package_there_is_one_hint(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "mtcnn.network.onet", None)
    assert load_face_features() is None
    (line,) = caplog.messages
    assert 'pip install "dgn_tf[faces]"' in line
