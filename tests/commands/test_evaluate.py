"""Numbers on held-out images: of models whose numbers are known, and as the app reports."""

import dataclasses
import functools
import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dgn_tf import evaluate
from dgn_tf.config import Config, DataConfig, ModelConfig
from dgn_tf.config.evaluate import EvaluationData
from dgn_tf.data.cropping import detection
from dgn_tf.data.cropping.detection import Face
from dgn_tf.data.examples import Examples, as_float
from dgn_tf.data.measured import Measured, measured_on, overlap
from dgn_tf.data.sources import load
from dgn_tf.data.synthetic import heads
from dgn_tf.evaluation.experiments.held_out import reconstruction
from dgn_tf.evaluation.metrics.errors import told_worse
from dgn_tf.evaluation.metrics.r2 import factor_r2
from dgn_tf.evaluation.metrics.recombination import recombination
from dgn_tf.models.factory import make_model
from dgn_tf.runs import evaluated
from dgn_tf.runs.directory import Run
from dgn_tf.training.checkpoints import Checkpoints, Progress
from dgn_tf.utils.ownership import RECORD

SIDE, COUNT = 32, 6


def head_examples():
    factors = {**heads.sample_appearance(COUNT, 5), **heads.sample_geometry(COUNT, 5)}
    images = heads.render(factors, factors, SIDE)
    return Examples(images, np.arange(COUNT), tuple("abcdef"), factors)


class Truth:
    """Knows the heads: a latent is the number of a head; the images are the rendered ones."""

    latent_dims = {"appearance": 1, "geometry": 1}

    def __init__(self, examples):
        self.factors = examples.factors

    def part(self, name, z):
        return z

    def combine(self, parts):
        look, pose = (parts[name].numpy()[:, 0].astype(int) for name in self.latent_dims)
        return tf.constant(
            as_float(
                heads.render(
                    {name: self.factors[name][look] for name in heads.APPEARANCE},
                    {name: self.factors[name][pose] for name in heads.GEOMETRY},
                    SIDE,
                )
            )
        )


def numbers_of_heads():
    return np.arange(COUNT, dtype=np.float32)[:, None]


def test_recombining_with_the_truth_has_no_error():
    test = head_examples()
    latents = {"appearance": numbers_of_heads(), "geometry": numbers_of_heads()}
    errors = recombination(Truth(test), test, latents, seed=3)
    assert errors["recombined"] == 0
    # Everyone is paired with somebody else: to leave an image as it is is an error.
    assert errors["not_recombined"] == errors["not_recombined_reconstruction"] > 10
    assert recombination(Truth(test), test, latents, seed=4) != errors


def test_a_model_with_the_groups_exchanged_recombines_no_better_than_nothing():
    test = head_examples()

    class Exchanged(Truth):
        def combine(self, parts):
            return super().combine(
                {"appearance": parts["geometry"], "geometry": parts["appearance"]}
            )

    latents = {"appearance": numbers_of_heads(), "geometry": numbers_of_heads()}
    errors = recombination(Exchanged(test), test, latents)
    assert errors["recombined"] > errors["not_recombined"] > 10


class Constant:
    """A plain generator that paints one brightness, whatever the latents."""

    latent_dims = {"appearance": 2}

    def part(self, name, z):
        return tf.zeros([len(z), 2, 2, 1])

    def combine(self, parts):
        return parts["appearance"]


def gray(*values):
    images = np.uint8(values)[:, None, None, None] * np.ones([1, 2, 2, 1], np.uint8)
    return Examples(images, np.arange(len(values)), tuple(map(str, values)))


