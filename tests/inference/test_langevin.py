"""Langevin dynamics against hand-made steps, the plain alternation and the law it must sample."""

import functools

import keras
import numpy as np
import pytest
import scipy.stats
import tensorflow as tf

from dgn_tf.inference.energy import energy, squared_error
from dgn_tf.inference.langevin import langevin, langevin_loop
from dgn_tf.models.deformable import DeformableGenerator
from dgn_tf.models.generators import AppearanceGenerator, GeometricGenerator
from dgn_tf.training.alternating import AlternatingBackprop
from dgn_tf.training.chains import Chains


class LinearModel:
    """x = sum of W_group z_group: energy and posterior have closed forms."""

    given_groups = class_groups = ()

    def __init__(self, **weights):
        self.weights = {name: np.asarray(w, np.float32) for name, w in weights.items()}
        self.calls = 0

    @property
    def latent_dims(self):
        return {name: w.shape[1] for name, w in self.weights.items()}

    def part(self, name, z):
        self.calls += 1
        return z @ self.weights[name].T

    def combine(self, parts):
        return tf.add_n(list(parts.values()))


def linear_example(seed=0, batch=3):
    rng = np.random.default_rng(seed)
    model = LinearModel(a=rng.normal(size=(6, 2)), b=rng.normal(size=(6, 3)))
    x = rng.normal(size=(batch, 6)).astype(np.float32)
    latents = {
        name: rng.normal(size=(batch, dim)).astype(np.float32)
        for name, dim in model.latent_dims.items()
    }
    noise = {
        name: rng.normal(size=(4, batch, dim)).astype(np.float32)
        for name, dim in model.latent_dims.items()
    }
    return model, x, latents, noise


def tensors(arrays):
    return {name: tf.constant(array, tf.float32) for name, array in arrays.items()}


def hand_slope(model, x, latents, name, sigma):
    """d energy / d z of one group; the 1/4 brings [-1, 1] to the [0, 1] scale."""
    image = sum(z @ model.weights[n].T for n, z in latents.items())
    return (image - x) @ model.weights[name] / (4 * sigma**2) + latents[name]


