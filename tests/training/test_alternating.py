"""Alternating back-propagation against principal components, Eq. 9 and finite differences."""

import keras
import numpy as np
import pytest
import scipy.linalg
import tensorflow as tf
from linear_model import LinearModel

from dgn_tf.inference.langevin import langevin
from dgn_tf.models.deformable import DeformableGenerator
from dgn_tf.models.generators import AppearanceGenerator, GeometricGenerator
from dgn_tf.training.alternating import AlternatingBackprop
from dgn_tf.training.chains import Chains


def linear_learner(examples=6, pixels=5, dim=2, optimizer=None, **settings):
    keras.utils.set_random_seed(0)
    model = LinearModel(pixels, dim)
    chains = Chains(np.arange(examples), model.latent_dims, seed=0)
    return AlternatingBackprop(
        model, chains, optimizer or keras.optimizers.SGD(0.1), **{"total_steps": 100, **settings}
    )


def deformable_learner(optimizer=None, fold_penalty=0.0, mean_penalty=0.0, **settings):
    keras.utils.set_random_seed(0)
    model = DeformableGenerator(
        AppearanceGenerator(latent_dim=4, side=32, width=0.1, equalized=True),
        GeometricGenerator(latent_dim=3, side=32, equalized=True, gain=0.7),
        fold_penalty=fold_penalty,
        mean_penalty=mean_penalty,
        jit_compile_warp=False,
    )
    chains = Chains(np.arange(4), model.latent_dims, seed=0)
    settings = {"total_steps": 10, "langevin_steps": 2, **settings}
    return AlternatingBackprop(model, chains, optimizer or keras.optimizers.Adam(), **settings)


def images(*shape, seed=0):
    return tf.constant(np.random.default_rng(seed).uniform(-1, 1, shape), tf.float32)


def values(variables):
    return [variable.numpy() for variable in variables]


def test_a_linear_generator_learns_the_subspace_of_principal_components():
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(20, 3)))[0]
    data = rng.normal(size=(300, 3)) * [2.0, 1.5, 1.0] @ basis.T + 0.3 * rng.normal(size=(300, 20))
    data -= data.mean(0)
    learner = linear_learner(
        300,
        20,
        3,
        keras.optimizers.Adam(0.02),
        total_steps=400,
        langevin_steps=5,
        step_size="0.15",
        sigma="0.15",  # 0.3 on the data's scale
    )
    step = tf.function(learner.step)
    index, x = tf.range(300), tf.constant(data, tf.float32)
    weights = np.zeros((20, 20))
    for iteration in range(400):
        metrics = step(index, tf.cast(index, tf.int64), x)
        if iteration >= 300:
            learned = learner.model.layer.kernel.numpy().T
            weights += learned @ learned.T / 100
    assert metrics["finite"] == 1
    components = np.linalg.svd(data, full_matrices=False)[2][:3].T
    angles = scipy.linalg.subspace_angles(learned, components)
    assert np.degrees(angles.max()) < 3
    # PPCA: the covariance of the signal is the leading variances s less the noise's, n. Langevin
    # steps widen the posterior of precision p by 1 / (1 - step_size^2 p / 4); with that in the
    # fixed point of Eq. 9, s - n becomes n (p - 1) with p = (s / n) / (1 + step_size^2 s / (4 n)).
    ratio = np.linalg.svd(data, compute_uv=False)[:3] ** 2 / 300 / 0.3**2
    signal = 0.3**2 * (ratio / (1 + 0.15**2 * ratio / 4) - 1)
    np.testing.assert_allclose(np.linalg.eigvalsh(weights)[-3:][::-1], signal, rtol=0.05)


def test_a_step_moves_the_indexed_chains_as_infer_does_and_no_other():
    learner = linear_learner()
    before = learner.chains.groups["appearance"].numpy()
    index, ids = tf.constant([4, 1]), tf.constant([4, 1], tf.int64)
    x = images(2, 5)
    expected = learner.infer(x, learner.chains.read(index), ids, 1.0)["appearance"].numpy()
    learner.step(index, ids, x)
    after = learner.chains.groups["appearance"].numpy()
    np.testing.assert_allclose(after[[4, 1]], expected, rtol=1e-6)
    assert np.abs(after[[4, 1]] - before[[4, 1]]).min() > 1e-4
    np.testing.assert_array_equal(after[[0, 2, 3, 5]], before[[0, 2, 3, 5]])


