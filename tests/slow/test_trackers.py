"""Trackers: MLflow as it is, in a folder of this machine; Weights & Biases by what it is called."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow
# A package in the place of wandb, which is a service: it writes down what it is told.
FAKE = """
import json, keras
told = []
def init(**settings):
    told.append(["init", sorted(settings), settings["name"], settings["config"]["side"]])
def finish():
    print("WANDB", json.dumps([*told, ["finish"]]))
"""
FAKE_KERAS = """
import keras, wandb
class WandbMetricsLogger(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        wandb.told.append([epoch, sorted(logs)])
"""


def train(tiny_run, place, *arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "dgn_tf", "train", *tiny_run.command, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=place,
        env=os.environ | environment,
    )


def test_mlflow_has_the_settings_and_the_numbers(tiny_run, tmp_path, monkeypatch):
    import mlflow

    # The part of MLflow that is installed here has no data base, and warns of folders.
    place = {"MLFLOW_TRACKING_URI": f"file:{tmp_path}/mlruns"}
    done = train(tiny_run, tmp_path, "--log=mlflow", "--run_dir=run", **place)
    assert done.returncode == 2 and "error: --log=mlflow cannot begin: " in done.stderr
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    done = train(tiny_run, tmp_path, "--log=mlflow", "--run_dir=run", **place)
    assert done.returncode == 0, done.stderr
    uri = place["MLFLOW_TRACKING_URI"]
    client = mlflow.MlflowClient(uri)
    (experiment,) = [e for e in client.search_experiments() if e.name == "dgn_tf"]
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED" and run.info.run_name == "run"
    assert run.data.params["side"] == "32"
    curve = client.get_metric_history(run.info.run_id, "msre")
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert [point.value for point in curve] == pytest.approx([row["msre"] for row in rows])


def test_wandb_is_begun_told_and_ended(tiny_run, tmp_path):
    package = tmp_path / "site/wandb/integration/keras"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(FAKE_KERAS)
    (package.parent / "__init__.py").write_text("")
    (package.parents[1] / "__init__.py").write_text(FAKE)
    path = os.pathsep.join([str(tmp_path / "site"), *filter(None, sys.path)])
    done = train(tiny_run, tmp_path, "--log=wandb", "--run_dir=run", PYTHONPATH=path)
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("WANDB "))
    first, *epochs, last = json.loads(line.removeprefix("WANDB "))
    assert first == ["init", ["config", "dir", "name", "project"], "run", 32]
    assert [epoch for epoch, _ in epochs] == [0, 1, 2] and "msre" in epochs[0][1]
    assert last == ["finish"]
