"""The refining operation after the warp (Fig. 1)."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgn_tf.config import Config, ModelConfig
from dgn_tf.models.factory import make_model
from dgn_tf.models.refinement import Refinement
from dgn_tf.ops.warp import warp
from dgn_tf.utils.errors import InputError


def trained(bound):
    """A refinement whose last layer is large, so that its tanh is saturated."""
    keras.utils.set_random_seed(0)
    refinement = Refinement(32, 3, bound)
    last = refinement.network.layers[-1]
    last.set_weights(
        [100.0 * np.random.default_rng(0).standard_normal(w.shape) for w in last.weights]
    )
    return refinement


def test_it_begins_as_the_identity_and_learns_from_the_first_step():
    refinement = Refinement(32, 3, 0.2)
    x = tf.random.stateless_uniform([2, 32, 32, 3], (0, 1), -1.0, 1.0)
    with tf.GradientTape() as tape:
        refined = refinement(x)
        loss = tf.reduce_sum(tf.square(refined - 0.5))
    np.testing.assert_array_equal(refined, x)
    slopes = tape.gradient(loss, refinement.network.layers[-1].kernel)
    assert np.abs(slopes).max() > 0.1


@pytest.mark.parametrize("bound", [0.05, 0.25])
def test_it_adds_no_more_than_its_bound_and_stays_in_range(bound):
    x = tf.random.stateless_uniform([4, 32, 32, 3], (0, 2), -1.0, 1.0)
    refined = trained(bound)(x).numpy()
    assert np.abs(refined).max() <= 1.0
    # On the range of values, which is 2 wide; a gray of 0 can be moved all the way.
    assert np.abs(refined - x).max() <= 2 * bound + 1e-6
    assert np.abs(refined - x).max() > 1.9 * bound
    np.testing.assert_allclose(trained(bound)(tf.ones([1, 32, 32, 3])), 1.0)


def test_it_sees_no_farther_than_three_pixels():
    x = tf.Variable(tf.random.stateless_uniform([1, 32, 32, 1], (0, 3), -0.5, 0.5))
    keras.utils.set_random_seed(1)
    refinement = Refinement(32, 1, 0.2)
    last = refinement.network.layers[-1]
    last.set_weights([0.1 * np.ones(w.shape) for w in last.weights])
    with tf.GradientTape() as tape:
        pixel = refinement(x)[0, 16, 16, 0]
    y, x = np.nonzero(tape.gradient(pixel, x)[0, :, :, 0])
    assert (y.min(), y.max(), x.min(), x.max()) == (13, 19, 13, 19)


def test_the_model_refines_what_it_has_warped():
    keras.utils.set_random_seed(2)
    settings = ModelConfig(refinement=0.1, appearance_dim=2, geometry_dim=2, alpha=0.1)
    model = make_model(settings, 32, 3)
    assert list(model.networks) == ["appearance", "geometry", "refinement"]
    last = model.refinement.network.layers[-1]
    last.set_weights([np.random.default_rng(0).standard_normal(w.shape) for w in last.weights])
    z = {"appearance": tf.constant([[0.5, -1.0]]), "geometry": tf.constant([[1.0, 2.0]])}
    parts = {name: model.part(name, value) for name, value in z.items()}
    warped = warp(parts["appearance"], parts["geometry"])
    np.testing.assert_allclose(model(z), model.refinement(warped), atol=1e-6)
    assert np.abs(model(z) - warped).max() > 0.01


def test_bounds_that_make_no_sense_are_refused():
    for bound in (0.0, 0.3):
        with pytest.raises(ValueError, match="above 0 and at most 0.25"):
            Refinement(32, 3, bound)
    with pytest.raises(InputError, match="`refinement=0.3`"):
        ModelConfig(refinement=0.3)
    with pytest.raises(InputError, match="`refinement` is for `model=deformable`, not abp"):
        Config(model=ModelConfig(model="abp", refinement=0.1))