def test_reconstruction_errors_beside_those_of_mean_and_principal_components():
    numbers = reconstruction(
        Constant(), gray(0, 51, 102), gray(255, 0), {"appearance": np.zeros((2, 2))}
    )
    # Four pixels, each half the range away from the model's gray; the mean image is 0.2.
    assert numbers["msre"] == pytest.approx(4 * 0.5**2, rel=1e-5)
    assert numbers["msre_mean_image"] == pytest.approx(4 * (0.8**2 + 0.2**2) / 2, rel=1e-5)
    assert numbers["msre_pca"] == pytest.approx(0, abs=1e-5)
    assert numbers["pca_components"] == 2
    assert "folded" not in numbers
    assert told_worse(numbers) == ""
    dark = np.full([2, 2, 1], -1.0)
    numbers = reconstruction(Constant(), None, gray(0, 5), {"appearance": np.zeros((2, 2))}, dark)
    assert numbers["msre_mean_image"] == pytest.approx(4 * (5 / 255) ** 2 / 2, rel=1e-4)
    assert told_worse(numbers).startswith("Worse than the mean of the training images")


def test_too_few_training_images_for_the_components_give_none():
    numbers = reconstruction(Constant(), gray(7), gray(7), {"appearance": np.zeros((1, 2))})
    assert numbers["msre_pca"] is None


def test_fields_are_measured_in_pixels_and_folds_as_a_fraction():
    class Shift:
        latent_dims = {"geometry": 1}

        def part(self, name, z):
            return tf.ones([len(z), 4, 4, 2]) * tf.constant([3.0, -4.0])

        def combine(self, parts):
            return tf.zeros([len(parts["geometry"]), 2, 2, 1])

    numbers = reconstruction(Shift(), gray(0, 9), gray(0, 9), {"geometry": np.zeros((2, 1))})
    assert numbers["displacement"] == pytest.approx(5)
    assert numbers["folded"] == 0


def test_r2_says_which_group_knows_a_factor():
    rng = np.random.default_rng(0)
    z = {"appearance": rng.normal(size=(60, 2)), "geometry": rng.normal(size=(60, 2))}
    factors = {
        "skin": np.stack([z["appearance"][:, 0], z["appearance"].sum(axis=1)], axis=1),
        "yaw": 3 * z["geometry"][:, 1],
        "light": np.ones(60),
    }
    r2 = factor_r2(z, factors)
    assert set(r2) == {"skin", "yaw"}  # what never varies has no R^2
    assert r2["skin"]["appearance"] > 0.99 > 0.3 > r2["skin"]["geometry"]
    assert r2["yaw"]["geometry"] > 0.99 > 0.3 > r2["yaw"]["appearance"]


def make_run(folder, data, channels, **settings):
    """A run as the trainer leaves it, with networks fresh from their initialization."""
    config = Config(
        data=data,
        model=ModelConfig(
            appearance_dim=3, geometry_dim=2, alpha=0.2, appearance_scheme=2, **settings
        ),
    )
    keras.utils.set_random_seed(4)
    model = make_model(config.model, SIDE, channels)
    run = Run(folder)
    folder.mkdir()
    run.begin(config, load(data))
    Checkpoints(run / "checkpoints", model=model).save(Progress(step=1))


@pytest.fixture(scope="module")
def plain_run(tmp_path_factory):
    root = tmp_path_factory.mktemp("plain")
    rng = np.random.default_rng(0)
    for name in ("train", "test"):
        images = rng.integers(0, 256, (5, SIDE, SIDE), dtype=np.uint8)
        np.savez(root / f"{name}.npz", images=images)
    data = DataConfig(data=f"npz:{root}/train.npz", side=SIDE, channels=1)
    make_run(root / "run", data, 1, model="abp")
    return root


QUICK = ("--steps=10", "--starts=1")


