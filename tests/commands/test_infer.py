import dataclasses
import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dgn_tf import infer as command
from dgn_tf.config import Config, DataConfig, InferenceConfig, ModelConfig, TrainingConfig
from dgn_tf.config.infer import InferenceTask
from dgn_tf.data.examples import Examples, as_bytes, as_float, stable_id
from dgn_tf.evaluation import inferring
from dgn_tf.evaluation.inferring import infer
from dgn_tf.inference.statistics import LatentStatistics
from dgn_tf.models.factory import make_model
from dgn_tf.runs.directory import STATISTICS, Run
from dgn_tf.runs.restoring import load_chains
from dgn_tf.runs.trained import load_trained
from dgn_tf.training.chains import Chains
from dgn_tf.training.checkpoints import Checkpoints, Progress
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.ownership import RECORD, RESULTS, Ownership
from dgn_tf.utils.painted import is_painted
from dgn_tf.visualize.directions import principal_directions

SIDE = 32
DIMS = {"appearance": 3, "geometry": 2}
NAMES = ("a/b.png", "a__b.png", "c d.png")


def make_run(folder, **settings):
    """A run as the trainer leaves it, with networks fresh from their initialization."""
    config = Config(
        data=DataConfig(side=SIDE, channels=1),
        # Scheme 2 paints strong images without any training.
        model=ModelConfig(
            appearance_dim=3, geometry_dim=2, alpha=0.2, appearance_scheme=2, **settings
        ),
        learning=TrainingConfig(step_size="0:0.2,0.5:0.1", sigma="0:1.5,0.1:0.5"),
    )
    keras.utils.set_random_seed(4)
    model = make_model(config.model, SIDE, 1)
    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    names = tuple("vwxyz")
    examples = Examples(np.zeros((5, SIDE, SIDE, 1), np.uint8), np.arange(5), names)
    chains = Chains(examples.ids, model.latent_dims, 0)
    run = Run(folder)
    folder.mkdir()
    run.begin(config, examples)
    state = Checkpoints(run / "checkpoints", model=model, optimizer=optimizer, chains=chains)
    state.save(Progress(step=1))
    return model


@pytest.fixture(scope="module")
def world(run_app, tmp_path_factory):
    """A run, a folder of images that its model can paint, and the results of the command."""
    root = tmp_path_factory.mktemp("infer")
    model = make_run(root / "run")
    rng = np.random.default_rng(0)
    z = {name: rng.standard_normal((3, dim)) for name, dim in model.latent_dims.items()}
    images = as_bytes(model({name: tf.constant(v, tf.float32) for name, v in z.items()}).numpy())
    for name, image in zip(NAMES, images, strict=True):
        (root / "photos" / name).parent.mkdir(exist_ok=True, parents=True)
        Image.fromarray(image[..., 0]).save(root / "photos" / name)
    said = run_app(
        command,
        f"--run_dir={root}/run",
        f"--output_dir={root}/out",
        f"--data=folder:{root}/photos",
        "--steps=20",
        "--starts=2",
        "--sigma=0.3",
        "--board=2",
    )
    assert said.status == 0, said.err
    report = json.loads((root / "out" / "report.json").read_text())
    assert said.out.startswith("3 images,") and f"error {report['msre']:.2f} " in said.out
    return root, model, images, report


def trained_in(folder):
    return load_trained(str(folder), None)


def read(path):
    return np.asarray(Image.open(path))


def test_the_results_are_complete_and_nothing_else_is_left(world):
    root, *_ = world
    assert sorted(p.name for p in root.iterdir()) == ["out", "photos", "run"]
    files = {p.relative_to(root / "out").as_posix() for p in (root / "out").rglob("*.*")}
    kinds = ("reconstructions", "canonical", "grids")
    images = {f"{k}/{f}.png" for k in kinds for f in ("a__b", "a__b-2", "c_d")}
    assert files == images | {RECORD, "latents.npz", "report.json", "sheet.png", "board.png"}
    looked_at = {name for name in files if is_painted(root / "out" / name)}
    assert looked_at == {n for n in files if n.startswith("grids/")} | {"sheet.png", "board.png"}


