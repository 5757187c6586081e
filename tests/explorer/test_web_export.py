"""--format=web: what the page in the folder is given. tests/slow looks at it in a browser."""

import base64
import json

import keras
import numpy as np
import pytest

from dgn_tf import export
from dgn_tf.config import Config, DataConfig, ModelConfig
from dgn_tf.explorer.describe import describe
from dgn_tf.explorer.server import SCRIPTS
from dgn_tf.explorer.web import write_web
from dgn_tf.models.factory import make_encoder, make_model
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.ownership import RECORD
from dgn_tf.visualize.directions import principal_directions


def model_of(folder):
    text = (folder / "model.js").read_text(encoding="utf-8")
    return json.loads(text.removeprefix("const MODEL = ").removesuffix(";\n"))


def decoded(network, weights, z):
    """A network as the page reads it: tanh of transposed convolutions."""
    maps = np.asarray(z, np.float64)[None, None]
    for layer in network["layers"]:
        kernel, stride, size = layer["kernel"], layer["stride"], len(maps)
        count = kernel * kernel * layer["inputs"] * layer["outputs"]
        numbers = weights[layer["start"] : layer["start"] + count + layer["biases"]]
        filters = numbers[:count].reshape(kernel, kernel, layer["inputs"], layer["outputs"])
        wide = np.zeros((size * stride + kernel, size * stride + kernel, layer["outputs"]))
        for y, x in np.ndindex(size, size):
            rows, columns = (slice(stride * i, stride * i + kernel) for i in (y, x))
            wide[rows, columns] += np.einsum("klio,i->klo", filters, maps[y, x])
        before = (kernel - stride) // 2
        maps = wide[before : before + size * stride, before : before + size * stride]
        biases = numbers[count:]
        maps = maps + (biases if len(biases) == maps.shape[2] else biases.reshape(maps.shape))
        maps = np.maximum(maps, 0) if layer["relu"] else maps
    return np.tanh(maps)


def encoded(network, weights, image):
    """An encoder as the page reads it: convolutions of images [S, S, C] with a border of zeros."""
    maps = np.asarray(image, np.float64)
    for layer in network["layers"]:
        kernel, stride, side = layer["kernel"], layer["stride"], len(maps) // layer["stride"]
        count = kernel * kernel * layer["inputs"] * layer["outputs"]
        numbers = weights[layer["start"] : layer["start"] + count + layer["outputs"]]
        filters = numbers[:count].reshape(kernel, kernel, layer["inputs"], layer["outputs"])
        before = (kernel - stride) // 2
        padded = np.pad(maps, ((before, kernel), (before, kernel), (0, 0)))
        made = np.empty((side, side, layer["outputs"]))
        for y, x in np.ndindex(side, side):
            rows, columns = (slice(stride * i, stride * i + kernel) for i in (y, x))
            made[y, x] = np.einsum("klio,kli->o", filters, padded[rows, columns])
        maps = made + numbers[count:]
        maps = np.maximum(maps, 0) if layer["relu"] else maps
    return maps.ravel()


@pytest.mark.parametrize("model", ["deformable", "deformable_vae"])
def test_the_page_is_given_the_encoder(model, tmp_path):
    keras.utils.set_random_seed(0)
    settings = ModelConfig(
        model=model, appearance_dim=2, geometry_dim=3, alpha=0.1, encoder_width=0.3
    )
    config = Config(data=DataConfig(side=32, channels=1), model=settings)
    network = make_model(settings, 32, 1)
    own = model == "deformable_vae"
    encoder = network.encoder if own else make_encoder(settings, network, 32, 1)
    folder = write_web(tmp_path / "a", config, network, None, None, None if own else encoder)
    found = model_of(folder)
    weights = np.frombuffer(base64.b64decode(found["weights"]), "<f2").astype(np.float64)
    image = np.random.default_rng(0).uniform(-1, 1, (32, 32, 1)).astype("f")
    guess = {name: mean[0] for name, (mean, _) in encoder(image[None]).items()}
    assert found["encoder"]["dims"] == {"appearance": 2, "geometry": 3}
    made = encoded(found["encoder"], weights, image)
    np.testing.assert_allclose(made, np.concatenate(list(guess.values())), atol=5e-4)
    assert np.abs(made).max() > 0.02


def test_a_folder_holds_the_page_and_the_model(served, run_app, tmp_path):
    source = f"--saved_model={served.path}"
    for _ in range(2):
        said = run_app(export, source, "--format=web", f"--output_dir={tmp_path}")
        assert said.status == 0, said.err
        folder = tmp_path / "heads" / "web"
        assert f"Open {folder}/index.html in a browser." in said.out
    assert [path.name for path in folder.parent.iterdir()] == ["web"]
    files = sorted(path.name for path in folder.iterdir() if path.name != RECORD)
    assert files == sorted(["backend.js", "index.html", "model.js", "style.css", *SCRIPTS])
    for name in files:
        assert b"://" not in (folder / name).read_bytes()
    found = model_of(folder)
    wanted = describe(
        "heads", served.model, (32, 3), principal_directions(served.model, served.chains)
    )
    assert {name: found[name] for name in wanted} == wanted and found["border"] == "zeros"
    weights = np.frombuffer(base64.b64decode(found["weights"]), "<f2").astype(np.float64)
    for group, z in (("appearance", [1.0, -2.0, 0.5]), ("geometry", [-1.0, 0.7])):
        made = decoded(found["networks"][group], weights, z)
        decoder = served.model.networks[group].decoder
        np.testing.assert_allclose(made, decoder(np.float32([z]))[0], atol=5e-3)
    geometry = found["networks"]["geometry"]
    assert geometry["maxPixels"] == 10.0 and geometry["smoothing"] == pytest.approx(1.6)


def test_a_run_is_exported_too(tiny_run, run_app, tmp_path):
    said = run_app(
        export, f"--run_dir={tiny_run.folder}", "--format=web", f"--output_dir={tmp_path}"
    )
    assert said.status == 0, said.err
    found = model_of(tmp_path / "run" / "web")
    assert (found["name"], found["deforms"], found["channels"]) == ("run", False, 1)
    assert list(found["networks"]) == ["appearance"] and found["encoder"] is None


@pytest.mark.parametrize("settings", [{"refinement": 0.1}, {"model": "deforming_autoencoder"}])
def test_layers_that_the_page_has_not_are_refused(settings, tmp_path):
    keras.utils.set_random_seed(0)
    config = Config(
        data=DataConfig(side=32, channels=1),
        model=ModelConfig(appearance_dim=2, geometry_dim=2, alpha=0.1, **settings),
    )
    with pytest.raises(InputError, match="`format=web` is for `model=deformable` without"):
        write_web(tmp_path / "a", config, make_model(config.model, 32, 1), None)
    assert not (tmp_path / "a").exists()


def test_an_export_is_not_exported_as_it_is(served, run_app, tmp_path):
    out = f"--output_dir={tmp_path}/out"
    said = run_app(export, f"--saved_model={served.path}", out)
    assert said.status == 2 and "is a SavedModel already" in said.err
    said = run_app(export, f"--saved_model={served.path}", "--format=web", "--amortised", out)
    assert said.status == 2 and "--amortised belongs to --format=saved_model" in said.err
    said = run_app(export, "--saved_model=none", "--format=web", out)
    assert said.status == 2 and "--saved_model=none holds no exported model" in said.err
    assert not (tmp_path / "out").exists()
