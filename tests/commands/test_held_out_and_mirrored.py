"""A training with mirror images and with examples that it never learns from."""

import glob
import shutil

import numpy as np
import pytest
import tensorflow as tf
from tiny import TINY

from dgn_tf import amortise, evaluate, train
from dgn_tf.runs.examples import run_examples
from dgn_tf.runs.restoring import load_chains, load_run
from dgn_tf.training.callbacks import read_metrics
from dgn_tf.training.validation import Validation


@pytest.fixture(scope="module")
def trained(run_app, tmp_path_factory):
    """The root of a run of four epochs, and its command."""
    root = tmp_path_factory.mktemp("held_out")
    images = np.random.default_rng(0).integers(0, 256, (12, 32, 32), dtype=np.uint8)
    np.savez(root / "data.npz", images=images)
    command = (
        *TINY,
        f"--data=npz:{root}/data.npz",
        "--checkpoint_epochs=2",
        "--validation=0.25",
        "--mirror",
        "--ema=0.5",
    )
    said = run_app(train, *command, "--epochs=4", f"--run_dir={root}/run")
    assert said.status == 0, said.err
    return root, command, said


def test_the_error_of_what_is_held_out_is_in_the_metrics(trained):
    root, _, said = trained
    config, model = load_run(root / "run")
    examples, held_out = run_examples(config)
    assert "data: 9 images and their mirror images of 32x32x1" in said.out
    assert f"held out: {len(held_out)} more, for val_msre" in said.out
    assert (len(examples), len(held_out)) == (18, 3)
    rows = read_metrics(root / "run/metrics.jsonl")
    again = Validation(model, held_out, config.learning).error()
    assert again == pytest.approx(rows[-1]["val_msre"], rel=1e-5)


def test_tensorboard_has_the_curve_the_settings_and_the_sheets(trained):
    found = {}
    for path in glob.glob(f"{trained[0]}/run/tensorboard/*/*.tfevents.*"):
        for event in tf.compat.v1.train.summary_iterator(path):
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value))
    # Keras names the curve of either part alike, in a folder for each.
    assert len(found["epoch_msre"]) == 4 + 4
    text = found["settings"][0][1].tensor.string_val[0].decode()
    assert "| validation | `0.25` |" in text and "| seed | `0` |" in text
    assert "_hparams_/session_start_info" in found
    (step, sheet), *_ = found["sheet"]
    width, height, png = sheet.tensor.string_val
    image = tf.io.decode_png(png)
    assert step == 4 and image.shape[:2] == (int(height), int(width))


@pytest.mark.slow
def test_a_run_that_goes_on_measures_what_one_without_a_break_does(run_app, trained, tmp_path):
    root, command, _ = trained
    run = f"--run_dir={tmp_path}/run"
    # A run that ends earlier has other schedules only where these are no numbers: here they are.
    assert run_app(train, *command, "--epochs=2", "--learning_rate=1e-3", run).status == 0
    assert run_app(train, *command, "--epochs=4", "--learning_rate=1e-3", run).status == 0
    whole = f"--run_dir={tmp_path}/whole"
    assert run_app(train, *command, "--epochs=4", "--learning_rate=1e-3", whole).status == 0
    one, other = (read_metrics(tmp_path / name / "metrics.jsonl") for name in ("run", "whole"))
    for row in (*one, *other):
        del row["images_per_second"]
    assert one == other
    said = run_app(train, *command, "--nomirror", "--epochs=4", whole)
    assert said.status == 2 and "--mirror=True there, False now" in said.err
    changed = ("--limit=11", "--data_changed", "--epochs=4", "--learning_rate=1e-3")
    said = run_app(train, *command, *changed, whole)
    assert said.status == 2 and "--validation=0.25: the data of " in said.err


def test_other_commands_know_what_was_held_out(run_app, trained, tmp_path):
    root, _, _ = trained
    shutil.copytree(root / "run", tmp_path / "run")
    run = f"--run_dir={tmp_path}/run"
    said = run_app(evaluate, run, "--steps=10", "--starts=1")
    assert said.status == 0, said.err
    said = run_app(amortise, run, "--epochs=1", "--width=0.1")
    assert said.status == 0, said.err
    assert len(load_chains(tmp_path / "run")["appearance"]) % 2 == 0