def test_latents_images_and_errors_agree(world):
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
    Ownership(out, RESULTS).add_all()
    report = infer(
        trained_in(tmp_path / "run"),
        InferenceTask(data=f"folder:{root}/photos", limit=2),
        str(out),
        InferenceConfig(steps=10, starts=1, noise=True, step_size=0.03),
        overwrite=True,
    )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "run"]
    names = sorted(p.name for p in out.iterdir())
    assert names == [RECORD, "latents.npz", "reconstructions", "report.json", "sheet.png"]
    assert json.loads((out / "report.json").read_text()) == report
    assert [e["name"] for e in report["examples"]] == list(NAMES[:2])
    assert (report["noise"], report["sigma"], report["step_size"]) == (True, 0.5, 0.03)


def test_images_unlike_those_learned_are_named_and_by_what(world, run_app, tmp_path):
    root, _, images, _ = world
    shutil.copytree(root / "run", tmp_path / "run")
    latents = {name: np.random.default_rng(0).normal(size=(99, d)) for name, d in DIMS.items()}
    known = LatentStatistics.fit(latents, np.full(9, 1e-6), images=images)
    known.save(tmp_path / "run" / STATISTICS)
    out, data = tmp_path / "out", f"--data=folder:{root}/photos"
    said = run_app(command, f"--run_dir={tmp_path}/run", data, "--steps=10", f"--output_dir={out}")
    assert said.status == 0, said.err
    assert "Unlike anything that this model has learned: 3, a/b.png (error" in said.out
    for example in json.loads((out / "report.json").read_text())["examples"]:
        assert example["unlike"][0] == "error" and example["typical"] is False
    # A model that has learned less than the mean of its images says so, and judges none.
    mean, errors = images[:].mean(axis=0) / 127.5 - 1, np.full(9, 1e9)
    known = LatentStatistics.fit(latents, errors, images=images, mean_image=mean)
    known.save(tmp_path / "run" / STATISTICS)
    given = (data, "--steps=10", f"--output_dir={out}", "--overwrite")
    said = run_app(command, f"--run_dir={tmp_path}/run", *given)
    assert said.out.count("This model is hardly trained") == 1 and "Unlike" not in said.out
    for example in json.loads((out / "report.json").read_text())["examples"]:
        assert example["unlike"] == [] and example["typical"] is None


def test_damaged_statistics_are_told_before_the_inference(world, run_app, tmp_path, monkeypatch):
    root, *_ = world
    shutil.copytree(root / "run", tmp_path / "run")
    (tmp_path / "run" / STATISTICS).write_bytes(b"nothing")
    monkeypatch.setattr(inferring, "_infer_latents", None)
    said = run_app(
        command,
        f"--run_dir={tmp_path}/run",
        f"--data=folder:{root}/photos",
        f"--output_dir={tmp_path}/out",
    )
    assert said.status == 2 and f"{STATISTICS} is damaged" in said.err
    assert not (tmp_path / "out").exists()


def test_divergence_names_the_example_and_the_remedy(world, monkeypatch):
    root, *_ = world

    class Diverging:
        def __init__(self, model, settings, encoder):
            pass

        def __call__(self, images, ids, batch_size, progress, given):
            return {"appearance": np.zeros([3, 3]), "geometry": np.diag([0, np.nan, np.inf])}

    monkeypatch.setattr(inferring, "make_inference", Diverging)
    task, settings = InferenceTask(data=f"folder:{root}/photos"), InferenceConfig(step_size=0.5)
    with pytest.raises(InputError, match="2 images, the first a__b.png: .*`step_size` below 0.5"):
        infer(trained_in(root / "run"), task, str(root / "far"), settings)
    assert not list(root.glob("far*"))