def test_the_report_of_a_run_on_images(plain_run, run_app):
    command = (f"--run_dir={plain_run}/run", f"--data=npz:{plain_run}/test.npz", *QUICK)
    said = run_app(evaluate, *command, "--limit=4")
    assert said.status == 0, said.err
    folder = plain_run / "run" / "evaluation" / "held_out"
    found = {p.name for p in folder.iterdir()}
    assert found == {RECORD, "report.json", "report.html", "samples.png"}
    report = json.loads((folder / "report.json").read_text())
    origin, numbers = report["origin"], report["numbers"]
    assert origin["experiment"] == "held_out"
    assert origin["run"] == f"{plain_run}/run"
    assert origin["data"] == {"data": f"npz:{plain_run}/test.npz", "examples": 4}
    assert origin["config"]["model"]["model"] == "abp"
    # The last values of the default schedules.
    expected = {"steps": 10, "starts": 1, "seed": 0, "step_size": 0.1, "sigma": 1.0}
    assert origin["inference"] == expected | {"amortised": False}
    assert set(numbers) == {"reconstruction"}
    fit = numbers["reconstruction"]
    with np.load(plain_run / "train.npz") as train, np.load(plain_run / "test.npz") as test:
        difference = (test["images"][:4] - train["images"].mean(axis=0)) / 255
    mean_image = np.square(difference).sum(axis=(1, 2)).mean()
    assert fit["msre_mean_image"] == pytest.approx(mean_image, rel=1e-4)
    assert fit["msre"] > 10
    assert fit["pca_components"] == 3
    lines = said.out.splitlines()
    assert lines[0] == f"4 images of npz:{plain_run}/test.npz"
    assert lines[2] == "Errors are sums of squares per image on [0, 1]"
    assert lines[3].split() == ["reconstruction", "error", f"{fit['msre']:.2f}"]
    assert lines[5].split()[-1] == f"{mean_image:.2f}"
    assert lines[-1] == f"Report: {folder}/report.html"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--run_dir={0}/run"], "error: --data is needed: images that the run was not trained"),
        (["--run_dir={0}/run", "--data=npz:{0}/train.npz"], "is what the run was trained on"),
        (["--run_dir={0}/run", "--data=npz:{0}/none.npz"], "there is no such file"),
        (["--run_dir={0}", "--data=npz:{0}/test.npz"], "holds no run: it has no config.json"),
        (
            ["--run_dir={0}/run", "--experiment=bases"],
            "--experiment=bases: must be one of adversarial, basis",
        ),
        (
            ["--run_dir={0}/run", "--data=npz:{0}/test.npz", "--experiment=basis"],
            "basis needs a model with geometry, but --run_dir={0}/run holds `model=abp`",
        ),
        (
            ["--run_dir={0}/run", "--data=npz:{0}/test.npz", "--experiment=landmarks"],
            "landmarks needs a model with geometry",
        ),
        (["--run_dir={0}/run", "--labelled=30"], "--labelled belongs to --experiment=landmarks"),
        (["--run_dir={0}/run", "--gamma=3"], "--gamma belongs to --experiment=basis, not to held"),
        ([], "--run_dir"),
        (["--run_dir={0}/run", "--steps=0"], "--steps=0"),
    ],
)
def test_what_cannot_be_evaluated_is_named(plain_run, run_app, arguments, message):
    said = run_app(evaluate, *(argument.format(plain_run) for argument in arguments))
    assert (said.status, said.out) == (2, "")
    (line,) = said.err.splitlines()
    assert line.startswith("error: ") and message.format(plain_run) in line


@pytest.fixture
def heads_run(tmp_path, monkeypatch):
    small = functools.partial(heads.HeadsConfig, train=8, test=10, identities=1)
    monkeypatch.setattr(heads, "HeadsConfig", small)
    data = DataConfig(data="heads", side=SIDE, channels=3, data_dir=str(tmp_path / "prepared"))
    make_run(tmp_path / "run", data, 3)
    return tmp_path / "run"


