"""What geometry tells of appearance is taken out, and nothing else is."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgn_tf.config import Config, ModelConfig, TrainingConfig
from dgn_tf.data.examples import Examples
from dgn_tf.models.factory import make_model
from dgn_tf.training.decorrelation import Decorrelation
from dgn_tf.training.factory import make_learner
from dgn_tf.utils.errors import InputError


class Groups:
    """What a decorrelation asks of a model."""

    latent_dims = {"appearance": 3, "geometry": 2}


MIXING = np.array([[1.0, 0.0, -0.5], [0.0, 0.8, 0.0]])


def latents(count=1000, seed=0):
    """z_a = 1 + z_g MIXING + noise, z_g of mean 2."""
    rng = np.random.default_rng(seed)
    geometry = 2 + rng.normal(size=(count, 2))
    noise = rng.normal(size=(count, 3))
    z = {"appearance": 1 + (geometry - 2) @ MIXING + 0.3 * noise, "geometry": geometry}
    return {name: tf.constant(value, tf.float32) for name, value in z.items()}, noise


def test_the_moments_run_to_those_of_the_latents():
    decorrelation = Decorrelation(Groups(), 0.5)
    for seed in range(12):
        decorrelation(latents(seed=seed)[0])
    np.testing.assert_allclose(decorrelation.mean_appearance, [1, 1, 1], atol=0.1)
    np.testing.assert_allclose(decorrelation.mean_geometry, [2, 2], atol=0.1)
    np.testing.assert_allclose(decorrelation.variance, np.eye(2), atol=0.1)
    np.testing.assert_allclose(decorrelation.covariance, MIXING, atol=0.1)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_share_of_what_geometry_tells_is_taken_out_and_the_rest_stays(share):
    decorrelation = Decorrelation(Groups(), share)
    for seed in range(12):
        decorrelation(latents(seed=seed)[0])
    z, noise = latents(seed=99)
    found = decorrelation(z)
    np.testing.assert_array_equal(found["geometry"], z["geometry"])
    away = z["geometry"].numpy() - z["geometry"].numpy().mean(0)
    left = np.linalg.lstsq(away, found["appearance"].numpy(), rcond=None)[0]
    np.testing.assert_allclose(left, (1 - share) * MIXING, atol=0.1)
    if share == 1:
        # Only what geometry says nothing of.
        own = found["appearance"].numpy() - found["appearance"].numpy().mean(0)
        np.testing.assert_allclose(own, 0.3 * (noise - noise.mean(0)), atol=0.35)


def test_it_waits_until_appearance_moves():
    keras.utils.set_random_seed(0)
    settings = ModelConfig(appearance_dim=3, geometry_dim=2, alpha=0.1)
    examples = Examples(np.zeros((4, 32, 32, 1), np.uint8), np.arange(4), tuple("abcd"))
    learning = TrainingConfig(epochs=10, batch_size=4, head_start=0.5, decorrelation=0.5)
    learner = make_learner(learning, examples, make_model(settings, 32, 1))
    z = {name: z[:4] for name, z in latents()[0].items()}
    np.testing.assert_array_equal(learner.decorrelate(z)["appearance"], z["appearance"])
    learner.optimizer.iterations.assign(5)
    assert np.all(learner.decorrelate(z)["appearance"] != z["appearance"])
    assert "decorrelation" in learner.state


def test_models_without_two_continuous_groups_are_refused():
    learning = TrainingConfig(decorrelation=0.5)
    for settings in ({"model": "abp"}, {"model": "vae"}, {"appearance": "categorical"}):
        with pytest.raises(InputError, match="`decorrelation`"):
            Config(model=ModelConfig(**settings), learning=learning)
    for share in (-0.1, 1.5, float("nan")):
        with pytest.raises(InputError, match="`decorrelation="):
            TrainingConfig(decorrelation=share)