@pytest.mark.parametrize("name", ["step_size", "sigma"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf"), 1e300])
def test_senseless_numbers_are_refused(world, tmp_path, run_app, name, value):
    run, out = f"--run_dir={world[0]}/run", f"--output_dir={tmp_path}/out"
    said = run_app(command, run, "--data=heads", out, f"--{name}={value}")
    assert said.status == 2 and f"--{name}=" in said.err and "above 0 and finite" in said.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"limit": -1}, "`limit=-1`: must be 0 or more"),
        ({"batch_size": 0}, "`batch_size=0`: must be at least 1"),
        ({"board": 65}, "`board=65`: must be from 0 to 64"),
    ],
)
def test_numbers_out_of_their_range_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        InferenceTask(data="heads", **settings)


def test_a_folder_without_a_run_is_refused(tmp_path, run_app):
    out = f"--output_dir={tmp_path}/out"
    said = run_app(command, f"--run_dir={tmp_path}/none", "--data=heads", out)
    assert said.status == 2 and "--run_dir=" in said.err and "holds no run" in said.err
    assert not list(tmp_path.iterdir())


def painted(model, latents):
    z = {name: tf.constant(value, tf.float32) for name, value in latents.items()}
    return as_bytes(model(z).numpy()[..., 0]).astype(int)


def saved_latents(folder, model):
    saved = np.load(folder / "latents.npz")
    return {name: saved[f"z_{name}"] for name in model.latent_dims}


def test_photographs_recombined_edited_and_animated(world, tmp_path):
    root, model, *_ = world
    files = [str(root / "photos" / name) for name in NAMES[:2]]
    edits = ["geometry:1=1.5", "appearance:2=-1", "geometry:1=0.5"]
    report = infer(
        trained_in(root / "run"),
        InferenceTask(recombine=files, animate="gif", edit=edits),
        str(tmp_path / "out"),
        InferenceConfig(steps=10, starts=1),
    )
    out = tmp_path / "out"
    assert [e["name"] for e in report["examples"]] == files
    assert (report["recombine"], report["edit"][1]) == (files, "appearance:2=-1")
    latents = saved_latents(out, model)
    assert sorted(p.name for p in (out / "recombinations").iterdir()) == [
        "a__b+b.png",
        "b+a__b.png",
    ]
    swapped = painted(model, {**latents, "geometry": latents["geometry"][::-1]})
    # a/b.png comes first, under the name b; its appearance is in the first image's file name.
    for row, file in enumerate(("b+a__b", "a__b+b")):
        shown = read(out / "recombinations" / f"{file}.png")
        assert np.abs(shown - swapped[row]).max() <= 1
    directions = principal_directions(model, load_chains(root / "run"))
    for group, index, step in (("geometry", 0, 2.0), ("appearance", 1, -1.0)):
        _, axes, scales, _ = directions[group]
        latents[group] = latents[group] + step * scales[index] * axes[index]
    edited = painted(model, latents)
    for row, file in enumerate(("b", "a__b")):
        assert np.abs(read(out / "edited" / f"{file}.png") - edited[row]).max() <= 1
    clips = sorted(p.name for p in (out / "animations").iterdir())
    names = [name.replace(" ", "_") for name in directions["geometry"].names]
    assert clips == [f"appearance-{k}.gif" for k in (1, 2, 3)] + [
        f"geometry-{k + 1}-{name}.gif" for k, name in enumerate(names)
    ]
    assert (out / "board.png").is_file()