def test_the_report_of_a_run_on_heads_has_the_numbers_of_disentanglement(heads_run, run_app):
    said = run_app(evaluate, f"--run_dir={heads_run}", *QUICK)
    assert said.status == 0, said.err
    folder = heads_run / "evaluation" / "held_out"
    report = json.loads((folder / "report.json").read_text())
    assert report["origin"]["data"] == {"data": "heads:test", "examples": 10}
    assert said.out.splitlines()[0] == "10 held-out images"
    numbers = report["numbers"]
    assert set(numbers["r2"]) == {*heads.APPEARANCE, *heads.GEOMETRY}
    assert all(set(values) == {"appearance", "geometry"} for values in numbers["r2"].values())
    swap = numbers["recombination"]
    assert set(swap) == {"recombined", "not_recombined", "not_recombined_reconstruction"}
    assert 0 <= numbers["reconstruction"]["folded"] <= 1
    assert numbers["reconstruction"]["displacement"] > 0
    assert (folder / "recombination.png").is_file()
    assert f"{swap['recombined']:.2f}" in said.out
    rows = [line.split() for line in said.out.split("R² of a factor from\n")[1].splitlines()]
    assert rows[0] == ["appearance", "geometry"]
    yaw = numbers["r2"]["yaw"]
    shown = {row[0]: row[1:] for row in rows if row}
    assert [float(value) for value in shown["yaw"]] == [
        pytest.approx(yaw[group], abs=0.0051) for group in ("appearance", "geometry")
    ]
    for spec in ("heads", "heads:train"):
        said = run_app(evaluate, f"--run_dir={heads_run}", f"--data={spec}")
        assert said.status == 2
        assert f"--data={spec} is what the run was trained on" in said.err


@pytest.mark.slow
def test_the_basis_functions_of_a_run_on_heads(heads_run, run_app):
    command = (f"--run_dir={heads_run}", "--experiment=basis", *QUICK)
    said = run_app(evaluate, *command, "--views=heads:train")
    assert "--views=heads:train is what the run was trained on" in said.err
    said = run_app(evaluate, *command, "--limit=5")
    assert said.status == 0, said.err
    folder = heads_run / "evaluation" / "basis"
    report = json.loads((folder / "report.json").read_text())
    assert report["origin"]["views"] == {"data": "heads:views", "examples": 5}
    assert report["numbers"]["views"]["values"] == [-30, -15, 0, 15, 30]
    assert len(report["numbers"]["views"]["response"]["geometry"]) == 2
    assert (folder / "views.png").is_file() and (folder / "report.html").is_file()


def test_views_need_a_label(heads_run, run_app, tmp_path):
    images = np.zeros((4, SIDE, SIDE, 3), np.uint8)
    np.savez(tmp_path / "blank.npz", images=images, pose=np.arange(4))
    command = (f"--run_dir={heads_run}", "--experiment=basis", *QUICK)
    said = run_app(evaluate, *command, f"--views=npz:{tmp_path}/blank.npz")
    assert (said.status, said.out) == (2, "")
    assert "blank.npz has no label `view` of 2 to 50 different numbers; it has pose" in said.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--train_data=heads:test"], "tested on images that they are fitted on"),
        (["--landmarks={0}/points.csv"], "belongs to images of folder:PATH"),
        (["--data=npz:{0}/test.npz"], "npz:{0}/test.npz has no label 'landmarks'"),
        (["--data=heads:train", "--train_data=heads:test"], "is what the run was trained on"),
    ],
)
def test_landmarks_that_cannot_be_are_named_before_the_inference(
    heads_run, run_app, monkeypatch, tmp_path, arguments, message
):
    def refuse(*_, **settings):
        raise AssertionError("inferred")

    monkeypatch.setattr(evaluated, "make_inference", refuse)
    images = np.zeros((30, SIDE, SIDE, 3), np.uint8)
    np.savez(tmp_path / "test.npz", images=images)
    (tmp_path / "points.csv").write_text("")
    arguments = [argument.format(tmp_path) for argument in arguments]
    said = run_app(evaluate, f"--run_dir={heads_run}", "--experiment=landmarks", *arguments)
    assert said.status == 2 and message.format(tmp_path) in said.err.splitlines()[-1]