def test_inference_leaves_networks_and_chains_and_learning_leaves_chains():
    learner = deformable_learner()
    index, ids, x = tf.range(4), tf.range(4, dtype=tf.int64), images(4, 32, 32, 3)
    networks, chains = values(learner.model.weights), values(learner.chains.variables)
    z = learner.infer(x, learner.chains.read(index), ids, 1.0)
    for before, after in zip(networks, values(learner.model.weights), strict=True):
        np.testing.assert_array_equal(before, after)
    learner.learn(x, z, 1.0)
    for before, after in zip(chains, values(learner.chains.variables), strict=True):
        np.testing.assert_array_equal(before, after)
    for before, after in zip(networks, values(learner.model.weights), strict=True):
        assert np.abs(before - after).max() > 1e-5


def test_finite_tells_a_nan_in_images_or_latents():
    learner = linear_learner(optimizer=keras.optimizers.SGD(0.0))
    index, ids, x = tf.range(6), tf.range(6, dtype=tf.int64), images(6, 5)
    assert learner.step(index, ids, x)["finite"] == 1
    broken = x.numpy()
    broken[3, 2] = np.nan
    z = learner.chains.read(index)
    assert learner.learn(tf.constant(broken), z, 1.0)["finite"] == 0
    learner = linear_learner(optimizer=keras.optimizers.SGD(0.0))
    infinite = {"appearance": tf.tensor_scatter_nd_update(z["appearance"], [[0, 0]], [np.inf])}
    assert learner.learn(x, infinite, 1.0)["finite"] == 0


