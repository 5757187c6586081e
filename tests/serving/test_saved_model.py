"""A SavedModel against the Keras model it was made from, by the paths on which servers load it."""

import hashlib
import pathlib
import shutil
import subprocess
import sys
import types

import numpy as np
import pytest
import tensorflow as tf
import yaml
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2

from dgn_tf.inference.energy import squared_error
from dgn_tf.inference.posterior import Inference
from dgn_tf.inference.statistics import LatentStatistics
from dgn_tf.ops.warp import warp
from dgn_tf.runs.trained import load_trained
from dgn_tf.serving import exported, saved_model
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.painted import is_painted
from dgn_tf.visualize.directions import principal_directions
from dgn_tf.visualize.photographs import enlarged_field


def in_python(path, requests):
    """Answers of all requests by `tf.saved_model.load`."""
    signatures = tf.saved_model.load(str(path)).signatures
    return {
        name: {
            key: value.numpy()
            for key, value in signatures[name](
                **{key: tf.constant(value) for key, value in inputs.items()}
            ).items()
        }
        for name, inputs in requests.items()
    }


REQUEST = {
    "step_size": np.float32(0),
    "sigma": np.float32(0),
    "seed": np.int64(-1),
    "steps": np.int32(20),
}


@pytest.fixture(scope="module")
def requests(served):
    rng = np.random.default_rng(1)
    z = {
        f"z_{n}": rng.standard_normal((3, d)).astype("f")
        for n, d in served.model.latent_dims.items()
    }
    images = rng.uniform(size=(3, 32, 32, 3)).astype("f")
    return {
        "serving_default": z,
        "generate": z,
        "generate_png": z,
        "appearance": {"z_appearance": z["z_appearance"]},
        "displacement": {"z_geometry": z["z_geometry"]},
        "warp": {
            "image": rng.uniform(size=(3, 40, 56, 1)).astype("f"),
            "z_geometry": z["z_geometry"],
        },
        "reconstruct": {"image": images, **REQUEST},
    }


@pytest.fixture(scope="module", params=["C++", "Python"])
def answers(request, served, requests, serve):
    if request.param == "Python":
        return in_python(served.path, requests)
    return {name: serve(name, inputs) for name, inputs in requests.items()}


