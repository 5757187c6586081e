"""The user's configuration of Keras changes no number."""

import json
import os
import subprocess
import sys

import pytest

from dgn_tf.utils.errors import InputError
from dgn_tf.utils.keras_settings import require_readable_settings

# Weights of every kind of network after a few steps of learning, as a checksum.
PROGRAM = """
import hashlib, sys
import numpy as np
from dgn_tf.config import ModelConfig
from dgn_tf.inference.amortized import fit_encoder
from dgn_tf.models.discriminator import Discriminator
from dgn_tf.models.factory import make_encoder, make_model
import keras
keras.utils.set_random_seed(0)
small = dict(appearance_dim=2, geometry_dim=2, alpha=0.1, refinement=0.1)
model = make_model(ModelConfig(**small, encoder_width=0.1), 32, 3)
clips = make_model(ModelConfig("dynamic", width=0.1), 32, 3, 4)
encoder = make_encoder(ModelConfig(**small, encoder_width=0.1), model, 32, 3)
judge = Discriminator(32, 3, 0.25, True)
rng = np.random.default_rng(0)
images = rng.uniform(-1, 1, (4, 32, 32, 3)).astype("float32")
latents = {name: rng.normal(size=(4, d)).astype("float32") for name, d in model.latent_dims.items()}
fit_encoder(model, encoder, images, latents, epochs=2, seed=0)
made = [judge(images), model(latents)]
made += [w for network in (model, clips, encoder, judge) for w in network.get_weights()]
print(hashlib.sha256(b"".join(np.asarray(each).tobytes() for each in made)).hexdigest())
print({str(np.asarray(each).dtype) for each in made})
"""
BACKENDS = "import keras\nkeras.config.backend = lambda: 'jax'\nimport dgn_tf.types"
HOSTILE = {
    "floatx": "float16",
    "epsilon": 0.01,
    "backend": "torch",
    "image_data_format": "channels_first",
}


def start(program, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


@pytest.fixture
def hostile(tmp_path):
    """Environment variables of a user who works with another backend, and in halves."""
    (tmp_path / "keras.json").write_text(json.dumps(HOSTILE))
    return {
        "KERAS_HOME": str(tmp_path),
        "KERAS_BACKEND": "jax",
        "KERAS_MAX_EPOCHS": "1",
        "TF_USE_LEGACY_KERAS": "1",
    }


@pytest.mark.slow
def test_the_numbers_are_the_same_whatever_keras_is_told(hostile):
    started = [start(PROGRAM), start(PROGRAM, **hostile)]
    (plain, _), (told, said) = [process.communicate(timeout=300) for process in started]
    assert plain == told and plain.splitlines()[1] == "{'float32'}", said
    assert "KERAS_BACKEND=jax is replaced by tensorflow" in said
    for name in ("image_data_format=channels_last", "floatx=float32", "epsilon=1e-07"):
        assert f"dgn_tf needs Keras with {name} and sets it in this process" in said


@pytest.mark.slow
def test_a_training_needs_no_older_keras(hostile):
    process = start("import dgn_tf.training.callbacks", **hostile)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said


@pytest.mark.slow
def test_a_program_that_has_imported_keras_with_another_backend_is_told():
    out, err = start(BACKENDS).communicate(timeout=300)
    assert err.splitlines()[-1].startswith(
        "ImportError: dgn_tf needs Keras with TensorFlow, and it was imported with jax: set "
    )


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        ("[]", "holds no JSON object"),
        ("3", "holds no JSON object"),
        ('{"floatx": "bfloat16"}', 'has floatx="bfloat16", not one of float16'),
        ('{"floatx": []}', "has floatx=[], not one of float16"),
        ('{"epsilon": 1}', "has epsilon=1, not a number with a point"),
        ('{"image_data_format": null}', "has image_data_format=null, not one of channels_last"),
        (None, "cannot be read (is a folder)"),
    ],
)
def test_settings_that_would_end_the_import_of_keras_are_named(
    tmp_path, monkeypatch, content, wrong
):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    path = tmp_path / "keras.json"
    require_readable_settings()
    path.write_text(content) if content else path.mkdir()
    with pytest.raises(InputError) as error:
        require_readable_settings()
    assert str(error.value).startswith(f"{path}, the settings of Keras, {wrong}")
    assert str(error.value).endswith("correct it, or remove it and Keras takes its defaults.")


@pytest.mark.parametrize("content", ["{}", "", "junk", '{"epsilon": 1e-07, "backend": "jax"}'])
def test_settings_that_keras_takes_are_passed_on(tmp_path, monkeypatch, content):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "keras.json").write_text(content)
    require_readable_settings()


@pytest.mark.slow
def test_a_command_names_the_settings_of_keras_in_one_line(tmp_path):
    (tmp_path / "keras.json").write_text("[]")
    program = "from dgn_tf.__main__ import main_cli; main_cli()"
    command = [sys.executable, "-c", program, "train", "--dry_run"]
    environment = {**os.environ, "KERAS_HOME": str(tmp_path)}
    said = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
    assert said.returncode == 2
    assert said.stderr.startswith(f"error: {tmp_path / 'keras.json'}, the settings of Keras, holds")
    assert said.stderr.count("\n") == 1
