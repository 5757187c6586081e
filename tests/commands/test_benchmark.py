"""The rival of the benchmark computes the same step, and the app reports what it measures."""

import errno
import json
import os

import numpy as np
import pytest
import tensorflow as tf

from dgn_tf import benchmark
from dgn_tf.benchmarking import reference_step, registry
from dgn_tf.benchmarking.part import Part
from dgn_tf.config import Config, DataConfig, ModelConfig, TrainingConfig
from dgn_tf.config.benchmark import PARTS, USUAL, PartSettings, Repeats
from dgn_tf.utils.errors import InputError

TINY = Config(
    DataConfig(side=32),
    ModelConfig(
        appearance_dim=4,
        geometry_dim=4,
        alpha=0.25,
        smoothing=0.06,
        fold_penalty=30,
        mean_penalty=300,
    ),
    TrainingConfig(batch_size=3, langevin_steps=2),
)
FLAGS = (
    "--side=32",
    "--batch_size=2",
    "--langevin_steps=1",
    "--repeats=2",
    "--appearance_dim=2",
    "--geometry_dim=2",
    "--alpha=0.25",
)


@pytest.mark.slow
def test_both_steps_give_the_same_numbers():
    ours, obvious = reference_step.make_learners(TINY)
    start = {name: states.numpy() for name, states in ours.chains.groups.items()}
    weights = ours.model.get_weights()
    scalars = [reference_step.compiled_step(learner, TINY)() for learner in (ours, obvious)]
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
        assert np.abs(rival - before).max() == pytest.approx(reference_step.LEARNING_RATE, rel=1e-2)


def test_a_step_that_differs_is_refused():
    ours, obvious = reference_step.make_learners(TINY)
    scalars = {"loss": tf.constant(2.0)}
    assert reference_step.disagreement(ours, obvious, scalars, scalars) == {
        "appearance": 0.0,
        "geometry": 0.0,
        "loss": 0.0,
    }
    with pytest.raises(RuntimeError, match="disagree.*'loss': 0.5"):
        reference_step.disagreement(ours, obvious, {"loss": tf.constant(3.0)}, scalars)
    obvious.chains.groups["geometry"][0, 0].assign(float("nan"))
    with pytest.raises(RuntimeError, match="'geometry': nan"):
        reference_step.disagreement(ours, obvious, scalars, scalars)


@pytest.mark.slow
def test_steps_and_warps_are_a_table_and_a_file(run_app, tmp_path):
    said = run_app(benchmark, *FLAGS, "--parts=warps,steps", f"--output={tmp_path}/all.json")
    assert said.status == 0, said.err
    result = json.loads((tmp_path / "all.json").read_text())
    assert result["settings"]["appearance_dim"] == 2 and result["settings"]["side"] == 32
    found = result["steps"]
    assert max(found["differences"].values()) < reference_step.TOLERANCE
    seconds = found["seconds"]
    assert found["ratios"] == [seconds["ours"][i] / seconds["obvious"][i] for i in range(2)]
    rows = {line[:24].strip(): line[24:].split() for line in said.out.splitlines()}
    assert rows["ours / obvious"][0] == f"{np.mean(found['ratios']):.3f}"
    measured = result["warps"]["full"]["seconds"]["forward"]["op by op"]
    assert rows["op by op"][0] == f"{1e3 * np.mean(measured):.2f}"
    assert os.listdir(tmp_path) == ["all.json"]


def test_the_charts_of_what_was_measured_lie_in_the_folder(run_app, tmp_path):
    output = tmp_path / "new" / "folder"
    said = run_app(benchmark, *FLAGS, "--repeats=1", "--parts=phases", f"--output={output}")
    assert said.status == 0, said.err
    assert sorted(os.listdir(output)) == [".dgn_tf.json", "benchmark.json", "phases.png"]
    found = json.loads((output / "benchmark.json").read_text())["phases"]
    assert list(found["phases"]) == [
        "generators, forward",
        "generators, gradient",
        "warp, with gradients",
        "noise",
        "learning",
        "chains",
        "rest",
    ]
    assert sum(found["phases"].values()) == pytest.approx(found["step"])
    assert min(seconds for name, seconds in found["phases"].items() if name != "rest") >= 0


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--side=48", "--side=48: must be one of"),
        ("--batch_size=0", "--batch_size=0: must be at least 1"),
        ("--repeats=0", "--repeats=0: must be at least 1"),
        ("--parts=steps,speed", "--parts=steps,speed: must be some of steps,warps"),
        ("--parts=", "--parts=: must be some of steps,warps"),
        ("--clips=3", "--clips belongs to --parts=clips: give that too."),
        ("--compiled", "--compiled belongs to --parts=pytorch: give that too."),
        ("--seconds=60", "--seconds belongs to --parts=quality: give that too."),
        ("--model=abp", "--model=abp: steps are measured with --model=deformable only"),
        ("--border=zeros", "--border=zeros: steps are measured with --border=edge only"),
    ],
)
def test_what_cannot_be_measured_is_named(run_app, flag, message):
    said = run_app(benchmark, *FLAGS, flag)
    assert said.status == 2
    assert said.err.splitlines()[-1].startswith(f"error: {message}")


