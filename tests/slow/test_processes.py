"""The training program as a process: stopped, killed and started again, it loses nothing."""

import glob
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from dgn_tf.models.deformable import DeformableGenerator
from dgn_tf.runs.restoring import load_run
from dgn_tf.training.callbacks import read_metrics
from dgn_tf.training.checkpoints import Checkpoints

# The whole model, and 20 steps an epoch.
EPOCHS, PER_EPOCH = 15, 20
PROCESS = (
    "--side=32",
    "--channels=1",
    "--appearance_dim=2",
    "--geometry_dim=2",
    "--alpha=0.1",
    "--batch_size=5",
    "--langevin_steps=1",
    "--checkpoint_epochs=2",
    "--picture_epochs=1000",
    f"--epochs={EPOCHS}",
)


def start(folder, data):
    command = [sys.executable, "-m", "dgn_tf.train", *PROCESS, f"--data={data}"]
    return subprocess.Popen(
        [*command, f"--run_dir={folder}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
    )


def send(process, number, when, delay=0.0):
    """Sends a signal `delay` s after `when()` is true; returns status, output and errors."""
    deadline = time.monotonic() + 120
    while not when() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(delay)
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def rows_without_speed(folder):
    rows = read_metrics(folder / "metrics.jsonl")
    return [{k: v for k, v in row.items() if k != "images_per_second"} for row in rows]


@pytest.fixture(scope="module")
def runs_side_by_side(tmp_path_factory):
    """One run left alone; one stopped in mid-epoch, killed in mid-run, and let finish."""
    root = tmp_path_factory.mktemp("processes")
    brightness = np.random.default_rng(1).uniform(100, 255, (98, 1, 1))
    ramp = np.linspace(0, 1, 32) * np.ones([32, 1])
    np.savez(root / "data.npz", images=(brightness * ramp).astype(np.uint8))
    data, cut = f"npz:{root}/data.npz", root / "cut"
    straight = start(root / "straight", data)
    # TensorBoard's file is there when the loop begins. Its first step takes a second or more to
    # compile, so that the signal comes during that step.
    stopped = send(
        start(cut, data),
        signal.SIGTERM,
        lambda: any(cut.glob("tensorboard/train/events*")),
        delay=0.3,
    )
    after_stop = [path.name for path in Checkpoints(cut / "checkpoints").paths()]
    killed = send(
        start(cut, data), signal.SIGKILL, lambda: len(read_metrics(cut / "metrics.jsonl")) >= 3
    )
    before_resume = len(read_metrics(cut / "metrics.jsonl"))
    finished = start(cut, data)
    out, err = finished.communicate(timeout=120)
    assert straight.wait(timeout=120) == 0, straight.stderr.read()
    return {
        "root": root,
        "stopped": stopped,
        "after_stop": after_stop,
        "killed": killed,
        "before_resume": before_resume,
        "finished": (finished.returncode, out, err),
    }


def test_sigterm_saves_in_mid_epoch_and_says_how_to_go_on(runs_side_by_side):
    status, out, err = runs_side_by_side["stopped"]
    # So that `train && evaluate` does not go on.
    assert status == 128 + signal.SIGTERM, err
    step = int(runs_side_by_side["after_stop"][-1].removeprefix("step-"))
    assert 0 < step < EPOCHS * PER_EPOCH and step % PER_EPOCH
    expected = f"Stopped by SIGTERM: saved at step {step}. The same command goes on from there."
    assert out.splitlines()[-1] == expected


def test_a_run_killed_and_resumed_has_the_same_bits(runs_side_by_side, tensors):
    assert runs_side_by_side["killed"][0] == -signal.SIGKILL
    assert 3 <= runs_side_by_side["before_resume"] < EPOCHS
    status, out, err = runs_side_by_side["finished"]
    assert status == 0, err
    assert "Trained: " in out
    root = runs_side_by_side["root"]
    straight, cut = tensors(root / "straight"), tensors(root / "cut")
    assert straight.keys() == cut.keys()
    # TensorFlow keeps a variable under the shortest of its names: the networks' weights are here.
    kinds = {
        "optimizer/_trainable_variables/": 16,  # the weights of two networks of four layers
        "optimizer/_variables/": 32,  # and two moments of each
        "optimizer/_iterations/": 1,
        "chains/": 2,
    }
    counts = {kind: sum(name.startswith(kind) for name in straight) for kind in kinds}
    assert counts == kinds
    for name, tensor in straight.items():
        assert tensor.tobytes() == cut[name].tobytes(), name
    assert rows_without_speed(root / "cut") == rows_without_speed(root / "straight")


def test_the_metrics_are_complete(runs_side_by_side):
    rows = read_metrics(runs_side_by_side["root"] / "straight" / "metrics.jsonl")
    assert [row["epoch"] for row in rows] == list(range(1, EPOCHS + 1))
    assert [row["step"] for row in rows] == list(range(PER_EPOCH, 301, PER_EPOCH))
    groups = {f"{g}_{k}" for g in ("appearance", "geometry") for k in ("mean", "std")}
    health = {"saturated_appearance", "saturated_geometry", "folded", "displacement"}
    common = {"epoch", "step", "images_per_second", "loss", "msre", "gradient_norm"}
    for row in rows:
        assert set(row) == groups | health | common
        assert np.isfinite(list(row.values())).all()
        assert row["images_per_second"] > 0
        assert 0.7 < row["geometry_std"] < 1.4
    assert rows[-1]["msre"] < 0.8 * rows[0]["msre"]


def test_the_trained_model_is_exported_and_loads_from_the_run(runs_side_by_side):
    folder = runs_side_by_side["root"] / "straight"
    model = tf.keras.models.load_model(folder / "model.keras")
    assert isinstance(model, DeformableGenerator)
    _, restored = load_run(folder)
    for mine, theirs in zip(model.get_weights(), restored.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    latest = {path.name for path in (folder / "samples" / "latest").iterdir()}
    assert {"sheet.png", "prior.png", "traversal_geometry.png"} <= latest


def test_tensorboard_has_the_losses_of_the_metrics(runs_side_by_side):
    folder = runs_side_by_side["root"] / "straight"
    losses = [
        float(tf.make_ndarray(value.tensor))
        for events in sorted(glob.glob(f"{folder}/tensorboard/train/*.tfevents.*"))
        for event in tf.compat.v1.train.summary_iterator(events)
        for value in event.summary.value
        if value.tag == "epoch_loss"
    ]
    rows = read_metrics(folder / "metrics.jsonl")
    assert losses == pytest.approx([row["loss"] for row in rows], rel=1e-6)


def test_help_shows_settings_and_flags_of_the_app():
    # A console script is a file of another name that calls this.
    script = "import sys; sys.argv[0] = 'dgn-train'; from dgn_tf.__main__ import program; program()"
    programs = (["-m", "dgn_tf.train"], ["-c", script])
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    asked = [subprocess.Popen([sys.executable, *p, "--help=all"], **pipes) for p in programs]
    for process in asked:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        for flag in ("--run_dir=", "--[no]fresh ", "--[no]dry_run ", "--epochs=", "--smoothing="):
            assert f"\n  {flag}" in out