def refuse(*_args, **_settings):
    pytest.fail("the inference must not begin")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "either image files"),
        ({"data": "heads", "recombine": ["a.jpg", "b.jpg"]}, "either image files"),
        ({"recombine": ["a.jpg"]}, "`recombine=a.jpg`: name 2 to 64"),
        ({"recombine": ["a.jpg", "b.jpg"], "limit": 1}, "`limit` and `data_dir`"),
        ({"recombine": ["{photos}/c d.png", "{photos}/none.png"]}, "none.png does not exist"),
        ({"recombine": ["{photos}/c d.png", "{run}/config.json"]}, "config.json cannot be read"),
        ({"data": "folder:{photos}", "edit": ["geometry=2"]}, "`edit=geometry=2`: must be GROUP"),
        ({"data": "folder:{photos}", "edit": ["geometry:9=2"]}, "numbered from 1 to 2"),
        ({"data": "folder:{photos}", "edit": ["shape:1=2"]}, "no shape; it has appearance, geom"),
        ({"data": "folder:{photos}", "edit": ["geometry:grin=2"]}, "geometry:grin=2`: no such dir"),
    ],
)
def test_what_cannot_be_done_is_said_before_the_inference(
    world, tmp_path, monkeypatch, settings, message
):
    root, *_ = world
    monkeypatch.setattr(inferring, "make_inference", refuse)
    places = {"photos": root / "photos", "run": root / "run"}
    settings = {
        name: value.format(**places)
        if isinstance(value, str)
        else [v.format(**places) for v in value]
        if isinstance(value, list)
        else value
        for name, value in settings.items()
    }
    with pytest.raises(InputError, match=message):
        infer(trained_in(root / "run"), InferenceTask(**settings), str(tmp_path / "out"))
    assert not list(tmp_path.iterdir())


def test_a_plain_generator_has_no_geometry_to_edit_or_recombine(world, tmp_path, monkeypatch):
    root, *_ = world
    make_run(tmp_path / "run", model="abp")
    monkeypatch.setattr(inferring, "make_inference", refuse)
    trained, out = trained_in(tmp_path / "run"), str(tmp_path / "out")
    photos = [str(root / "photos" / name) for name in NAMES]
    with pytest.raises(InputError, match="has no geometry"):
        infer(trained, InferenceTask(recombine=photos), out)
    with pytest.raises(InputError, match="no geometry; it has appearance"):
        infer(trained, InferenceTask(data=f"folder:{root}/photos", edit=["geometry:1=1"]), out)


def test_without_chains_the_directions_are_those_of_the_images(world, tmp_path, monkeypatch):
    root, model, *_ = world
    trained = dataclasses.replace(trained_in(root / "run"), chains=None)
    task = InferenceTask(data=f"folder:{root}/photos", edit=["geometry:2=3"])
    call = trained, task, str(tmp_path / "out"), InferenceConfig(steps=10, starts=1)
    with monkeypatch.context() as few, pytest.raises(InputError, match="3 are too few: .* 20"):
        few.setattr(inferring, "make_inference", refuse)
        infer(*call)
    monkeypatch.setattr(inferring, "_FEWEST_LATENTS", 3)
    infer(*call)
    latents = saved_latents(tmp_path / "out", model)
    _, axes, scales, _ = principal_directions(model, latents)["geometry"]
    latents["geometry"] = latents["geometry"] + 3.0 * scales[1] * axes[1]
    edited = painted(model, latents)
    for row, file in enumerate(("a__b", "a__b-2", "c_d")):
        assert np.abs(read(tmp_path / "out" / "edited" / f"{file}.png") - edited[row]).max() <= 1


def test_the_chains_of_a_run(tmp_path):
    (tmp_path / "config.json").write_text(Config().to_json())
    chains = Chains(np.arange(4), {"appearance": 3, "geometry": 2}, 0)
    first = {name: z.numpy() for name, z in chains.groups.items()}
    state = Checkpoints(tmp_path / "checkpoints", chains=chains)
    state.save(Progress(step=1))
    chains.groups["geometry"].assign_add(tf.ones([4, 2]))
    state.save(Progress(step=2))
    loaded = load_chains(tmp_path)
    np.testing.assert_array_equal(loaded["appearance"], first["appearance"])
    np.testing.assert_array_equal(loaded["geometry"], first["geometry"] + 1.0)
    # A damaged checkpoint is passed over, as when the model is loaded.
    (file,) = state.paths()[-1].glob("chains-*")
    file.write_bytes(file.read_bytes()[:20])
    np.testing.assert_array_equal(load_chains(tmp_path)["geometry"], first["geometry"])


def test_a_run_without_chains_has_none(tmp_path):
    (tmp_path / "config.json").write_text(Config().to_json())
    Checkpoints(tmp_path / "checkpoints", weights=tf.Variable([1.0])).save(Progress(step=1))
    assert load_chains(tmp_path) is None
