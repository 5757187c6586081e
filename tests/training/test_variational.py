"""Variational learning against principal components, quadrature and hand-made steps."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from linear_model import LinearModel

from dgn_tf.config import InferenceConfig
from dgn_tf.inference.encoder import EncoderInference, make_inference
from dgn_tf.inference.posterior import Inference
from dgn_tf.training.losses import gaussian_divergence
from dgn_tf.training.variational import Variational


class Linear(LinearModel):
    """x = z W, and q(z|x) = N(x V, diag exp(s)): the linear variational autoencoder."""

    def __init__(self, pixels, dim, variance=True):
        super().__init__(pixels, dim)
        self.networks = {"appearance": self.layer}
        self.means = keras.layers.Dense(dim, use_bias=False)
        self.means.build((None, pixels))
        self.log_variance = self.add_weight(shape=(dim,), initializer="zeros")
        self.variance = variance

    def encode(self, x):
        mean = self.means(x)
        spread = tf.broadcast_to(self.log_variance, tf.shape(mean)) if self.variance else None
        return {"appearance": (mean, spread)}


def learner(model, steps=100, rate=0.01, **settings):
    return Variational(model, keras.optimizers.Adam(rate), total_steps=steps, **settings)


def gaussian_data(count=400):
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    scales = np.array([2.0, 1.2, 0.3, 0.3, 0.3])
    x = rng.standard_normal((count, 5)) * scales @ basis.T
    return np.float32(x - x.mean(axis=0))


@pytest.mark.parametrize(("mean", "variance"), [(0.0, 1.0), (0.7, 0.3), (-1.5, 2.0)])
def test_divergence_equals_quadrature(mean, variance):
    z = np.linspace(-15, 15, 200001)
    q = np.exp(-((z - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
    log_p = -(z**2) / 2 - np.log(2 * np.pi) / 2
    integrand = np.where(q > 0, q * (np.log(np.maximum(q, 1e-300)) - log_p), 0.0)
    expected = np.trapezoid(integrand, z)
    both = gaussian_divergence(
        tf.constant([[mean, 0.0]], tf.float64), tf.constant([[np.log(variance), 0.0]], tf.float64)
    )
    np.testing.assert_allclose(both, [expected], atol=1e-7)


def test_a_linear_model_learns_probabilistic_principal_components():
    # At the optimum W W^T has the eigenvalues lambda_i - sigma^2 (Tipping and Bishop 1999; Lucas et
    # al. 2019). Errors are halved and squared, so that sigma counts twice for images in [-1, 1].
    keras.utils.set_random_seed(0)
    x, sigma = gaussian_data(), 0.25
    model = Linear(5, 2)
    learn = learner(model, rate=0.02, sigma=f"{sigma}")
    step = tf.function(learn.step)
    ids = tf.range(len(x), dtype=tf.int64)
    for number in range(1200):
        if number == 1000:
            learn.optimizer.learning_rate.assign(0.001)
        step(ids, ids, tf.constant(x))
    weights = model.layer.kernel.numpy()
    learned = np.sort(np.linalg.eigvalsh(weights @ weights.T))
    eigenvalues = np.sort(np.linalg.eigvalsh(x.T @ x / len(x)))[-2:]
    np.testing.assert_allclose(learned, eigenvalues - (2 * sigma) ** 2, rtol=0.05)


def test_without_variances_it_is_an_autoencoder():
    model = Linear(5, 2, variance=False)
    learn = learner(model, sigma="0.5", kl_weight=7.0)
    x, ids = gaussian_data(8), np.arange(8)
    z, divergence = learn.sample(tf.constant(x), ids)
    np.testing.assert_array_equal(z["appearance"], model.means(x))
    assert divergence == 0
    error = np.square(x - z["appearance"].numpy() @ model.layer.kernel.numpy()).sum(1).mean() / 4
    metrics = learn.step(ids, ids, tf.constant(x))
    np.testing.assert_allclose(metrics["msre"], error, rtol=1e-5)
    np.testing.assert_allclose(metrics["loss"], error / (2 * 0.5**2), rtol=1e-5)


def test_the_divergence_is_weighted_and_the_samples_spread_as_told():
    model = Linear(5, 2)
    model.log_variance.assign([-2.0, 1.0])
    x, ids = tf.constant(gaussian_data(4000)), tf.range(4000, dtype=tf.int64)
    learn = learner(model, kl_weight=3.0)
    z, divergence = learn.sample(x, ids)
    spread = (z["appearance"] - model.means(x)).numpy()
    np.testing.assert_allclose(spread.std(axis=0), np.exp([-1.0, 0.5]), rtol=0.05)
    np.testing.assert_allclose(np.abs(spread.mean(axis=0)), 0, atol=0.08)
    metrics = learn.step(ids, ids, x)
    expected = metrics["msre"] / 2.0 + 3.0 * divergence
    np.testing.assert_allclose(metrics["loss"], expected, rtol=1e-5)


def test_samples_depend_on_the_id_and_the_step_alone():
    model = Linear(5, 2)
    learn = learner(model, seed=4)
    x = tf.constant(gaussian_data(3))
    together, _ = learn.sample(x, np.array([7, 8, 9]))
    alone, _ = learn.sample(x[1:2], np.array([8]))
    np.testing.assert_allclose(together["appearance"][1:2], alone["appearance"], rtol=1e-5)
    again, _ = learner(model, seed=5).sample(x, np.array([7, 8, 9]))
    assert np.abs(again["appearance"] - together["appearance"]).min() > 1e-3
    learn.optimizer.iterations.assign(1)
    later, _ = learn.sample(x, np.array([7, 8, 9]))
    assert np.abs(later["appearance"] - together["appearance"]).min() > 1e-3


def test_finite_tells_a_nan():
    model = Linear(5, 2)
    ids = np.arange(4)
    x = gaussian_data(4)
    assert learner(model).step(ids, ids, tf.constant(x))["finite"] == 1
    x[2, 3] = np.nan
    assert learner(model).step(ids, ids, tf.constant(x))["finite"] == 0


def test_an_encoder_infers_its_means_in_batches():
    model = Linear(5, 2)
    x, told = np.clip(gaussian_data(7), -1.0, 1.0), []
    infer = make_inference(model, InferenceConfig(steps=10, step_size=0.1, sigma=1.0))
    assert isinstance(infer, EncoderInference)
    z = infer(x, batch_size=3, progress=lambda done, total: told.append((done, total)))
    np.testing.assert_allclose(z["appearance"], x @ model.means.kernel.numpy(), rtol=1e-5)
    assert told == [(3, 7), (6, 7), (7, 7)]
    with pytest.raises(ValueError, match="no images"):
        infer(x[:0])


def test_a_model_without_encoder_is_inferred_by_langevin_dynamics():
    class Decoder:
        latent_dims = {"appearance": 1}
        given_groups = class_groups = ()

    infer = make_inference(Decoder(), InferenceConfig(steps=20, starts=4, step_size=0.1, sigma=0.5))
    assert isinstance(infer, Inference) and infer.sigma == 0.5 and infer.chunks == 2