def test_the_learning_step_is_equation_9():
    learner = linear_learner(optimizer=keras.optimizers.SGD(1.0))
    x, sigma = images(6, 5), 0.7
    z = learner.chains.read(tf.range(6))["appearance"].numpy()
    before = learner.model.layer.kernel.numpy()
    residual = (x - z @ before) / 2  # on the [0, 1] scale
    expected = z.T @ (residual / 2) / sigma**2 / 6
    metrics = learner.learn(x, {"appearance": tf.constant(z)}, sigma)
    np.testing.assert_allclose(learner.model.layer.kernel - before, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(metrics["msre"], np.square(residual).sum(1).mean(), rtol=1e-5)
    np.testing.assert_allclose(metrics["loss"], metrics["msre"] / (2 * sigma**2), rtol=1e-6)
    np.testing.assert_allclose(metrics["gradient_norm"], np.linalg.norm(expected), rtol=1e-4)
    np.testing.assert_allclose(metrics["appearance_mean"], z.mean(), rtol=1e-5)
    np.testing.assert_allclose(metrics["appearance_std"], z.std(), rtol=1e-5)


def test_gradients_through_the_warp_equal_finite_differences():
    learner = deformable_learner(keras.optimizers.SGD(1.0))
    model, sigma = learner.model, 0.8
    x, z = images(2, 32, 32, 3), learner.chains.read([0, 1])

    def loss():
        difference = (x.numpy() - model(z).numpy()).astype(np.float64) / 2
        return np.square(difference).sum((1, 2, 3)).mean() / (2 * sigma**2)

    biases = [model.appearance.decoder.layers[-2].bias, model.geometry.decoder.layers[-2].bias]
    start, slopes = values(biases), []
    for bias, value in zip(biases, start, strict=True):
        # Small, for the kinks of the interpolation; summed in float64, for the digits.
        nudge = np.eye(len(value))[0] * 1e-5
        bias.assign(value + nudge)
        ahead = loss()
        bias.assign(value - nudge)
        slopes.append((ahead - loss()) / 2e-5)
        bias.assign(value)
    learner.learn(x, z, sigma)
    moved = [a[0] - b[0] for a, b in zip(start, values(biases), strict=True)]
    np.testing.assert_allclose(moved, slopes, rtol=0.02)


def test_regularization_is_added_to_the_loss():
    plain, penalised = deformable_learner(), deformable_learner(mean_penalty=10000.0)
    x, z = images(4, 32, 32, 3), plain.chains.read(tf.range(4))
    displacement = plain.model.geometry(z["geometry"]).numpy()
    shift = displacement.mean(0) / displacement.shape[1]
    penalty = 10000.0 * np.square(shift).sum(-1).mean()
    one, other = plain.learn(x, z, 1.0), penalised.learn(x, z, 1.0)
    assert penalty > 1
    np.testing.assert_allclose(other["loss"] - one["loss"], penalty, rtol=1e-3)
    np.testing.assert_allclose(other["msre"], one["msre"], rtol=1e-5)


@pytest.mark.parametrize("settings", [{"noise": False}, {"noise": False, "simultaneous": True}])
def test_inference_passes_its_settings_on(settings):
    learner = deformable_learner(langevin_steps=3, step_size=0.05, **settings)
    x, z = images(2, 32, 32, 3), learner.chains.read([0, 1])
    ids = tf.constant([0, 1], tf.int64)
    simultaneous = settings.get("simultaneous", False)
    expected = langevin(
        learner.model, x, z, steps=3, step_size=0.05, sigma=0.9, simultaneous=simultaneous
    )
    result = learner.infer(x, z, ids, 0.9)
    for name in z:
        np.testing.assert_allclose(result[name], expected[name], rtol=1e-4, atol=1e-5)


def test_schedules_and_the_rescue_scale_reach_the_langevin_step():
    # With no pixel error the drift is -step_size^2 / 2 z.
    learner = linear_learner(
        optimizer=keras.optimizers.SGD(0.0),
        total_steps=4,
        langevin_steps=1,
        step_size="0:0.2,0.5:0.1",
        noise=False,
    )
    ids = tf.range(6, dtype=tf.int64)
    shrinkage = []
    for iteration in range(4):
        learner.scale.assign(0.5 if iteration == 1 else 1.0)
        z = learner.chains.read(tf.range(6))
        x = learner.model.part("appearance", z["appearance"])
        moved = learner.infer(x, z, ids, 1.0)["appearance"]
        shrinkage.append(1 - np.mean(moved / z["appearance"]))
        learner.learn(x, z, 1.0)
    np.testing.assert_allclose(shrinkage, [0.02, 0.005, 0.005, 0.005], rtol=1e-3)


def test_noise_is_new_at_each_step_and_the_same_for_the_same_seed():
    ids, x = tf.range(6, dtype=tf.int64), tf.zeros([6, 5])
    learner, twin = linear_learner(seed=4), linear_learner(seed=4)
    z = learner.chains.read(tf.range(6))
    first = learner.infer(x, z, ids, 1.0)["appearance"].numpy()
    np.testing.assert_array_equal(twin.infer(x, z, ids, 1.0)["appearance"], first)
    other = linear_learner(seed=5).infer(x, z, ids, 1.0)["appearance"]
    assert np.abs(other - first).max() > 0.1
    learner.optimizer.iterations.assign(1)
    assert np.abs(learner.infer(x, z, ids, 1.0)["appearance"] - first).max() > 0.1


def test_an_unreadable_schedule_is_refused():
    with pytest.raises(ValueError, match="fast"):
        linear_learner(step_size="fast")


def test_the_appearance_chains_wait_until_the_head_start_is_over():
    learner = deformable_learner(
        keras.optimizers.SGD(0.0), total_steps=8, head_start=0.3, step_size="0:0.2,0.5:0.1"
    )
    assert learner.head_start == 2
    index, ids, x = tf.range(4), tf.range(4, dtype=tf.int64), images(4, 32, 32, 3)
    moved = []
    for step in range(6):
        deltas = {name: float(delta) for name, delta in learner.step_sizes().items()}
        geometry = 0.2 if step < 4 else 0.1
        assert deltas == pytest.approx(
            {"appearance": 0.0 if step < 2 else geometry, "geometry": geometry}
        )
        before = {name: states.numpy() for name, states in learner.chains.groups.items()}
        learner.step(index, ids, x)
        moved.append(
            {n: np.abs(states - before[n]).max() for n, states in learner.chains.groups.items()}
        )
    assert [m["appearance"] > 0 for m in moved] == [False, False, True, True, True, True]
    assert min(m["geometry"] for m in moved) > 0.01


def test_without_a_head_start_all_groups_move_at_once_from_the_first_step():
    learner = deformable_learner(step_size="0.2")
    deltas = {name: float(delta) for name, delta in learner.step_sizes().items()}
    assert deltas == pytest.approx({"appearance": 0.2, "geometry": 0.2})


def test_nothing_waits_for_a_geometry_that_is_not_there():
    learner = linear_learner(head_start=0.5, step_size="0.2")
    assert float(learner.step_sizes()["appearance"]) == pytest.approx(0.2)
