"""Folders of any name, named in any way, go through every program."""

import glob
import os
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dgn_tf import evaluate, export, infer, pack, prepare, train
from dgn_tf.data.sources.files import load_files
from dgn_tf.runs.directory import Run
from dgn_tf.serving.lite import LiteModel
from dgn_tf.training.callbacks import read_metrics

# What patterns, shells and formats read something into, and what the patterns of Python and of
# TensorFlow find.
ODD = "run[1] a*b?c [!x] {y} back\\slash[2] 100% #1 'a' \"b\" "
FOUND = [f"run1 aXbYc y {{y}} {name}2 100% #1 'a' \"b\" " for name in ("back\\slash", "backslash")]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """A folder of five images."""
    folder = tmp_path_factory.mktemp("photographs")
    rng = np.random.default_rng(0)
    for number in range(5):
        pixels = rng.integers(0, 256, (32, 32), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def settings_of(tiny_run):
    return [part for part in tiny_run.command if not part.startswith(("--data=", "--epochs="))]


def succeeds(said):
    assert said.status == 0, said.err


@pytest.mark.slow
def test_a_run_goes_on_whatever_its_folder_is_called(run_app, tiny_run, tmp_path, photographs):
    for decoy in FOUND:
        shutil.copytree(tiny_run.folder, tmp_path / decoy)
    found = glob.glob(f"{tmp_path}/{ODD}"), tf.io.gfile.glob(f"{tmp_path}/{ODD}")
    assert found == tuple([f"{tmp_path}/{decoy}"] for decoy in FOUND)
    data, run = tmp_path / f"data {ODD}", tmp_path / ODD
    shutil.copytree(photographs, data)
    command = [*settings_of(tiny_run), f"--data=folder:{data}", f"--run_dir={run}"]
    succeeds(run_app(train, *command, "--epochs=1"))
    said = run_app(train, *command, "--epochs=2")
    succeeds(said)
    assert [row["step"] for row in read_metrics(run / "metrics.jsonl")] == [2, 4]
    succeeds(run_app(train, *command, "--epochs=1", "--fresh"))
    assert len(read_metrics(run / "metrics.jsonl")) == 1


@pytest.mark.slow
def test_every_other_program_takes_such_folders(run_app, tiny_run, tmp_path, photographs):
    odd = tmp_path / "a[1] *?\\b"
    for decoy in ("a1 Xb", "a1 XY\\b"):
        shutil.copytree(tiny_run.folder, tmp_path / decoy / "run")
    shutil.copytree(tiny_run.folder, odd / "run[1] x")
    shutil.copytree(photographs, odd / "photos")
    (odd / "more").mkdir()
    for file in photographs.iterdir():
        shutil.copy(file, odd / "more" / f"more-{file.name}")
    quick = ("--steps=10", "--starts=1")
    size = ("--side=32", "--channels=1")
    run, data = f"--run_dir={odd}/run[1] x", f"--data={odd}/photos"
    succeeds(run_app(infer, run, data, f"--output_dir={odd}/out", *quick))
    succeeds(run_app(evaluate, run, data, *quick))
    said = run_app(pack, data, *size, f"--output={odd}/packed/part-0")
    succeeds(said)
    # What is to be typed next is what a shell reads as one word.
    (use,) = shlex.split(said.out.split("Use them with ")[1])
    assert use == f"--data=shards:{odd}/packed/part-0"
    succeeds(run_app(pack, f"--data={odd}/more", *size, f"--output={odd}/packed/part-1"))
    # One packed folder, and a pattern of several below a folder whose name has marks of patterns.
    for packed, count in (("part-0", 5), ("part-*", 10)):
        said = run_app(
            infer, run, f"--data={odd}/packed/{packed}", f"--output_dir={odd}/{count}", *quick
        )
        assert said.out.startswith(f"{count} images"), said.err
    for form in ("saved_model", "tflite", "web"):
        said = run_app(export, run, f"--format={form}", f"--output_dir={odd}/models")
        succeeds(said)
        if form == "saved_model":
            assert f"{odd}/models/run_1_x:/models/run_1_x" in shlex.split(said.out.split("it: ")[1])
    # A server's address holds fewer letters than the name of a folder.
    model = f"--saved_model={odd}/models/run_1_x"
    succeeds(run_app(infer, model, data, f"--output_dir={odd}/out2", *quick))
    out = (f"--output_dir={odd}/other",)
    said = run_app(
        export, model, "--format=tflite", *out, "--part=generator", "--quantization=float32"
    )
    succeeds(said)


@pytest.mark.slow
def test_a_tilde_is_the_home_folder_in_every_path(
    run_app, tiny_run, tmp_path, photographs, monkeypatch
):
    home = tmp_path / "home"
    shutil.copytree(photographs, home / "photos")
    shutil.copy(tiny_run.root / "data.npz", home / "data.npz")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path / "elsewhere")
    command = [*settings_of(tiny_run), "--epochs=1"]
    first = "--run_dir=~/a"
    succeeds(run_app(train, *command, "--data=~/photos", first))
    succeeds(run_app(train, *command, "--data=npz:~/data.npz", "--run_dir=~/b", "--init_from=~/a"))
    quick = ("--steps=10", "--starts=1")
    succeeds(run_app(infer, first, "--data=~/photos", "--output_dir=~/out", *quick))
    assert len(load_files(["~/photos/0.png", "~/photos/1.png"], 32, 1)) == 2
    succeeds(run_app(evaluate, first, "--data=~/data.npz", *quick))
    succeeds(run_app(pack, "--data=~/photos", "--side=32", "--channels=1", "--output=~/packed"))
    for data in ("~/packed", "shards:~/pack*"):
        succeeds(
            run_app(infer, first, f"--data={data}", "--output_dir=~/o3", "--overwrite", *quick)
        )
    for form in ("saved_model", "web"):
        said = run_app(export, first, f"--format={form}", "--output_dir=~/models", "--name=m")
        succeeds(said)
    model = "--saved_model=~/models/m"
    succeeds(run_app(infer, model, "--data=~/photos", "--output_dir=~/out4", *quick))
    part = ("--format=tflite", "--part=generator", "--quantization=float32")
    succeeds(run_app(export, model, *part, "--output_dir=~/lite"))
    LiteModel("~/lite/m/generator_float32.tflite")
    succeeds(run_app(prepare, "~/photos", "~/crops", "--crop=centre", "--side=32"))
    assert os.listdir(tmp_path / "elsewhere") == []
    assert (home / "crops/crops").is_dir() and (home / "out4/report.json").is_file()
    # Moved homes find their runs.
    assert Run("~/a").config().data.data == "folder:~/photos"


def test_one_function_knows_what_a_tilde_is():
    package = Path(train.__file__).parent
    users = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if "expanduser" in path.read_text(encoding="utf-8")
    }
    assert users == {"utils/files.py"}