def test_a_part_of_the_training_file_that_was_left_out_may_be_tested_on():
    assert not overlap(("npz:a", "is_test=1"), ("npz:a", "is_test=0"))
    assert overlap(("npz:a", "is_test=1"), ("npz:a", "is_test=1"))
    assert overlap(("npz:a", "is_test=1"), ("npz:a", ""))
    assert overlap(("heads", ""), ("heads:train", ""))
    assert not overlap(("heads:test", ""), ("heads", ""))


@pytest.mark.parametrize(
    ("trained", "given", "wanted"),
    [
        ({"data": "heads"}, {}, "1 held-out image"),
        ({"data": "heads"}, {"data": "heads:test"}, "1 held-out image"),
        ({"data": "{0}/train.npz", "where": "a=1"}, {"data": "{0}/train.npz", "where": "a=0"}, ""),
        ({"data": "{0}/train.npz", "validation": 0.1}, {}, "1 held-out image"),
        ({"data": "{0}/train.npz"}, {"data": "{0}/test.npz"}, "1 image of {0}/test.npz"),
        ({"data": "{0}/train.npz"}, {"data": "heads:test"}, "1 image of heads:test"),
        ({"data": "memory"}, {"data": "{0}/test.npz"}, "1 image of {0}/test.npz"),
    ],
)
def test_what_is_known_to_be_held_out_is_called_so(plain_run, trained, given, wanted):
    trained, given = (
        {n: v.format(plain_run) if isinstance(v, str) else v for n, v in each.items()}
        for each in (trained, given)
    )
    found = measured_on(DataConfig(**trained), EvaluationData(**given))
    assert found.said(1) == (wanted or "1 held-out image").format(plain_run)
    assert Measured("", "", "clip").said(2000) == "2,000 held-out clips"


@pytest.fixture
def memory_run(plain_run, tmp_path):
    """`plain_run`, as if a Python program had given it its images, whose faces were cut out."""
    shutil.copytree(plain_run / "run", tmp_path / "run")
    config = Run(tmp_path / "run").config()
    data = dataclasses.replace(config.data, data="memory", faces="eyes:0.2")
    (tmp_path / "run/config.json").write_text(dataclasses.replace(config, data=data).to_json())
    return f"--run_dir={tmp_path}/run"


def test_a_run_on_arrays_of_a_program_is_measured_on_what_is_given(plain_run, memory_run, run_app):
    said = run_app(evaluate, memory_run, f"--data={plain_run}/test.npz", *QUICK)
    assert said.status == 0, said.err
    assert said.out.splitlines()[0] == f"5 images of {plain_run}/test.npz"


def test_faces_are_cut_out_of_photographs_as_the_run_learned_them(
    plain_run, memory_run, run_app, monkeypatch, tmp_path
):
    asked = []

    def detect(image):
        asked.append(image.size)
        return [Face((0.0, 0.0, 40.0, 40.0), 0.99, ((12.0, 16.0), (28.0, 16.0)))]

    monkeypatch.setattr(detection, "load_detector", lambda *settings: detect)
    (tmp_path / "photos").mkdir()
    for number, side in enumerate((60, 32)):
        pixels = np.random.default_rng(number).integers(0, 256, (side, side, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"photos/{number}.png")
    command = (memory_run, f"--data={tmp_path}/photos", *QUICK)
    said = run_app(evaluate, *command)
    assert said.status == 0, said.err
    told = "faces were found and cut out as for the training images"
    assert said.out.splitlines()[0] == f"{told}." and asked == [(60, 60)]
    report = json.loads((tmp_path / "run/evaluation/held_out/report.json").read_text())
    assert report["origin"]["data"]["faces"] == told
    said = run_app(evaluate, *command, "--align=none")
    assert said.status == 0 and told not in said.out and len(asked) == 1
