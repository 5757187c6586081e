"""Inference against the posterior of a linear-Gaussian model and an energy with a trap."""

import numpy as np
import pytest
import tensorflow as tf

from dgn_tf.inference.posterior import Inference


class LinearModel:
    """x = W_a z_a + W_b z_b."""

    given_groups = class_groups = ()

    def __init__(self, pixels=8, seed=0):
        rng = np.random.default_rng(seed)
        self.latent_dims = {"appearance": 2, "geometry": 3}
        self.weights = {
            name: rng.normal(size=(pixels, dim)).astype(np.float32)
            for name, dim in self.latent_dims.items()
        }

    def part(self, name, z):
        return z @ self.weights[name].T

    def combine(self, parts):
        return parts["appearance"] + parts["geometry"]

    def posterior(self, x, sigma):
        """Mean [N, 5] and covariance [5, 5] in closed form."""
        joint = np.concatenate(list(self.weights.values()), 1).astype(np.float64)
        covariance = np.linalg.inv(joint.T @ joint / (4 * sigma**2) + np.eye(5))
        return x @ joint @ covariance / (4 * sigma**2), covariance


class SquareModel:
    """x = z^2: zero is a saddle of the energy where descent stays; the modes are at +-sqrt(x)."""

    latent_dims = {"appearance": 1}
    given_groups = class_groups = ()

    def part(self, name, z):
        return tf.square(z)

    def combine(self, parts):
        return parts["appearance"]


def images(count, pixels=8, seed=1):
    return np.random.default_rng(seed).uniform(-1, 1, (count, pixels)).astype(np.float32)


@pytest.mark.parametrize("starts", [1, 3])
def test_without_noise_the_latents_are_the_posterior_mode(starts):
    model, x = LinearModel(), images(5)
    latents = Inference(model, steps=400, step_size=0.5, sigma=0.5, starts=starts)(x)
    assert {name: z.shape for name, z in latents.items()} == {
        "appearance": (5, 2),
        "geometry": (5, 3),
    }
    result = np.concatenate([latents["appearance"], latents["geometry"]], 1)
    # Steps are judged by a float32 energy, which is flat to rounding this close to the mode.
    np.testing.assert_allclose(result, model.posterior(x, 0.5)[0], atol=5e-4)


def test_with_noise_the_latents_are_samples_of_the_posterior():
    model, count = LinearModel(), 2000
    x = np.repeat(images(1), count, 0)
    inference = Inference(model, steps=200, step_size=0.2, sigma=1.0, noise=True, starts=1)
    latents = inference(x, batch_size=count)
    samples = np.concatenate([latents["appearance"], latents["geometry"]], 1)
    mean, covariance = model.posterior(x[:1], 1.0)
    deviation = np.diag(covariance) ** 0.5
    np.testing.assert_array_less(np.abs(samples.mean(0) - mean[0]), 4 * deviation / count**0.5)
    # The discretization widens the law by 1 / (1 - step_size^2 precision / 4), 5 % at most here.
    np.testing.assert_allclose(samples.std(0), deviation, rtol=0.08)


def test_latents_depend_on_the_id_and_not_on_the_batch():
    model, x = LinearModel(), images(7)
    ids = np.array([3, 1, 4, 2**62, 5, 9, 2])
    inference = Inference(model, steps=20, step_size=0.3, noise=True, starts=2, seed=6)
    whole = inference(x, ids)
    order = np.array([6, 2, 0, 5, 1, 3, 4])
    pieces = inference(x[order], ids[order], batch_size=3)
    for name in whole:
        np.testing.assert_allclose(pieces[name], whole[name][order], rtol=1e-4, atol=1e-5)
    again = inference(x, ids + 1)
    assert np.abs(again["geometry"] - whole["geometry"]).min() > 1e-4


def test_ids_count_from_zero_by_default():
    model, x = LinearModel(), images(3)
    inference = Inference(model, steps=10, noise=True, starts=1)
    default, stated = inference(x), inference(x, [0, 1, 2])
    np.testing.assert_array_equal(default["geometry"], stated["geometry"])


def test_progress_rises_evenly_to_its_total():
    reports = []
    inference = Inference(LinearModel(), steps=25, starts=2)
    inference(images(5), batch_size=2, progress=lambda *report: reports.append(report))
    # Three batches of 25 steps, rounded up to 30.
    assert reports == [(done, 90) for done in range(10, 100, 10)]


def test_the_start_with_the_lowest_energy_wins():
    x = np.array([[0.9], [0.5], [0.8]], np.float32)
    settings = {"steps": 400, "step_size": 0.1, "sigma": 0.1}
    trapped = Inference(SquareModel(), starts=1, **settings)(x)["appearance"]
    np.testing.assert_array_equal(trapped, np.zeros((3, 1)))
    free = Inference(SquareModel(), starts=4, **settings)(x)["appearance"]
    # Mode of (x - z^2)^2 / (8 sigma^2) + z^2 / 2: z^2 = x - 2 sigma^2.
    np.testing.assert_allclose(free**2, x - 0.02, atol=1e-4)


def test_each_image_keeps_its_own_best_start():
    x = np.array([[0.9], [-0.9]], np.float32)  # the second is best explained by z = 0
    settings = {"steps": 100, "step_size": 0.1, "sigma": 0.1}
    free = Inference(SquareModel(), starts=3, **settings)
    latents = free(x)["appearance"]
    assert abs(latents[0, 0]) > 0.9
    assert abs(latents[1, 0]) < 1e-3


def test_steps_that_raise_the_energy_are_taken_back():
    model, x = LinearModel(), images(5)
    # Far beyond the stable step size: plain Langevin steps would diverge.
    latents = Inference(model, steps=600, step_size=5.0, sigma=0.5, starts=1)(x)
    result = np.concatenate([latents["appearance"], latents["geometry"]], 1)
    np.testing.assert_allclose(result, model.posterior(x, 0.5)[0], atol=1e-3)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="steps"):
        Inference(LinearModel(), steps=0)
    with pytest.raises(ValueError, match="starts"):
        Inference(LinearModel(), starts=0)
    with pytest.raises(ValueError, match="no images"):
        Inference(LinearModel())(np.zeros((0, 8), np.float32))
