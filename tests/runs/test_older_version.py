"""A run, a Keras file and an export that version 0.1.0 wrote load, and give the same results."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from dgn_tf import infer, train
from dgn_tf.inference import dynamics
from dgn_tf.runs.restoring import find_encoder, load_chains, load_run
from dgn_tf.serving import exported
from dgn_tf.serving.saved_model import answers_of
from dgn_tf.visualize.decoding import decode

STORED = Path(__file__).parents[1] / "data/version_0_1"


@pytest.fixture(scope="module")
def expected():
    with np.load(STORED / "expected.npz", allow_pickle=False) as file:
        return dict(file)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A copy of all that was written; the data were named relative to it."""
    shutil.copytree(STORED, tmp_path / "stored")
    monkeypatch.chdir(tmp_path / "stored")
    return tmp_path / "stored"


def assert_same_images(model, chains, expected):
    images, parts = decode(model, chains)
    np.testing.assert_allclose(images, expected["images"], atol=1e-5)
    np.testing.assert_allclose(parts["appearance"], expected["canonical"], atol=1e-5)
    np.testing.assert_allclose(parts["geometry"], expected["displacement"], atol=1e-4)


def test_a_run_is_loaded(expected):
    config, model = load_run(STORED / "run")
    assert config.learning.ema == 0.9 and config.data.data == "npz:data.npz"
    assert_same_images(model, load_chains(STORED / "run"), expected)
    assert find_encoder(STORED / "run").settings["latent_dims"] == model.latent_dims


def test_a_keras_file_is_loaded(expected):
    model = keras.models.load_model(STORED / "run/model.keras")
    assert_same_images(model, load_chains(STORED / "run"), expected)


@pytest.mark.slow
def test_an_export_is_loaded_and_served(expected):
    loaded = exported.load(STORED / "export")
    assert_same_images(loaded[1], load_chains(STORED / "run"), expected)
    with np.load(STORED / "export/1/golden.npz", allow_pickle=False) as golden:
        requests, wanted = {}, {}
        for key in golden.files:
            signature, kind, name = key.split("/")
            side = requests if kind == "inputs" else wanted
            side.setdefault(signature, {})[name] = golden[key]
    # Images as files are compared where the shipped model is.
    requests.pop("generate_png")
    found = answers_of(STORED / "export/1", requests)
    for signature, outputs in found.items():
        for name, value in outputs.items():
            np.testing.assert_allclose(value, wanted[signature][name], atol=1e-4, err_msg=name)


@pytest.mark.slow
def test_inference_gives_the_same_latents_and_edits(folder, run_app, expected, monkeypatch):
    # That version began at zero unless it was told otherwise, and descended without momentum.
    monkeypatch.setattr(dynamics, "MOMENTUM", 0.0)
    said = run_app(
        infer,
        "--run_dir=run",
        "--data=npz:data.npz",
        "--steps=20",
        "--starts=2",
        "--noamortised",
        "--edit=geometry:1=2",
        "--edit=appearance:2=-1",
        "--output_dir=out",
    )
    assert said.status == 0, said.err
    with np.load(folder / "out/latents.npz") as latents:
        for name in ("z_appearance", "z_geometry"):
            # Latents far down a slope amplify the rounding of another processor.
            np.testing.assert_allclose(latents[name], expected[name], atol=1e-3)
    edited = [np.asarray(Image.open(path)) for path in sorted(folder.glob("out/edited/*.png"))]
    assert np.abs(np.stack(edited).astype(int) - expected["edited"]).max() <= 1


def test_a_run_goes_on(folder, run_app):
    flags = (folder / "run/flags.cfg").read_text().replace("--epochs=2", "--epochs=3")
    (folder / "three.cfg").write_text(flags)
    said = run_app(train, "--flagfile=three.cfg", "--run_dir=run")
    assert said.status == 0, said.err
    rows = [json.loads(line) for line in (folder / "run/metrics.jsonl").read_text().splitlines()]
    wanted = json.loads((folder / "third_epoch.json").read_text())
    assert [row["epoch"] for row in rows] == [1, 2, 3] and rows[2].keys() == wanted.keys()
    for name, value in wanted.items():
        if name != "images_per_second":
            assert rows[2][name] == pytest.approx(value, rel=1e-3, abs=1e-4), name
