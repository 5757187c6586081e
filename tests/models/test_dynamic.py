"""The dynamic model against the image model, Eq. 17 in NumPy and finite differences."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgn_tf.config import ModelConfig
from dgn_tf.inference.energy import energy
from dgn_tf.models.deformable import DeformableGenerator
from dgn_tf.models.dynamic import DynamicDeformableGenerator, TransitionNetwork
from dgn_tf.models.factory import make_model
from dgn_tf.models.generators import AppearanceGenerator, GeometricGenerator
from dgn_tf.ops.warp import warp

SIDE, STEPS = 32, 3
D_A, D_G, XI_A, XI_G = 4, 3, 2, 5


def make(steps=STEPS, residual=False, frames_per_chunk=0, **penalties):
    keras.utils.set_random_seed(0)
    emission = DeformableGenerator(
        AppearanceGenerator(D_A, SIDE, 1, width=0.02, equalized=True, table="V"),
        GeometricGenerator(D_G, SIDE, equalized=True, gain=0.7, table="V", width=0.05),
        jit_compile_warp=False,
        **penalties,
    )
    transitions = {
        "appearance": TransitionNetwork(D_A, XI_A, hidden=6, residual=residual),
        "geometry": TransitionNetwork(D_G, XI_G, hidden=6, residual=residual),
    }
    return DynamicDeformableGenerator(emission, transitions, steps, frames_per_chunk)


def latents(model, batch=2, seed=0):
    rng = np.random.default_rng(seed)
    return {
        name: tf.constant(rng.standard_normal((batch, dim)), tf.float32)
        for name, dim in model.latent_dims.items()
    }


def numpy_states(network, noise, residual):
    """Eq. 11, step by step, in float64."""
    (w1, b1), (w2, b2), (w3, b3) = (
        [v.numpy().astype(np.float64) for v in layer.weights] for layer in network.network.layers
    )
    states = [np.zeros((len(noise), w3.shape[1]))]
    for xi in np.moveaxis(np.asarray(noise, np.float64), 1, 0):
        h = np.maximum(np.concatenate([states[-1], xi], 1) @ w1 + b1, 0)
        change = np.maximum(h @ w2 + b2, 0) @ w3 + b3
        states.append(np.tanh(change + states[-1]) if residual else np.tanh(change))
    return np.stack(states, 1)


def test_tables_v_parameters_of_the_paper():
    settings = ModelConfig(model="dynamic", appearance_dim=60, geometry_dim=30)
    counts = {
        name: network.count_params()
        for name, network in make_model(settings, 64, 3, frames=16).networks.items()
    }

    def deconvolution(kernel, inputs, outputs):
        return kernel**2 * inputs * outputs + outputs

    assert counts["appearance"] == 61 * 4 * 4 * 512 + sum(
        deconvolution(*level)
        for level in [(3, 512, 512), (3, 512, 256), (3, 256, 128), (3, 128, 64), (5, 64, 3)]
    )
    assert counts["geometry"] == 31 * 4 * 4 * 256 + sum(
        deconvolution(*level) for level in [(4, 256, 128), (4, 128, 64), (5, 64, 2)]
    )
    assert counts["appearance_transition"] == 64 * 20 + 21 * 20 + 21 * 60
    assert counts["geometry_transition"] == 41 * 20 + 21 * 20 + 21 * 30


@pytest.mark.parametrize("residual", [False, True])
def test_the_transition_unrolled_by_hand(residual):
    model = make(residual=residual)
    z = latents(model)["geometry"]
    noise = z.numpy()[:, D_G:].reshape(2, STEPS, XI_G)
    states = numpy_states(model.transitions["geometry"], noise, residual)
    expected = z.numpy()[:, None, :D_G] + states
    np.testing.assert_allclose(model.frame_latents("geometry", z), expected, atol=1e-5)
    graph = tf.function(lambda z: model.frame_latents("geometry", z))
    np.testing.assert_allclose(graph(z), expected, atol=1e-5)
    # Without residual the state is bounded, and it moves.
    assert np.abs(states[:, 1:]).min() > 1e-4


def test_no_step_is_the_image_model():
    model = make(steps=0)
    z = latents(model)
    assert model.latent_dims == {"appearance": D_A, "geometry": D_G}
    np.testing.assert_array_equal(model(z)[:, 0], model.emission(z))


def test_every_frame_is_the_image_model_of_its_latents():
    model = make()
    z = latents(model)
    clip = model(z)
    assert clip.shape == (2, STEPS + 1, SIDE, SIDE, 1)
    frames = {name: model.frame_latents(name, value) for name, value in z.items()}
    for t in range(STEPS + 1):
        image = model.emission({name: value[:, t] for name, value in frames.items()})
        np.testing.assert_allclose(clip[:, t], image, atol=1e-5)


def test_longer_clips_begin_alike():
    model = make()
    z = latents(model)
    more = latents(make(steps=STEPS + 2), seed=1)
    longer = {
        name: tf.concat([z[name], more[name][:, -2 * xi :]], 1)
        for name, xi in (("appearance", XI_A), ("geometry", XI_G))
    }
    assert model(longer).shape[1] == STEPS + 3
    np.testing.assert_allclose(model(longer)[:, : STEPS + 1], model(z), atol=1e-5)


def test_the_energy_is_equation_17():
    model, sigma = make(), 0.7
    z = latents(model)
    x = tf.constant(
        np.random.default_rng(5).uniform(-1, 1, (2, STEPS + 1, SIDE, SIDE, 1)), tf.float32
    )
    expected = np.zeros(2)
    frames = {}
    for name, xi, dim in (("appearance", XI_A, D_A), ("geometry", XI_G, D_G)):
        value = z[name].numpy()
        noise = value[:, dim:].reshape(2, STEPS, xi)
        states = numpy_states(model.transitions[name], noise, False)
        frames[name] = tf.constant(value[:, None, :dim] + states, tf.float32)
        expected += np.square(value[:, :dim]).sum(1) / 2 + np.square(noise).sum((1, 2)) / 2
    for t in range(STEPS + 1):
        image = warp(
            model.emission.appearance(frames["appearance"][:, t]),
            model.emission.geometry(frames["geometry"][:, t]),
            jit_compile=False,
        )
        error = np.square((x[:, t] - image).numpy() / 2).sum((1, 2, 3))
        expected += error / (2 * sigma**2)
    np.testing.assert_allclose(energy(model, x, z, sigma), expected, rtol=1e-4)


def test_gradients_through_time_equal_finite_differences():
    # Eq. 18 and 20 without the warp, in float64: the states feed a linear emission.
    keras.utils.set_random_seed(3)
    network = TransitionNetwork(3, 2, hidden=5, dtype="float64")
    rng = np.random.default_rng(0)
    noise, target = rng.standard_normal((2, 4, 2)), rng.standard_normal((2, 5, 3))

    def error(noise):
        return tf.reduce_sum(tf.square(network.unroll(tf.convert_to_tensor(noise)) - target))

    values = [tf.constant(noise), *network.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch(values[0])
        loss = error(values[0])
    gradients = tape.gradient(loss, values)
    step = 1e-6
    for place in [(0, 0, 0), (1, 3, 1), (0, 2, 1)]:
        moved = [noise.copy() for _ in range(2)]
        moved[0][place] += step
        moved[1][place] -= step
        slope = (error(moved[0]) - error(moved[1])) / (2 * step)
        np.testing.assert_allclose(gradients[0][place], slope, rtol=1e-5, atol=1e-8)
    for variable, gradient in zip(network.trainable_variables, gradients[1:], strict=True):
        place = tuple(0 for _ in variable.shape)
        kept = variable.numpy()
        slopes = []
        for sign in (1, -1):
            moved = kept.copy()
            moved[place] += sign * step
            variable.assign(moved)
            slopes.append(error(noise))
        variable.assign(kept)
        slope = (slopes[0] - slopes[1]) / (2 * step)
        np.testing.assert_allclose(gradient.numpy()[place], slope, rtol=1e-5, atol=1e-8)


def test_chunks_change_neither_clip_nor_gradient():
    z = latents(make())
    x = tf.zeros([2, STEPS + 1, SIDE, SIDE, 1])
    results = []
    for chunk in (0, 1, 3):
        model = make(frames_per_chunk=chunk)
        with tf.GradientTape() as tape:
            tape.watch(z)
            loss = tf.reduce_sum(energy(model, x, z, 1.0))
        results.append(
            [loss, *tf.nest.flatten(tape.gradient(loss, (z, model.trainable_variables)))]
        )
    for other in results[1:]:
        for mine, theirs in zip(results[0], other, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=2e-4, atol=1e-4)


def test_penalties_and_diagnostics_are_over_all_frames():
    model = make(mean_penalty=2.0, fold_penalty=3.0)
    z = latents(model)
    parts = {name: model.part(name, value) for name, value in z.items()}
    flat = {name: tf.reshape(part, [-1, *part.shape[2:]]) for name, part in parts.items()}
    np.testing.assert_allclose(model.regularization(parts), model.emission.regularization(flat))
    for name, value in model.diagnostics(parts).items():
        np.testing.assert_allclose(value, model.emission.diagnostics(flat)[name])


def test_a_transition_keeps_its_settings():
    network = TransitionNetwork(3, 2, hidden=6, residual=True)
    again = TransitionNetwork.from_config(network.get_config())
    assert again.settings == {"state_dim": 3, "noise_dim": 2, "hidden": 6, "residual": True}


def test_impossible_settings_are_named():
    emission = make().emission
    good = {"appearance": TransitionNetwork(D_A, 1), "geometry": TransitionNetwork(D_G, 1)}
    with pytest.raises(ValueError, match="geometry transition has a state of 7 numbers"):
        DynamicDeformableGenerator(emission, {**good, "geometry": TransitionNetwork(7, 1)}, 2)
    with pytest.raises(ValueError, match="at least 0, got -1"):
        DynamicDeformableGenerator(emission, good, -1)
    with pytest.raises(ValueError, match="at least 1"):
        TransitionNetwork(0, 1)
    with pytest.raises(ValueError, match=r"side must be one of \(32, 64\), got 128"):
        GeometricGenerator(D_G, 128, table="V")
    with pytest.raises(ValueError, match="table must be one of IV, V"):
        AppearanceGenerator(table="VI")
