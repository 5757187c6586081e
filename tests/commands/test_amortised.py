"""An encoder that guesses what Langevin dynamics would find."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgn_tf import amortise, evaluate, infer
from dgn_tf.inference.amortized import fit_encoder
from dgn_tf.inference.energy import squared_error
from dgn_tf.inference.posterior import Inference
from dgn_tf.models.autoencoder import Encoder


class Stripes(keras.Model):
    """x = tanh(z_1 u + z_2 v) from a group for each of two fixed patterns."""

    latent_dims = {"appearance": 1, "geometry": 1}
    given_groups = class_groups = ()

    def __init__(self):
        super().__init__()
        axis = np.linspace(-1, 1, 32)
        across, down = np.meshgrid(axis, np.sin(6 * axis))
        self.patterns = {
            "appearance": tf.constant(across[..., None], tf.float32),
            "geometry": tf.constant(down[..., None], tf.float32),
        }

    def part(self, name, z):
        return z[:, :, None, None] * self.patterns[name]

    def combine(self, parts):
        return tf.tanh(parts["appearance"] + parts["geometry"])

    def call(self, latents):
        return self.combine({name: self.part(name, z) for name, z in latents.items()})


def latents(count, seed=0):
    rng = np.random.default_rng(seed)
    return {n: rng.standard_normal((count, 1)).astype(np.float32) for n in Stripes.latent_dims}


@pytest.fixture(scope="module")
def learned():
    keras.utils.set_random_seed(0)
    model, z = Stripes(), latents(200)
    encoder = Encoder(model.latent_dims, 32, 1, width=0.25, variance=False)
    told = []
    fit_encoder(
        model,
        encoder,
        model(z).numpy(),
        z,
        epochs=60,
        batch_size=25,
        progress=lambda *numbers: told.append(numbers),
    )
    assert told[0] == (1, 60) and told[-1] == (60, 60)
    return model, encoder


def test_it_guesses_the_latents_of_images_it_has_not_seen(learned):
    model, encoder = learned
    z = latents(50, seed=1)
    guess = encoder(model(z))
    for name, values in z.items():
        mean, spread = guess[name]
        assert spread is None
        assert np.corrcoef(mean[:, 0], values[:, 0])[0, 1] > 0.95


def test_inference_begins_with_its_guess_and_needs_few_steps(learned):
    model, encoder = learned
    x = model(latents(50, seed=1)).numpy()
    settings = {"step_size": 0.02, "sigma": 0.3, "starts": 1, "steps": 10}
    errors = []
    for used in (None, encoder):
        found = Inference(model, encoder=used, **settings)(x)
        errors.append(float(tf.reduce_mean(squared_error(tf.constant(x), model(found)))))
    assert errors[1] < 0.5 * errors[0]
    infer_z = Inference(model, encoder=encoder, steps=10, starts=3)
    starts = infer_z.starts_of(tf.constant(x), infer_z._library(), {})
    np.testing.assert_allclose(starts["geometry"][:50], encoder(x)["geometry"][0], atol=1e-6)


def test_the_program_learns_it_and_the_others_use_it(tiny_run, run_app, tmp_path):
    given = (f"--run_dir={tiny_run.folder}",)
    data = f"--data=npz:{tmp_path}/other.npz"
    images = np.random.default_rng(5).integers(0, 256, (6, 32, 32), dtype=np.uint8)
    np.savez(tmp_path / "other.npz", images=images)
    out = f"--output_dir={tmp_path}/out"
    refused = run_app(infer, *given, data, out, "--amortised", "--steps=10")
    assert refused.status == 2 and "has no encoder.keras: run dgn_tf.amortise" in refused.err
    said = run_app(amortise, *given, "--epochs=2", "--width=0.1")
    assert said.status == 0, said.err
    try:
        said = run_app(infer, *given, data, out, "--amortised", "--steps=10", "--starts=1")
        assert said.status == 0, said.err
        assert json.loads((tmp_path / "out/report.json").read_text())["amortised"] is True
        said = run_app(evaluate, *given, data, "--amortised", "--steps=10", "--starts=1")
        assert said.status == 0, said.err
        (tiny_run.folder / "encoder.keras").write_bytes(b"broken")
        refused = run_app(evaluate, *given, data, "--amortised")
        assert refused.status == 2 and "cannot be read" in refused.err
    finally:
        (tiny_run.folder / "encoder.keras").unlink()
