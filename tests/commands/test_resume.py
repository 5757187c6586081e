"""Runs that go on: from elsewhere, without what they began with, with other settings and data."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from dgn_tf import pack, train
from dgn_tf.config import InferenceConfig
from dgn_tf.runs.directory import Run
from dgn_tf.runs.evaluated import EvaluatedRun, overlap
from dgn_tf.training.callbacks import read_metrics
from dgn_tf.utils.errors import InputError


def write_images(folder, names, seed=0):
    """Different images; the same name has the same one."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        pixels = np.random.default_rng([seed, *name.encode()]).integers(0, 256, (32, 32))
        Image.fromarray(pixels.astype(np.uint8)).save(folder / name)


@pytest.fixture(scope="module")
def begun(run_app, tiny_run, tmp_path_factory):
    """A folder with pics/ and a run of one epoch on it; `begun.train(*arguments)`."""
    root = tmp_path_factory.mktemp("begun")
    write_images(root / "pics", [f"{n}.png" for n in range(10)])
    settings = [s for s in tiny_run.command if not s.startswith(("--data=", "--epochs="))]
    said = run_app(
        train, *settings, f"--data=folder:{root}/pics", f"--run_dir={root}/run", "--epochs=1"
    )
    assert said.status == 0, said.err
    return root, settings


@pytest.fixture
def place(begun, tmp_path, monkeypatch, run_app):
    """A copy of it, in a working directory of its own; `place.train` goes on there."""
    root, settings = begun
    shutil.copytree(root, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")

    def call(*arguments, epochs=2, run="run"):
        return run_app(train, *settings, f"--run_dir={run}", f"--epochs={epochs}", *arguments)

    call.folder = tmp_path / "work"
    return call


def steps(run="run"):
    return [row["step"] for row in read_metrics(f"{run}/metrics.jsonl")]


@pytest.mark.parametrize(
    "data",
    ["folder:pics", "folder:pics/", "pics", "./pics/../pics", "folder:{}/pics", "folder:link"],
)
def test_data_are_known_however_they_are_named(place, data):
    os.symlink("pics", "link")
    data = data.format(place.folder)
    said = place(f"--data={data}")
    assert said.status == 0, said.err
    assert steps() == [3, 6]
    named = data if data.startswith("folder:") else f"folder:{data}"
    assert Run("run").config().data.data == named
    assert f"--data={named}" in (place.folder / "run/flags.cfg").read_text().splitlines()


def test_data_and_run_may_move(place, monkeypatch, run_app):
    shutil.move("pics", "elsewhere")
    shutil.move("run", "other run")
    (place.folder / "deep").mkdir()
    monkeypatch.chdir("deep")
    said = place("--data=folder:../elsewhere", run="../other run")
    assert said.status == 0, said.err
    assert steps("../other run") == [3, 6]
    # A copy in another form is the same data too.
    size = ("--side=32", "--channels=1")
    assert run_app(pack, "--data=../elsewhere", "--output=packed", *size).status == 0
    said = place("--data=packed", run="../other run", epochs=3)
    assert said.status == 0, said.err
    assert steps("../other run") == [3, 6, 9]


def test_other_data_are_told_from_those_of_before(place, begun):
    write_images(place.folder / "more", [f"{n}.png" for n in range(12)])
    said = place("--data=folder:more")
    assert said.status == 2
    assert f"--data=folder:more is not folder:{begun[0]}/pics, with which" in said.err
    assert "10 examples then, 12 now" in said.err
    # The same names do not make the same data.
    write_images(place.folder / "others", [f"{n}.png" for n in range(10)], seed=1)
    assert place("--data=folder:others").status == 2
    assert steps() == [3]


def test_data_that_a_run_was_trained_on_are_known_by_their_place(place):
    run = EvaluatedRun("run", "held_out", InferenceConfig())
    with pytest.raises(InputError, match="is what the run was trained on"):
        run.held_out("data", f"{os.path.dirname(run.config.data.data[7:])}/./pics", 5)
    assert overlap(("npz:a.npz:test", ""), ("npz:./a.npz", ""))
    assert not overlap(("npz:a.npz:test", ""), ("npz:a.npz:train", ""))
    assert not overlap(("", ""), ("heads", ""))


def test_a_run_goes_on_without_the_run_that_it_began_with(place, tensors):
    begin = ("--data=folder:pics", "--init_from=run")
    assert place(*begin, run="second", epochs=1).status == 0
    shutil.copytree("second", "third")
    assert place(*begin, run="second").status == 0
    shutil.rmtree("run")
    # As it was, and left out.
    for arguments in (begin, begin[:1]):
        shutil.copytree("third", "fourth")
        said = place(*arguments, run="fourth")
        assert said.status == 0, said.err
        assert Run("fourth").config().learning.init_from == "run"
        wanted, found = tensors(place.folder / "second"), tensors(place.folder / "fourth")
        assert all(wanted[name].tobytes() == found[name].tobytes() for name in wanted)
        shutil.rmtree("fourth")


def test_the_run_that_another_began_with_may_move_but_not_change(place):
    assert place("--data=folder:pics", "--init_from=run", run="second", epochs=1).status == 0
    shutil.copytree("run", "moved")
    for name in ("./run/", f"{place.folder}/run", "moved"):
        said = place("--data=folder:pics", f"--init_from={name}", run="second", epochs=1)
        assert said.status == 0, said.err
    assert place("--data=folder:pics", run="moved").status == 0
    said = place("--data=folder:pics", "--init_from=moved", run="second")
    assert said.status == 2 and "--run_dir=second began with the networks of moved" in said.err
    said = place("--data=folder:pics", "--init_from=second", run="run")
    assert said.status == 2 and "--run_dir=run began with new networks" in said.err
