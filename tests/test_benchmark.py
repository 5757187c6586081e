"""The rival of the benchmark computes the same step, and the app reports both."""

import dataclasses
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from dgn_tf import benchmark
from dgn_tf.benchmark import Settings, compiled_step, make_learners, op_by_op_warp
from dgn_tf.models.warp import warp
from dgn_tf.parsing import InputError

TINY = Settings(side=32, batch_size=3, langevin_steps=2, repeats=2, latent_dim=4)


def test_both_steps_give_the_same_numbers():
    ours, obvious = make_learners(TINY)
    start = {name: states.numpy() for name, states in ours.chains.groups.items()}
    weights = ours.model.get_weights()
    scalars = [compiled_step(learner, TINY)() for learner in (ours, obvious)]
    for name, states in ours.chains.groups.items():
        np.testing.assert_allclose(states, obvious.chains.groups[name], rtol=0, atol=1e-5)
        assert np.abs(states - start[name]).max() > 0.1  # two noisy steps of size 0.1
    for name in ("loss", "gradient_norm"):
        np.testing.assert_allclose(scalars[0][name], scalars[1][name], rtol=1e-5)
    # Adam's first step is the learning rate times the sign of the gradient: rounding shows only
    # where a gradient is almost zero.
    learned = [model.get_weights() for model in (ours.model, obvious.model)]
    for before, mine, rival in zip(weights, *learned, strict=True):
        assert np.mean(np.abs(mine - rival) > 1e-5) < 0.01
        assert np.abs(rival - before).max() == pytest.approx(benchmark.LEARNING_RATE, rel=1e-2)


def test_a_step_that_differs_is_refused():
    ours, obvious = make_learners(TINY)
    scalars = {"loss": tf.constant(2.0)}
    assert benchmark.disagreement(ours, obvious, scalars, scalars) == {
        "appearance": 0.0,
        "geometry": 0.0,
        "loss": 0.0,
    }
    with pytest.raises(RuntimeError, match="disagree.*'loss': 0.5"):
        benchmark.disagreement(ours, obvious, {"loss": tf.constant(3.0)}, scalars)
    obvious.chains.groups["geometry"][0, 0].assign(float("nan"))
    with pytest.raises(RuntimeError, match="'geometry': nan"):
        benchmark.disagreement(ours, obvious, scalars, scalars)


def test_the_plain_warp_is_the_warp():
    rng = np.random.default_rng(0)
    image = tf.constant(rng.uniform(-1, 1, (2, 5, 7, 3)), tf.float32)
    displacement = tf.constant(rng.uniform(-6, 6, (2, 5, 7, 2)), tf.float32)
    results = []
    for function in (warp, op_by_op_warp):
        with tf.GradientTape() as tape:
            tape.watch([image, displacement])
            output = function(image, displacement)
            energy = tf.reduce_sum(tf.square(output))
        results.append([output, *tape.gradient(energy, [image, displacement])])
    for mine, rival in zip(*results, strict=True):
        np.testing.assert_allclose(mine, rival, rtol=0, atol=1e-5)


def test_the_report_is_a_table_and_a_file(tmp_path, capsys):
    settings = dataclasses.replace(TINY, langevin_steps=1)
    output = tmp_path / "benchmark.json"
    benchmark.report(settings, output)
    result = json.loads(output.read_text())
    assert result["settings"] == dataclasses.asdict(settings)
    assert max(result["differences"].values()) < benchmark.TOLERANCE
    seconds = result["seconds"]
    assert result["ratios"] == [seconds["ours"][i] / seconds["obvious"][i] for i in range(2)]
    printed = capsys.readouterr().out
    assert "compiling the step: ours" in printed
    rows = {line[:16].strip(): line[16:].split() for line in printed.splitlines()}
    assert rows["ours / obvious"][0] == f"{np.mean(result['ratios']):.3f}"
    forward = result["warp_seconds"]["forward"]["obvious"]
    assert rows["obvious"][0] == f"{1e3 * np.mean(forward):.2f}"
    assert os.listdir(tmp_path) == ["benchmark.json"]


@pytest.mark.parametrize(
    ("name", "value"),
    [("side", 48), ("batch_size", 0), ("langevin_steps", 0), ("repeats", 0), ("latent_dim", -1)],
)
def test_a_size_that_cannot_be_used_is_named(name, value):
    with pytest.raises(InputError, match=f"--{name}={value}: must be"):
        Settings(**{name: value})


def test_an_output_without_a_folder_is_refused_before_the_work(tmp_path):
    arguments = ["--side=32", "--batch_size=1", f"--output={tmp_path}/missing/file.json"]
    done = subprocess.run(
        [sys.executable, "-m", "dgn_tf.benchmark", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith(f"error: --output={tmp_path}")
