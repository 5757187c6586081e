"""Networks in low precision: what stays float32, and how near the numbers are."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgn_tf import train
from dgn_tf.config import PRECISIONS, ModelConfig
from dgn_tf.inference.energy import energy
from dgn_tf.inference.langevin import langevin
from dgn_tf.models.discriminator import Discriminator
from dgn_tf.models.factory import make_model
from dgn_tf.training import factory
from dgn_tf.training.gradient_step import apply_gradients

LOW = PRECISIONS[1:]


def model(precision, name="deformable", **settings):
    keras.utils.set_random_seed(0)
    settings = {"appearance_dim": 3, "geometry_dim": 2, "alpha": 0.2, **settings}
    return make_model(ModelConfig(model=name, precision=precision, **settings), 32, 3)


def examples(count=3):
    rng = np.random.default_rng(0)
    z = {"appearance": rng.standard_normal((count, 3)), "geometry": rng.standard_normal((count, 2))}
    x = tf.constant(rng.uniform(-1, 1, (count, 32, 32, 3)), tf.float32)
    return x, {name: tf.constant(value, tf.float32) for name, value in z.items()}


@pytest.mark.parametrize("precision", LOW)
def test_weights_parts_energy_and_latents_are_float32_and_near_those_of_float32(precision):
    full, low = model("float32"), model(precision)
    low.set_weights(full.get_weights())
    assert {weight.dtype for weight in low.weights} == {"float32"}
    assert low.appearance.decoder.layers[2].compute_dtype == precision.removeprefix("mixed_")
    x, z = examples()
    for name in z:
        mine, theirs = low.part(name, z[name]), full.part(name, z[name])
        assert mine.dtype == tf.float32
        assert np.abs(mine - theirs).max() < 0.02 * np.abs(theirs).max()
        assert not np.array_equal(mine, theirs)
    found, expected = energy(low, x, z, 1.0), energy(full, x, z, 1.0)
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, expected, rtol=1e-3)
    moved, reference = (langevin(m, x, z, steps=2, step_size=0.1, sigma=1.0) for m in (low, full))
    for name in z:
        assert moved[name].dtype == tf.float32
        change = np.abs(reference[name] - z[name]).max()
        assert np.abs(moved[name] - reference[name]).max() < 0.1 * change


@pytest.mark.parametrize("precision", LOW)
def test_a_refinement_takes_and_gives_float32(precision):
    low = model(precision, refinement=0.1)
    low.refinement.network.layers[-1].bias.assign([0.5, 0.0, -0.5])
    full = model("float32", refinement=0.1)
    full.set_weights(low.get_weights())
    assert low.refinement.network.layers[0].compute_dtype == precision.removeprefix("mixed_")
    x, z = examples()
    # Below the steps of bfloat16, which are 2^-9 and more at these values.
    finer = 0.5 + 1e-4 * x
    mine, theirs = low.refinement(finer), full.refinement(finer)
    assert mine.dtype == tf.float32
    np.testing.assert_allclose(mine, theirs, atol=1e-5)
    assert energy(low, x, z, 1.0).dtype == tf.float32


@pytest.mark.parametrize("name", ["abp", "vae", "deforming_autoencoder"])
def test_the_other_models_have_it_too(name):
    made = model("mixed_bfloat16", name)
    network = next(iter(made.networks.values()))
    assert network.compute_dtype == "bfloat16"
    z = {group: tf.ones([2, dim]) for group, dim in made.latent_dims.items()}
    assert made.combine({group: made.part(group, v) for group, v in z.items()}).dtype == tf.float32


def test_the_discriminator_ends_in_float32():
    made = Discriminator(32, 3, 0.1, minibatch_deviation=True, dtype="mixed_bfloat16")
    assert made(tf.zeros([2, 32, 32, 3])).dtype == tf.float32
    names = {layer.compute_dtype for layer in made.network.layers}
    assert names == {"bfloat16", "float32"}


def test_a_scaled_loss_gives_the_step_of_the_loss_itself():
    found = []
    for scaled in (False, True):
        weight = keras.Variable([2.0, -3.0])
        optimizer = factory.scaled(
            keras.optimizers.SGD(0.1), "mixed_float16" if scaled else "float32"
        )
        optimizer.build([weight])
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(weight.value)) / 2.0
        metrics = apply_gradients(optimizer, tape, loss, [weight.value], {}, {})
        found.append([weight.numpy(), metrics["loss"], metrics["gradient_norm"]])
    for mine, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6)
    np.testing.assert_allclose(found[0][0], [1.8, -2.7], rtol=1e-6)


def test_an_infinite_gradient_is_left_out_where_losses_are_scaled():
    weight = keras.Variable([1.0])
    optimizer = factory.scaled(keras.optimizers.SGD(0.1), "mixed_float16")
    optimizer.build([weight])
    with tf.GradientTape() as tape:
        # The loss is fine, its gradient is not.
        loss = tf.reduce_sum(tf.sqrt(weight.value - 1.0))
    metrics = apply_gradients(optimizer, tape, loss, [weight.value], {}, {})
    assert float(metrics["finite"]) == 1.0 and weight.numpy() == [1.0]
    assert int(optimizer.iterations) == 0 and float(metrics["gradient_norm"]) == 0.0
    # Gradients that are never finite are not passed over forever.
    optimizer.dynamic_scale.assign(2.0**-11)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.sqrt(weight.value - 1.0))
    metrics = apply_gradients(optimizer, tape, loss, [weight.value], {}, {})
    assert float(metrics["finite"]) == 0.0


@pytest.mark.parametrize("precision", LOW)
def test_a_run_in_low_precision(precision, run_app, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32), dtype=np.uint8)
    np.savez(tmp_path / "data.npz", images=images)
    said = run_app(
        train,
        f"--data=npz:{tmp_path}/data.npz",
        "--model=abp",
        "--side=32",
        "--channels=1",
        "--appearance_dim=2",
        "--alpha=0.1",
        "--batch_size=4",
        "--langevin_steps=1",
        "--epochs=2",
        f"--precision={precision}",
        f"--run_dir={tmp_path}/run",
    )
    assert said.status == 0, said.err
    kept = keras.models.load_model(tmp_path / "run/model.keras")
    assert kept.appearance.compute_dtype == precision.removeprefix("mixed_")
