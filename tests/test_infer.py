import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dgn_tf import infer as app
from dgn_tf.config import Config, DataConfig, InputError, LearningConfig, ModelConfig
from dgn_tf.data.examples import Examples, as_bytes, as_float, stable_id
from dgn_tf.learning.chains import Chains
from dgn_tf.learning.checkpoints import Checkpoints, Progress
from dgn_tf.models.catalog import make_model
from dgn_tf.runs import Run

SIDE = 32
NAMES = ("a/b.png", "a__b.png", "c d.png")


def make_run(folder, **settings):
    """A run as the trainer leaves it, with networks fresh from their initialisation."""
    config = Config(
        data=DataConfig(side=SIDE, channels=1),
        # Scheme 2 paints strong pictures without any training.
        model=ModelConfig(
            appearance_dim=3, geometry_dim=2, alpha=0.2, appearance_scheme=2, **settings
        ),
        learning=LearningConfig(step_size="0:0.2,0.5:0.1", sigma="0:1.5,0.1:0.5"),
    )
    keras.utils.set_random_seed(4)
    model = make_model(config.model, SIDE, 1)
    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    examples = Examples(np.zeros((2, SIDE, SIDE, 1), np.uint8), np.arange(2), ("x", "y"))
    chains = Chains(examples.ids, model.latent_dims, 0)
    run = Run(folder)
    folder.mkdir()
    run.begin(config, examples)
    state = Checkpoints(run / "checkpoints", model=model, optimizer=optimizer, chains=chains)
    state.save(Progress(step=1))
    return model


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A run, a folder of pictures that its model can paint, and the results of the command."""
    root = tmp_path_factory.mktemp("infer")
    model = make_run(root / "run")
    rng = np.random.default_rng(0)
    z = {name: rng.standard_normal((3, dim)) for name, dim in model.latent_dims.items()}
    images = as_bytes(model({name: tf.constant(v, tf.float32) for name, v in z.items()}).numpy())
    for name, image in zip(NAMES, images, strict=True):
        (root / "photos" / name).parent.mkdir(exist_ok=True, parents=True)
        Image.fromarray(image[..., 0]).save(root / "photos" / name)
    command = [
        sys.executable, "-m", "dgn_tf.infer", f"--run_dir={root}/run", f"--output_dir={root}/out",
        f"--data=folder:{root}/photos", "--steps=20", "--starts=2", "--sigma=0.3", "--board=2",
    ]  # fmt: skip
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    report = json.loads((root / "out" / "report.json").read_text())
    assert done.stdout.startswith("3 pictures,") and f"error {report['msre']:.2f} " in done.stdout
    return root, model, images, report


def read(path):
    return np.asarray(Image.open(path))


def test_the_results_are_complete_and_nothing_else_is_left(world):
    root, *_ = world
    assert sorted(p.name for p in root.iterdir()) == ["out", "photos", "run"]
    files = {p.relative_to(root / "out").as_posix() for p in (root / "out").rglob("*.*")}
    kinds = ("reconstructions", "canonical", "grids")
    pictures = {f"{k}/{f}.png" for k in kinds for f in ("a__b", "a__b-2", "c_d")}
    assert files == pictures | {"latents.npz", "report.json", "sheet.png", "board.png"}


def test_latents_pictures_and_errors_agree(world):
    root, model, images, report = world
    latents = np.load(root / "out" / "latents.npz")
    assert tuple(latents["names"]) == NAMES
    assert latents["ids"].tolist() == [stable_id(name.encode()) for name in NAMES]
    z = {name: tf.constant(latents[f"z_{name}"]) for name in model.latent_dims}
    painted = model(z).numpy()
    canonical = as_bytes(model.part("appearance", z["appearance"]).numpy())
    for row, example in enumerate(report["examples"]):
        shown = read(root / "out" / "reconstructions" / example["file"])
        assert np.abs(shown.astype(int) - as_bytes(painted[row, ..., 0])).max() <= 1
        shown = read(root / "out" / "canonical" / example["file"])
        assert np.abs(shown.astype(int) - canonical[row, ..., 0]).max() <= 1
        error = np.square((as_float(images[row]) - painted[row]) / 2).sum()
        assert example["msre"] == pytest.approx(error, rel=1e-4)
        assert read(root / "out" / "grids" / example["file"]).shape == (128, 128, 3)
    assert report["msre"] == pytest.approx(np.mean([e["msre"] for e in report["examples"]]))


def test_inference_fits_better_than_the_prior_mean(world):
    _, model, images, report = world
    zero = {name: tf.zeros([3, dim]) for name, dim in model.latent_dims.items()}
    start = np.square((as_float(images) - model(zero).numpy()) / 2).sum() / 3
    assert report["msre"] < 0.8 * start


def test_the_report_says_what_was_done(world):
    root, _, _, report = world
    # The step size is the last value of the run's schedule, sigma was given.
    expected = {"steps": 20, "starts": 2, "noise": False, "seed": 0, "step_size": 0.1, "sigma": 0.3}
    assert {name: report[name] for name in expected} == expected
    assert (report["run"], report["data"]) == (f"{root}/run", f"folder:{root}/photos")


def test_a_plain_generator_and_results_replaced(world, tmp_path):
    root, *_ = world
    make_run(tmp_path / "run", model="abp")
    out = tmp_path / "out"
    out.mkdir()
    (out / "report.json").write_text("{}")
    (out / "old.png").write_text("")
    report = app.infer(
        str(tmp_path / "run"), f"folder:{root}/photos", str(out),
        overwrite=True, steps=10, starts=1, limit=2, noise=True, step_size=0.03,
    )  # fmt: skip
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "run"]
    names = sorted(p.name for p in out.iterdir())
    assert names == ["latents.npz", "reconstructions", "report.json", "sheet.png"]
    assert json.loads((out / "report.json").read_text()) == report
    assert [e["name"] for e in report["examples"]] == list(NAMES[:2])
    assert (report["noise"], report["sigma"], report["step_size"]) == (True, 0.5, 0.03)


def test_divergence_names_the_example_and_the_remedy(world, monkeypatch):
    root, *_ = world

    class Diverging:
        step_size = 0.5

        def __init__(self, model, **settings):
            pass

        def __call__(self, images, ids, batch_size, progress):
            return {"appearance": np.zeros([3, 3]), "geometry": np.diag([0, np.nan, np.inf])}

    monkeypatch.setattr(app, "Inference", Diverging)
    with pytest.raises(InputError, match="2 pictures, the first a__b.png: .*--step_size below 0.5"):
        app.infer(str(root / "run"), f"folder:{root}/photos", str(root / "far"))
    assert not list(root.glob("far*"))


@pytest.mark.parametrize("name", ["step_size", "sigma"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_senseless_numbers_are_refused(tmp_path, name, value):
    with pytest.raises(InputError, match=f"--{name}="):
        app.infer("run", "heads", str(tmp_path / "out"), **{name: value})
    assert not list(tmp_path.iterdir())


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="--run_dir="):
        app.infer(str(tmp_path / "none"), "heads", str(tmp_path / "out"))
    assert not list(tmp_path.iterdir())


def test_occupied_output_folders_are_kept(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "mine.jpg").write_text("x")
    for name, overwrite, message in (
        ("file", True, "is a file"),
        ("photos", False, "not empty: name another, or give --overwrite"),
        ("photos", True, "not from an inference"),
        ("file/below", False, "cannot be made"),
    ):
        with pytest.raises(InputError, match=message):
            with app.output_folder(tmp_path / name, overwrite):
                pytest.fail("the work must not begin")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["file", "mine.jpg", "photos"]


def test_results_survive_when_their_place_is_taken_meanwhile(tmp_path):
    with pytest.raises(InputError, match="the results are in .*partial"):
        with app.output_folder(tmp_path / "out", False) as folder:
            (folder / "report.json").write_text("hours of work")
            (tmp_path / "out").mkdir()
            (tmp_path / "out" / "other").write_text("")
    assert (folder / "report.json").read_text() == "hours of work"


def test_an_empty_output_folder_is_used(tmp_path):
    (tmp_path / "out").mkdir()
    with app.output_folder(tmp_path / "out", False) as folder:
        (folder / "report.json").write_text("new")
        assert not list((tmp_path / "out").iterdir())
    assert (tmp_path / "out" / "report.json").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_file_names_are_safe_and_unique():
    names = ["a/b.jpg", "a__b.png", "A/B.JPG", "../x.png", "7", "é ü?.webp", "..", "v1.5"]
    files = app.file_names(names)
    assert files == ["a__b", "a__b-2", "A__B-3", "__x", "7", "é_ü_", "picture", "v1.5"]
    assert app.file_names(["w" * 300]) == ["w" * 200]
    assert len(app.file_names(["é" * 300])[0].encode()) <= 200