def close(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def keras_model(served, z):
    """Image, canonical image and displacement of the model itself, in [0, 1] and pixels."""
    parts = {n: served.model.part(n, tf.constant(z[f"z_{n}"])) for n in served.model.latent_dims}
    image = served.model.combine(parts)
    assert np.abs(parts["geometry"]).max() > 1
    return (image + 1) / 2, (parts["appearance"] + 1) / 2, parts["geometry"]


def test_every_signature_answers_as_the_keras_model(served, requests, answers):
    image, canonical, displacement = keras_model(served, requests["generate"])
    for name in ("generate", "serving_default"):
        assert set(answers[name]) == {"image", "canonical", "displacement"}
        close(answers[name]["image"], image)
        close(answers[name]["canonical"], canonical)
        close(answers[name]["displacement"], displacement)
    close(answers["appearance"]["canonical"], canonical)
    close(answers["displacement"]["displacement"], displacement)
    for name, wanted in (("image_bytes", image), ("canonical_bytes", canonical)):
        for file, pixels in zip(answers["generate_png"][name], wanted.numpy(), strict=True):
            decoded = tf.io.decode_png(file).numpy().astype(float)
            # Half a level, and rounding.
            assert np.abs(decoded - 255 * pixels).max() < 0.501


def test_images_of_any_size_are_warped_as_photographs(served, requests, answers):
    image = requests["warp"]["image"]
    field = enlarged_field(keras_model(served, requests["generate"])[2], 40, 56)
    wanted = warp(2 * image - 1, field, border="zeros", jit_compile=False)
    close(answers["warp"]["warped"], (wanted + 1) / 2)


@pytest.fixture(scope="module")
def inferred(served, requests):
    """Latents as the inference of this process finds them: by descent, and with two seeds."""
    x = 2 * requests["reconstruct"]["image"] - 1
    settings = {"steps": 20, "sigma": 0.8, "starts": 1}
    tf.config.run_functions_eagerly(True)
    try:
        return {
            -1: Inference(served.model, step_size=0.1, **settings)(x),
            7: Inference(served.model, step_size=0.2, seed=7, noise=True, **settings)(x),
        }
    finally:
        tf.config.run_functions_eagerly(False)


def test_reconstruct_descends_as_the_inference_does(served, requests, answers, inferred):
    found, z = answers["reconstruct"], inferred[-1]
    for name, value in z.items():
        assert np.abs(value).max() > 0.05
        close(found[f"z_{name}"], value)
    close(found["image"], (served.model(z) + 1) / 2)
    x = tf.constant(2 * requests["reconstruct"]["image"] - 1)
    np.testing.assert_allclose(found["error"], squared_error(x, served.model(z)), rtol=1e-5)


def test_a_seed_samples_the_posterior(requests, serve, inferred):
    request = {**requests["reconstruct"], "seed": np.int64(7), "step_size": np.float32(0.2)}
    found = serve("reconstruct", request)
    for name, value in inferred[7].items():
        np.testing.assert_allclose(found[f"z_{name}"], value, atol=1e-4)
    moved = serve("reconstruct", {**request, "seed": np.int64(8)})
    assert np.abs(moved["z_geometry"] - found["z_geometry"]).max() > 0.1


NAN = np.full([2, 3], np.nan, np.float32)
Z_A, Z_G = np.zeros([2, 3], np.float32), np.zeros([2, 2], np.float32)
IMAGES = np.full([2, 32, 32, 3], 0.5, np.float32)


@pytest.mark.parametrize(
    ("name", "inputs", "message"),
    [
        ("generate", {"z_appearance": NAN, "z_geometry": Z_G}, "z_appearance must be finite"),
        (
            "generate",
            {"z_appearance": Z_A[:, :2], "z_geometry": Z_G},
            r"z_appearance must have shape \[any, 3\]; it has\] \[2 2\]",
        ),
        ("generate", {"z_appearance": Z_A[0], "z_geometry": Z_G}, r"shape \[any, 3\]; .*\[3\]"),
        ("generate", {"z_appearance": Z_A, "z_geometry": Z_G[:1]}, "the same batch size"),
        ("displacement", {"z_geometry": Z_G + 1e30}, r"z_geometry must be in \[-1000, 1000\]"),
        ("displacement", {"z_geometry": Z_G[:0]}, r"z_geometry must have shape \[any, 2\]"),
        ("warp", {"image": IMAGES[0], "z_geometry": Z_G}, "image must have shape"),
        ("warp", {"image": 255 * IMAGES, "z_geometry": Z_G}, r"must be in \[0, 1\]; .*127.5"),
        (
            "reconstruct",
            {"image": IMAGES[:, :31], **REQUEST},
            r"image must have shape \[any, 32, 32, 3\]",
        ),
        ("reconstruct", {"image": IMAGES, **REQUEST, "steps": -1}, "from 1 to 2000; .*-1"),
        ("reconstruct", {"image": IMAGES, **REQUEST, "steps": 10**9}, "steps must be from 1 to"),
        ("reconstruct", {"image": IMAGES, **REQUEST, "steps": [9, 9]}, "a single number"),
        ("reconstruct", {"image": IMAGES, **REQUEST, "seed": -2}, "seed must be 0 or more"),
        ("reconstruct", {"image": IMAGES, **REQUEST, "step_size": 3}, "at most 2, or 0 for"),
        ("reconstruct", {"image": IMAGES, **REQUEST, "sigma": np.nan}, "sigma must be finite"),
        (
            "reconstruct",
            {"image": IMAGES, **REQUEST, "seed": 1, "sigma": 1e-20},
            "diverged: give a smaller step_size",
        ),
    ],
)
def test_a_bad_request_is_told_why_and_the_next_is_answered(serve, name, inputs, message):
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        serve(name, inputs)
    assert serve("generate", {"z_appearance": Z_A, "z_geometry": Z_G})["image"].max() <= 1


def test_no_function_needs_a_compiler_that_servers_lack(served):
    text = (served.path / "saved_model.pb").read_bytes()
    library = saved_model_pb2.SavedModel.FromString(text).meta_graphs[0].graph_def.library
    holders = [*library.function, *(node for f in library.function for node in f.node_def)]
    assert len(holders) > 100
    compiled = [
        holder
        for holder in holders
        if any(
            holder.attr[key].b for key in ("_XlaMustCompile", "_XlaCompile") if key in holder.attr
        )
    ]
    assert compiled == []


@pytest.mark.slow
def test_the_official_tool_shows_it(served):
    tool = [sys.executable, "-m", "tensorflow.python.tools.saved_model_cli", "show"]
    chosen = ["--dir", served.path, "--tag_set", "serve", "--signature_def", "reconstruct"]
    shown = subprocess.run([*tool, *chosen], capture_output=True, text=True, check=True).stdout
    assert "inputs['image']" in shown and "shape: (-1, 32, 32, 3)" in shown
    assert all(f"inputs['{name}']" in shown for name in REQUEST)


def test_what_lies_beside_it(served):
    card = (served.path / "MODEL_CARD.md").read_text()
    assert "| reconstruction msre | 12.35 |" in card and "--alpha=0.1\n" in card
    assert "| `displacement` | `z_geometry` [?, 2] | `displacement` [?, 32, 32, 2] |" in card
    _, header, _ = card.split("---\n", 2)
    described = yaml.safe_load(header)
    assert described["library_name"] == "dgn_tf" and described["model_name"] == "heads"
    assert described["license"] == "mit" and described["datasets"] == ["heads"]
    assert "(picture.png)" in card and "## Limits" in card
    with Image.open(served.path / "picture.png") as picture:
        # Rows of images, appearance and geometry, four of each.
        assert picture.width > 4 * 64 and picture.height > 3 * 64
    # Photographs beside which an export lies are learned from without it.
    assert is_painted(served.path / "picture.png")
    listed = dict(
        reversed(line.split("  ")) for line in (served.path / "SHA256SUMS").read_text().splitlines()
    )
    files = {p for p in served.path.rglob("*") if p.is_file() and p.name != "SHA256SUMS"}
    assert {served.path / name for name in listed} == files
    for name, digest in listed.items():
        assert hashlib.sha256((served.path / name).read_bytes()).hexdigest() == digest
    with np.load(served.path / "golden.npz") as golden:
        z = {n: golden[f"generate/inputs/z_{n}"] for n in served.model.latent_dims}
        np.testing.assert_array_equal(z["geometry"], served.chains["geometry"][:1])
        close(golden["generate/outputs/image"], (served.model(z) + 1) / 2)
        assert golden["generate_png/outputs/image_bytes"][0].startswith(b"\x89PNG")


def test_warm_up_requests_are_those_of_the_official_messages(served, serve):
    logs = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")
    path = served.path / "assets.extra" / "tf_serving_warmup_requests"
    records = [r.numpy() for r in tf.data.TFRecordDataset(str(path))]
    requests = [logs.PredictionLog.FromString(r).predict_log.request for r in records]
    assert {r.model_spec.name for r in requests} == {"heads"}
    asked = {
        r.model_spec.signature_name: {k: tf.make_ndarray(v) for k, v in r.inputs.items()}
        for r in requests
    }
    assert set(asked) == {
        "generate",
        "generate_png",
        "appearance",
        "displacement",
        "warp",
        "warp_bytes",
        "reconstruct",
        "reconstruct_bytes",
    }
    assert asked["reconstruct"]["steps"] == 10 and asked["reconstruct"]["steps"].dtype == np.int32
    for name, inputs in asked.items():
        serve(name, inputs)


def test_it_becomes_the_keras_model_again(served):
    loaded = exported.load(served.path.parent)
    assert loaded.config == served.config and loaded.folders is None
    for found, wanted in zip(loaded.model.get_weights(), served.model.get_weights(), strict=True):
        np.testing.assert_array_equal(found, wanted)
    for name, z in served.chains.items():
        np.testing.assert_array_equal(loaded.latents[name], z)


def test_the_highest_version_is_read_and_a_damaged_one_is_named(served, tmp_path):
    for version in (2, 10):
        (tmp_path / str(version)).mkdir()
        (tmp_path / str(version) / "config.json").write_text(served.config.to_json())
    assert exported.version_folder(tmp_path).name == "10"
    with pytest.raises(InputError, match=f"`saved_model={tmp_path}` cannot be read"):
        exported.load(tmp_path)
    with pytest.raises(InputError, match="holds no exported model"):
        exported.load(tmp_path / "none")


@pytest.mark.parametrize("kept", [0, 0.5])
def test_damaged_latents_are_named(served, tmp_path, kept):
    folder = shutil.copytree(served.path, tmp_path / "1")
    latents = (folder / "latents.npz").read_bytes()
    (folder / "latents.npz").write_bytes(latents[: int(kept * len(latents))])
    with pytest.raises(InputError, match="`saved_model=.*`.*latents.npz: is not an .npz file"):
        exported.load(folder)


PICTURE = np.zeros([2, 2, 3], np.uint8)


def quick(served, monkeypatch, folder, **more):
    """An export that writes little: what is tested is where."""
    monkeypatch.setattr(saved_model, "model_signatures", lambda *_: {})
    monkeypatch.setattr(saved_model, "_write_functions", lambda path, *_: None)
    monkeypatch.setattr(saved_model, "answers_of", lambda *_: {})
    return saved_model.export_saved_model(served.config, served.model, folder, **more)


def test_principal_directions_go_with_the_model(served, monkeypatch, tmp_path):
    # Without any, as in older exports, they are those of the latents.
    computed = load_trained(None, str(served.path)).directions
    assert not (served.path / "directions.npz").exists()
    wanted = {name: of._replace(scales=2 * of.scales) for name, of in computed.items()}
    path = quick(served, monkeypatch, tmp_path, chains=served.chains, directions=wanted)
    assert "  directions.npz\n" in (path / "SHA256SUMS").read_text()
    monkeypatch.setattr(exported.tf.train, "load_checkpoint", lambda _: Weights(served.model))
    found = load_trained(None, str(tmp_path)).directions
    assert list(found) == list(wanted) == ["appearance", "geometry"]
    for name, directions in wanted.items():
        assert found[name].names == directions.names
        np.testing.assert_array_equal(found[name].axes, directions.axes)
        np.testing.assert_array_equal(found[name].scales, directions.scales)


def test_latents_of_training_examples_can_be_left_out(served, monkeypatch, tmp_path):
    statistics = LatentStatistics.fit(served.chains)
    directions = principal_directions(served.model, served.chains)
    known = {"chains": served.chains, "directions": directions, "statistics": statistics}
    painted, asked = {}, {}
    monkeypatch.setattr(saved_model, "card_picture", lambda _, z: painted.update(z) or PICTURE)
    golden = saved_model.golden_requests
    monkeypatch.setattr(
        saved_model, "golden_requests", lambda _, z: asked.update(z) or golden({}, z)
    )
    for keep, folder in ((True, tmp_path / "kept"), (False, tmp_path / "left")):
        path = quick(served, monkeypatch, folder, **known, keep_latents=keep)
        assert (path / "latents.npz").exists() == keep
        for name, z in served.chains.items():
            rows = {tuple(row) for row in z}
            for shown in (painted, asked):
                assert (tuple(shown[name][0]) in rows) == keep
    monkeypatch.setattr(exported.tf.train, "load_checkpoint", lambda _: Weights(served.model))
    found = load_trained(None, str(tmp_path / "left"))
    assert found.chains is None
    # Enough for samples and edits.
    for name, mean in statistics.means.items():
        np.testing.assert_array_equal(found.statistics.sample(3)[name], statistics.sample(3)[name])
        np.testing.assert_array_equal(found.directions[name].axes, directions[name].axes)
        np.testing.assert_allclose(found.directions[name].mean, mean, atol=1e-6)


class Weights:
    """A checkpoint with the weights of a model."""

    def __init__(self, model):
        self._weights = model.get_weights()

    def get_tensor(self, key):
        return self._weights[int(key.split("/")[1])]


def test_versions_count_on_and_nothing_half_written_stays(served, monkeypatch, tmp_path):
    (tmp_path / "7").mkdir()
    (tmp_path / "notes").mkdir()
    assert quick(served, monkeypatch, tmp_path).name == "8"
    # Another process takes the number in between.
    seen = iter([[types.SimpleNamespace(name="8")]])
    real = pathlib.Path.iterdir
    monkeypatch.setattr(pathlib.Path, "iterdir", lambda p: next(seen, None) or real(p))
    (tmp_path / "9").mkdir()
    (tmp_path / "9" / "saved_model.pb").touch()
    assert quick(served, monkeypatch, tmp_path).name == "10"
    monkeypatch.setattr(saved_model, "_write_golden", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        quick(served, monkeypatch, tmp_path)
    assert sorted(p.name for p in real(tmp_path)) == ["10", "7", "8", "9", "notes"]
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file cannot be written"):
        quick(served, monkeypatch, tmp_path / "file")


def test_a_savedmodel_that_answers_otherwise_is_not_put_in_place(served, monkeypatch, tmp_path):
    wanted = {"generate": {"image": np.zeros([1, 2])}}
    saved_model._require_equal(wanted, {"generate": {"image": np.full([1, 2], 0.9e-5)}})
    for other in (1e-3, np.nan):
        with pytest.raises(RuntimeError, match="generate answers with another image"):
            saved_model._require_equal(wanted, {"generate": {"image": np.full([1, 2], other)}})


def test_images_of_png_files_may_differ_by_a_level(tmp_path):
    def png(level):
        Image.new("L", (2, 2), level).save(tmp_path / "a.png")
        return {"png": {"image_bytes": np.array([(tmp_path / "a.png").read_bytes()], object)}}

    saved_model._require_equal(png(0), png(1))
    with pytest.raises(RuntimeError, match="another image_bytes"):
        saved_model._require_equal(png(0), png(2))
