"""A run has one set of principal directions, and all programs that know the run follow it."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from dgn_tf import export, infer, train
from dgn_tf.data.examples import as_float
from dgn_tf.evaluation.metrics.errors import squared_errors
from dgn_tf.inference.statistics import LatentStatistics
from dgn_tf.runs.restoring import load_chains, load_run
from dgn_tf.runs.trained import load_trained
from dgn_tf.training.checkpoints import Checkpoints
from dgn_tf.visualize.decoding import decode
from dgn_tf.visualize.directions import (
    equal_directions,
    principal_directions,
    read_directions,
    write_directions,
)
from dgn_tf.visualize.traversals import traversal_sheet

SETTINGS = (
    "--side=32",
    "--channels=1",
    "--appearance_dim=2",
    "--geometry_dim=2",
    "--alpha=0.1",
    "--batch_size=4",
    "--langevin_steps=1",
    "--step_size=0.5",
    "--epochs=2",
    "--checkpoint_epochs=1",
    "--picture_epochs=1000",
)


@pytest.fixture(scope="module")
def finished(run_app, tmp_path_factory):
    """The root of a finished run, with averaged weights, and its command."""
    root = tmp_path_factory.mktemp("finished")
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32), dtype=np.uint8)
    np.savez(root / "data.npz", images=images)
    command = (*SETTINGS, f"--data=npz:{root}/data.npz", "--ema=0.9")
    said = run_app(train, *command, f"--run_dir={root}/run")
    assert said.status == 0, said.err
    return root, command


@pytest.fixture
def again(finished, run_app, tmp_path):
    """Runs the command of a copy of the run again; `again.folder` is the copy."""
    root, command = finished
    shutil.copytree(root / "run", tmp_path / "run")

    def call(*arguments):
        said = run_app(train, *command, f"--run_dir={tmp_path}/run", *arguments)
        assert said.status == 0, said.err

    call.folder = tmp_path / "run"
    return call


def stored(folder):
    return read_directions(folder / "directions.npz", {"appearance": 2, "geometry": 2})


def test_they_are_those_of_the_chains_and_the_averaged_weights(finished):
    folder = finished[0] / "run"
    _, model = load_run(folder)
    chains = load_chains(folder)
    found = stored(folder)
    assert equal_directions(found, principal_directions(model, chains))
    assert list(found) == ["appearance", "geometry"] and len(found["geometry"].names) == 2
    assert equal_directions(load_trained(str(folder), None).directions, found)


def test_statistics_are_those_of_the_chains_and_of_their_errors(finished, again):
    folder = finished[0] / "run"
    trained, latents = load_trained(str(folder), None), load_chains(folder)
    with np.load(finished[0] / "data.npz") as file:
        images = file["images"][..., None]
    errors = squared_errors(as_float(images), decode(trained.model, latents)[0])
    found, wanted = (
        trained.statistics,
        LatentStatistics.fit(latents, errors, (), images, as_float(images).mean(axis=0)),
    )
    assert found.one_hot == () and found.arrays().keys() == wanted.arrays().keys()
    for name in wanted.arrays().keys() - {"one_hot"}:
        array = wanted.arrays()[name]
        np.testing.assert_allclose(found.arrays()[name], array, rtol=1e-5, atol=1e-6)
    # A run of before has its chains, which say nothing of the errors.
    (again.folder / "statistics.npz").unlink()
    before = load_trained(str(again.folder), None).statistics
    assert before.errors is None and before.texture is None
    assert list(before.unusual(images, latents, errors)) == list(latents)
    assert np.array_equal(before.means["geometry"], found.means["geometry"])
    again()
    assert (again.folder / "statistics.npz").is_file()


def test_the_last_sheets_follow_them(again):
    # The traversal shows the last weights, whatever the directions are of.
    sheet = np.asarray(Image.open(again.folder / "samples/latest/traversal_geometry.png"))
    config, model = load_run(again.folder)
    objects = {"model": model}
    Checkpoints(again.folder / "checkpoints", **objects).restore(partial=True)
    chains = load_chains(again.folder)
    wanted = traversal_sheet(
        model,
        chains,
        "geometry",
        stored(again.folder)["geometry"],
        appearance=chains["appearance"][0],
    )
    assert sheet.shape == wanted.shape
    assert np.abs(sheet.astype(int) - wanted).max() <= 1


def mark(folder):
    """Gives the stored directions of a run a name that nothing else would give them."""
    found = stored(folder)
    marked = found["geometry"]._replace(names=("grin", "frown"))
    write_directions(folder / "directions.npz", found | {"geometry": marked})


def test_edits_animations_and_the_explorer_follow_them(finished, again, run_app, tmp_path):
    root, _ = finished
    mark(again.folder)
    said = run_app(
        infer,
        f"--run_dir={again.folder}",
        f"--data=npz:{root}/data.npz",
        "--limit=2",
        "--steps=10",
        "--starts=1",
        "--edit=geometry:frown=1",
        "--animate=gif",
        f"--output_dir={tmp_path}/out",
    )
    assert said.status == 0, said.err
    clips = {path.name for path in (tmp_path / "out/animations").iterdir()}
    assert {"geometry-1-grin.gif", "geometry-2-frown.gif"} <= clips
    out = f"--output_dir={tmp_path}/web"
    said = run_app(export, f"--run_dir={again.folder}", "--format=web", out)
    assert said.status == 0, said.err
    text = (tmp_path / "web/run/web/model.js").read_text(encoding="utf-8")
    described = json.loads(text.removeprefix("const MODEL = ").removesuffix(";\n"))
    (geometry,) = (group for group in described["groups"] if group["name"] == "geometry")
    assert [direction["title"] for direction in geometry["directions"]] == ["grin", "frown"]


def test_a_run_of_before_finds_them_in_its_chains(again):
    found = stored(again.folder)
    (again.folder / "directions.npz").unlink()
    assert equal_directions(load_trained(str(again.folder), None).directions, found)
    # The same command makes up for them.
    again()
    assert equal_directions(stored(again.folder), found)


@pytest.mark.slow
def test_a_run_that_goes_on_makes_them_anew(again):
    mark(again.folder)
    first = stored(again.folder)
    again("--epochs=3")
    second = stored(again.folder)
    assert second["geometry"].names != first["geometry"].names
    assert not np.array_equal(second["geometry"].mean, first["geometry"].mean)
    again("--fresh", "--epochs=1")
    assert not np.array_equal(stored(again.folder)["geometry"].mean, second["geometry"].mean)


@pytest.mark.slow
def test_a_run_with_an_encoder_has_them_too(finished, run_app, tmp_path):
    root, _ = finished
    command = (*SETTINGS, f"--data=npz:{root}/data.npz", "--model=deformable_vae")
    said = run_app(train, *command, "--encoder_width=0.1", f"--run_dir={tmp_path}/run")
    assert said.status == 0, said.err
    trained = load_trained(f"{tmp_path}/run", None)
    assert trained.chains is None
    assert equal_directions(trained.directions, stored(tmp_path / "run"))
    statistics = trained.statistics
    with np.load(root / "data.npz") as file:
        images = file["images"][:2, ..., None]
    latents = {name: np.tile(mean, (2, 1)) for name, mean in statistics.means.items()}
    known = dataclasses.replace(statistics, mean_errors=None)
    assert known.typical(images, latents, np.array([0.0, np.inf])).tolist() == [True, False]
    # Too few images to find directions in, if the run had none.
    said = run_app(
        infer,
        f"--run_dir={tmp_path}/run",
        f"--data=npz:{root}/data.npz",
        "--edit=geometry:1=1",
        f"--output_dir={tmp_path}/out",
    )
    assert said.status == 0, said.err


def test_a_damaged_file_is_named(again, run_app, finished, tmp_path):
    root, _ = finished
    (again.folder / "directions.npz").write_bytes(b"broken")
    said = run_app(
        infer,
        f"--run_dir={again.folder}",
        f"--data=npz:{root}/data.npz",
        "--edit=geometry:1=1",
        f"--output_dir={tmp_path}/out",
    )
    assert said.status == 2 and "directions.npz is damaged" in said.err
    assert not (tmp_path / "out").exists()
