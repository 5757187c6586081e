"""An encoder that guesses what Langevin dynamics would find."""

import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgn_tf import amortise, evaluate, export, infer
from dgn_tf.inference.amortized import fit_encoder
from dgn_tf.inference.energy import squared_error
from dgn_tf.inference.posterior import Inference
from dgn_tf.models.autoencoder import Encoder
from dgn_tf.runs.trained import load_trained
from dgn_tf.serving.lite import LiteModel
from dgn_tf.serving.saved_model import answers_of


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
    starts = infer_z.starts_of(tf.constant(x), infer_z._library, {})
    np.testing.assert_allclose(starts["geometry"][:50], encoder(x)["geometry"][0], atol=1e-6)


@pytest.fixture
def amortised(tiny_run, run_app):
    """The folder of a run with an encoder, which goes away again."""
    said = run_app(amortise, f"--run_dir={tiny_run.folder}", "--epochs=2", "--width=0.1")
    assert said.status == 0, said.err
    yield tiny_run.folder
    (tiny_run.folder / "encoder.keras").unlink()
    shutil.rmtree(tiny_run.folder / "evaluation", ignore_errors=True)


def test_a_run_without_one_says_how_to_make_it(tiny_run, run_app, tmp_path):
    said = run_app(
        infer,
        f"--run_dir={tiny_run.folder}",
        f"--data=npz:{tiny_run.root}/data.npz",
        "--amortised",
        f"--output_dir={tmp_path}/a",
    )
    assert said.status == 2 and "has no encoder.keras: run dgn_tf.amortise" in said.err


def test_the_others_begin_with_it_if_they_are_not_told_otherwise(amortised, run_app, tmp_path):
    images = np.random.default_rng(5).integers(0, 256, (6, 32, 32), dtype=np.uint8)
    np.savez(tmp_path / "other.npz", images=images)
    given = f"--run_dir={amortised}", f"--data=npz:{tmp_path}/other.npz"
    for number, (more, used) in enumerate((((), True), (("--noamortised", "--steps=10"), False))):
        said = run_app(infer, *given, *more, f"--output_dir={tmp_path}/{number}")
        assert said.status == 0, said.err
        report = json.loads((tmp_path / f"{number}/report.json").read_text())
        assert report["amortised"] is used and report["steps"] == (100 if used else 10)
    said = run_app(evaluate, *given)
    assert said.status == 0, said.err
    report = json.loads((amortised / "evaluation/held_out/report.json").read_text())
    assert report["origin"]["inference"]["amortised"] is True
    (amortised / "encoder.keras").write_bytes(b"broken")
    refused = run_app(evaluate, *given)
    assert refused.status == 2 and "cannot be read" in refused.err


@pytest.mark.slow
def test_an_export_holds_it_and_answers_with_it(amortised, run_app, tmp_path):
    out = f"--output_dir={tmp_path}"
    said = run_app(export, f"--run_dir={amortised}", out, "--name=tiny")
    assert said.status == 0, said.err
    encoder = keras.models.load_model(amortised / "encoder.keras")
    x = np.random.default_rng(0).uniform(size=(3, 32, 32, 1)).astype("f")
    guess = encoder(2 * x - 1)["appearance"][0]
    path = tmp_path / "tiny" / "1"
    found = answers_of(path, {"encode": {"image": x}})["encode"]
    np.testing.assert_allclose(found["z_appearance"], guess, atol=1e-5)
    loaded = load_trained(None, str(path))
    np.testing.assert_array_equal(loaded.encoder()(2 * x - 1)["appearance"][0], guess)
    assert loaded.encoder(False) is None
    pixels = np.random.default_rng(5).integers(0, 256, (3, 32, 32), dtype=np.uint8)
    np.savez(tmp_path / "new.npz", images=pixels)
    latents = []
    for source in (f"--run_dir={amortised}", f"--saved_model={path}"):
        folder = tmp_path / source[2:5]
        said = run_app(infer, source, f"--data=npz:{tmp_path}/new.npz", f"--output_dir={folder}")
        assert said.status == 0, said.err
        assert json.loads((folder / "report.json").read_text())["amortised"] is True
        latents.append(np.load(folder / "latents.npz")["z_appearance"])
    np.testing.assert_allclose(*latents, atol=1e-6)
    said = run_app(export, f"--run_dir={amortised}", out, "--name=plain", "--noamortised")
    assert said.status == 0, said.err
    assert load_trained(None, f"{tmp_path}/plain").encoder() is None


@pytest.mark.slow
def test_it_becomes_a_file_for_devices(amortised, run_app, tmp_path):
    command = f"--run_dir={amortised}", "--format=tflite", f"--output_dir={tmp_path}"
    kinds = "--part=encoder", "--quantization=float32", "--quantization=int8"
    said = run_app(export, *command, *kinds, "--name=tiny")
    assert said.status == 0, said.err
    assert said.out.count(" of z\n") == 2
    encoder = keras.models.load_model(amortised / "encoder.keras")
    x = np.random.default_rng(0).uniform(size=(1, 32, 32, 1)).astype("f")
    found = LiteModel(tmp_path / "tiny" / "encoder_float32.tflite")(image=x)["z_appearance"]
    np.testing.assert_allclose(found, encoder(2 * x - 1)["appearance"][0], atol=1e-5)
