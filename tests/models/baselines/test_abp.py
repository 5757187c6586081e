"""The plain generator. What it shares with all models is in tests/models/test_contract.py."""

import numpy as np
import pytest
import tensorflow as tf

from dgn_tf.models.baselines.abp import PlainGenerator
from dgn_tf.models.generators import AppearanceGenerator


@pytest.fixture(scope="module")
def model():
    return PlainGenerator(AppearanceGenerator(latent_dim=4, side=32, width=0.1, channels=1))


def test_its_image_is_the_appearance(model):
    z = tf.constant(np.random.default_rng(0).normal(size=(2, 4)), tf.float32)
    assert model.latent_dims == {"appearance": 4}
    np.testing.assert_array_equal(model({"appearance": z}), model.appearance(z))


def test_it_regularizes_nothing_and_counts_saturated_pixels(model):
    half = tf.concat([tf.ones([2, 4, 8, 1]), tf.fill([2, 4, 8, 1], 0.98)], 1)
    assert model.regularization({"appearance": half}) == 0
    assert model.diagnostics({"appearance": half})["saturated_appearance"] == 0.5