@pytest.mark.parametrize("noisy", [True, False])
@pytest.mark.parametrize("steps", [1, 4])
def test_the_steps_are_equation_7_group_after_group(steps, noisy):
    model, x, latents, noise = linear_example()
    step_size, sigma = 0.3, 0.7
    by_hand = dict(latents)
    for step in range(steps):
        for name in by_hand:
            slope = hand_slope(model, x, by_hand, name, sigma)
            kick = step_size * noise[name][step] if noisy else 0
            by_hand[name] = by_hand[name] - step_size**2 / 2 * slope + kick
    result = langevin(
        model,
        tf.constant(x),
        tensors(latents),
        steps=steps,
        step_size=step_size,
        sigma=sigma,
        noise=tensors(noise) if noisy else None,
    )
    assert list(result) == ["a", "b"]
    for name in by_hand:
        np.testing.assert_allclose(result[name], by_hand[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "steps",
    [langevin, langevin_loop, functools.partial(langevin_loop, together=2)],
    ids=["unrolled", "loop", "loop of two"],
)
def test_a_descent_with_momentum_goes_on_by_its_last_step(steps):
    model, x, latents, _ = linear_example()
    step_size, sigma, momentum = 0.3, 0.7, 0.6
    by_hand, running = dict(latents), {name: 0.0 for name in latents}
    for _ in range(4):
        for name in by_hand:
            slope = hand_slope(model, x, by_hand, name, sigma)
            running[name] = slope + momentum * running[name]
            by_hand[name] = by_hand[name] - step_size**2 / 2 * running[name]
    given = {"steps": 4, "step_size": step_size, "sigma": sigma, "momentum": momentum}
    result = steps(model, tf.constant(x), tensors(latents), **given)
    for name in by_hand:
        np.testing.assert_allclose(result[name], by_hand[name], rtol=1e-4, atol=1e-5)


def test_simultaneous_steps_use_the_old_latents_of_every_group():
    model, x, latents, noise = linear_example(1)
    step_size, sigma = 0.3, 0.7
    by_hand = dict(latents)
    for step in range(3):
        slopes = {name: hand_slope(model, x, by_hand, name, sigma) for name in by_hand}
        by_hand = {
            name: z - step_size**2 / 2 * slopes[name] + step_size * noise[name][step]
            for name, z in by_hand.items()
        }
    settings = {"steps": 3, "step_size": step_size, "sigma": sigma, "noise": tensors(noise)}
    together = langevin(model, tf.constant(x), tensors(latents), simultaneous=True, **settings)
    in_turn = langevin(model, tf.constant(x), tensors(latents), **settings)
    for name in by_hand:
        np.testing.assert_allclose(together[name], by_hand[name], rtol=1e-4, atol=1e-5)
    assert np.abs(together["b"] - in_turn["b"]).max() > 0.01


def test_the_argument_is_left_as_it_was():
    model, x, latents, _ = linear_example()
    given = tensors(latents)
    langevin(model, tf.constant(x), given, steps=2, step_size=0.1, sigma=1.0)
    for name in latents:
        np.testing.assert_array_equal(given[name], latents[name])


def test_a_part_is_made_once_for_each_change_of_its_latent():
    model, x, latents, _ = linear_example()
    langevin(model, tf.constant(x), tensors(latents), steps=5, step_size=0.1, sigma=1.0)
    # Nothing follows the last move.
    assert model.calls == 2 * (1 + 5) - 1


def deformable(seed=0):
    keras.utils.set_random_seed(seed)
    # Scheme 2 starts with fields of several pixels, so that the geometry has gradients.
    return DeformableGenerator(
        AppearanceGenerator(latent_dim=5, side=32, width=0.1, equalized=True),
        GeometricGenerator(latent_dim=4, side=32, equalized=True, gain=0.7),
        jit_compile_warp=False,
    )


def normal(*shape, seed=0):
    return tf.constant(np.random.default_rng(seed).normal(size=shape), tf.float32)


@pytest.mark.parametrize("simultaneous", [False, True])
def test_kept_tapes_give_the_numbers_of_the_plain_alternation(simultaneous):
    model = deformable()
    start = {"appearance": normal(2, 5), "geometry": normal(2, 4)}
    other = {"appearance": normal(2, 5, seed=1), "geometry": normal(2, 4, seed=1)}
    x = model(other)
    noise = {"appearance": normal(3, 2, 5, seed=2), "geometry": normal(3, 2, 4, seed=2)}
    step_size, sigma = 0.1, 1.0

    def slope(latents, name):
        with tf.GradientTape() as tape:
            tape.watch(latents[name])
            total = tf.reduce_sum(energy(model, x, latents, sigma))
        return tape.gradient(total, latents[name])

    plain = dict(start)
    for step in range(3):
        old = dict(plain)
        for name in plain:
            gradient = slope(old if simultaneous else plain, name)
            kick = step_size * noise[name][step]
            plain[name] = plain[name] - step_size**2 / 2 * gradient + kick

    result = langevin(
        model,
        x,
        start,
        steps=3,
        step_size=step_size,
        sigma=sigma,
        noise=noise,
        simultaneous=simultaneous,
    )
    for name in start:
        assert np.abs(slope(start, name)).max() > 0.1
        np.testing.assert_allclose(result[name], plain[name], rtol=1e-3, atol=1e-4)


def test_chains_have_the_stationary_law_of_the_discretised_dynamics():
    scales, sigma, step_size, chains = np.array([0.5, 2.0, 4.0]), 0.75, 0.4, 20_000
    model = LinearModel(a=np.diag(scales))
    x = np.array([0.3, -0.8, 0.5], np.float32)
    precision = scales**2 / (4 * sigma**2) + 1
    mean = scales * x / (4 * sigma**2) / precision
    variance = 1 / (precision * (1 - step_size**2 * precision / 4))
    rng = np.random.default_rng(0)
    z = {"a": tf.zeros([chains, 3])}
    for _ in range(15):
        noise = {"a": tf.constant(rng.normal(size=(10, chains, 3)), tf.float32)}
        z = langevin(
            model, tf.constant(x), z, steps=10, step_size=step_size, sigma=sigma, noise=noise
        )
    samples = z["a"].numpy().astype(np.float64)
    # Within four standard errors, which is far from 1 / precision in the last coordinate.
    np.testing.assert_array_less(np.abs(samples.mean(0) - mean), 4 * (variance / chains) ** 0.5)
    np.testing.assert_allclose(samples.var(0), variance, rtol=4 * (2 / chains) ** 0.5)
    assert variance[-1] * precision[-1] > 1.3


def test_without_noise_all_groups_reach_the_ridge_solution():
    model, x, latents, _ = linear_example()
    sigma = 0.5
    z = tensors(latents)
    advance = tf.function(
        lambda z: langevin(model, tf.constant(x), z, steps=20, step_size=0.4, sigma=sigma)
    )
    for _ in range(40):
        z = advance(z)
    joint = np.concatenate([model.weights["a"], model.weights["b"]], 1).astype(np.float64)
    mode = np.linalg.solve(joint.T @ joint + 4 * sigma**2 * np.eye(5), joint.T @ x.T).T
    np.testing.assert_allclose(np.concatenate([z["a"], z["b"]], 1), mode, atol=1e-4)


def test_energy_is_minus_log_density_up_to_one_constant():
    model, x, latents, _ = linear_example(batch=5)
    sigma = 0.6
    image = sum(z @ model.weights[name].T for name, z in latents.items())
    density = scipy.stats.norm.logpdf((x + 1) / 2, (image + 1) / 2, sigma).sum(1)
    density += sum(scipy.stats.norm.logpdf(z).sum(1) for z in latents.values())
    values = energy(model, tf.constant(x), tensors(latents), sigma).numpy()
    constant = scipy.stats.norm.logpdf(0, 0, sigma) * 6 + scipy.stats.norm.logpdf(0) * 5
    np.testing.assert_allclose(values, constant - density, rtol=1e-5)


def test_squared_error_is_a_sum_on_the_unit_scale():
    black, white = -tf.ones([2, 4, 4, 3]), tf.ones([2, 4, 4, 3])
    np.testing.assert_array_equal(squared_error(black, white), [48, 48])
    levels = np.random.default_rng(0).integers(0, 256, (2, 5, 4, 4, 3)).astype(np.float64)
    expected = (((levels[0] - levels[1]) / 255) ** 2).sum((1, 2, 3))
    one, other = tf.constant(levels / 127.5 - 1, tf.float32)
    np.testing.assert_allclose(squared_error(one, other), expected, rtol=1e-5)


def test_a_chain_is_the_same_alone_and_among_a_hundred():
    model = deformable()
    ids = tf.constant(np.random.default_rng(0).integers(0, 2**63, 100))
    chains = Chains(ids, model.latent_dims, seed=0)
    learner = AlternatingBackprop(
        model, chains, keras.optimizers.Adam(), total_steps=1, langevin_steps=2, seed=11
    )
    x = model({"appearance": normal(100, 5, seed=5), "geometry": normal(100, 4, seed=6)})
    together = learner.infer(x, chains.read(tf.range(100)), ids, 1.0)
    alone = learner.infer(x[41:42], chains.read([41]), ids[41:42], 1.0)
    for name in together:
        np.testing.assert_allclose(alone[name][0], together[name][41], rtol=1e-3, atol=1e-4)
        assert np.abs(together[name][40] - together[name][41]).max() > 0.1


@pytest.mark.parametrize("simultaneous", [False, True])
def test_a_group_moves_at_its_own_step_size_and_zero_holds_it(simultaneous):
    model, x, latents, noise = linear_example()
    deltas, sigma = {"a": 0.0, "b": 0.4}, 0.7
    by_hand = dict(latents)
    for step in range(4):
        slope = hand_slope(model, x, by_hand, "b", sigma)
        by_hand["b"] = by_hand["b"] - 0.4**2 / 2 * slope + 0.4 * noise["b"][step]
    result = langevin(
        model,
        tf.constant(x),
        tensors(latents),
        steps=4,
        step_size=deltas,
        sigma=sigma,
        noise=tensors(noise),
        simultaneous=simultaneous,
    )
    np.testing.assert_array_equal(result["a"], latents["a"])
    np.testing.assert_allclose(result["b"], by_hand["b"], rtol=1e-4, atol=1e-5)