@pytest.mark.parametrize("name", ["missing/file.json", "folder.json", "file"])
def test_an_output_that_cannot_be_is_refused_before_the_work(run_app, tmp_path, name):
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "file").touch()
    said = run_app(benchmark, *FLAGS, f"--output={tmp_path}/{name}")
    assert said.status == 2 and said.out == ""
    assert said.err.splitlines()[-1].startswith(f"error: --output={tmp_path}/{name}: must be")


def test_every_part_has_its_settings_and_its_measurement():
    assert list(PARTS) == list(registry.PARTS)


def test_what_is_measured_by_default_has_no_settings_of_its_own():
    assert USUAL == ("steps", "warps", "phases", "peak", "memory", "sweep")
    assert [name for name in PARTS if name not in USUAL] == ["clips", "pytorch", "quality"]
    assert all(PARTS[name].settings is Repeats and not PARTS[name].defaults for name in USUAL)


@pytest.mark.parametrize("name", ["result", "result.json"])
def test_what_is_found_is_written_as_soon_as_it_is_there(run_app, tmp_path, monkeypatch, name):
    def measure(config, settings):
        yield {"count": 1}
        yield {"count": 2}
        raise InputError("`data=x`: is gone.")

    part = Part(measure, lambda found: [f"count {found['count']}"], markdown=True)
    monkeypatch.setitem(registry.PARTS, "long", part)
    monkeypatch.setitem(PARTS, "long", PartSettings(opt_in=True))
    said = run_app(benchmark, "--parts=long", f"--output={tmp_path}/{name}")
    assert said.status == 2 and said.err.splitlines()[-1] == "error: --data=x: is gone."
    numbers = tmp_path / name / "benchmark.json" if name == "result" else tmp_path / name
    result = json.loads(numbers.read_text())
    assert result["long"] == {"count": 2} and result["settings"]["side"] == 64
    if name == "result":
        assert (tmp_path / "result" / "long.md").read_text() == "count 2\n"
    else:
        assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("name", ["notes.json", "folder/benchmark.json", "folder/phases.png"])
def test_what_is_no_result_is_not_replaced(run_app, tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text('{"mine": 1}')
    output = path if path.parent == tmp_path else path.parent
    said = run_app(benchmark, *FLAGS, "--parts=phases", f"--output={output}")
    assert said.status == 2 and "is no result of a benchmark" in said.err
    assert path.read_text() == '{"mine": 1}'


@pytest.mark.parametrize("name", ["warps.csv", "table.MD", "deep/chart.png"])
def test_a_name_of_another_kind_of_file_is_no_folder(run_app, tmp_path, name):
    said = run_app(benchmark, *FLAGS, "--parts=phases", f"--output={tmp_path}/{name}")
    assert said.status == 2 and "must be a folder or end in .json" in said.err
    assert not list(tmp_path.iterdir())


def test_what_was_measured_is_shown_even_where_it_cannot_be_written(run_app, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    part = Part(lambda config, settings: {"count": 7}, lambda found: [f"count {found['count']}"])
    monkeypatch.setitem(registry.PARTS, "steps", part)
    monkeypatch.setattr("dgn_tf.benchmarking.results.write_text", full)
    said = run_app(benchmark, "--parts=steps", f"--output={tmp_path}/result")
    assert said.status == 1 and "count 7" in said.out
    assert "No space left on device" in said.err.splitlines()[-1]


def test_other_sizes_leave_the_rest_as_it_is():
    other = reference_step.resized(TINY, side=64, langevin_steps=7)
    assert other.settings()["side"][0] == 64 and other.settings()["langevin_steps"][0] == 7
    assert other.settings()["batch_size"][0] == 3 and other.model == TINY.model
    with pytest.raises(InputError, match="`batch_size=0`"):
        reference_step.resized(TINY, batch_size=0)
