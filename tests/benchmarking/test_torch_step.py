"""The program in PyTorch, which the benchmark times, is ours: where PyTorch is installed."""

import importlib.util
import json

import numpy as np
import pytest

from dgn_tf import benchmark
from dgn_tf.benchmarking import pytorch, reference_step
from dgn_tf.config import Config, DataConfig, ModelConfig, TrainingConfig
from dgn_tf.utils.errors import InputError

# Asked of the path: PyTorch runs in a process of its own, away from TensorFlow.
needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch (the extra bench) is not installed"
)
TINY = Config(
    DataConfig(side=32),
    ModelConfig(
        appearance_dim=2,
        geometry_dim=3,
        alpha=0.25,
        smoothing=0.06,
        fold_penalty=30,
        mean_penalty=300,
        variation_penalty=1,
    ),
    TrainingConfig(batch_size=3, langevin_steps=2),
)


@needs_torch
def test_a_langevin_step_is_the_same():
    with pytorch.TorchProcess(TINY, threads=1) as torch:
        for variant in ("plain", "cached"):
            assert pytorch.disagreement(TINY, torch, variant, compiled=False) < 1e-5
            torch.step(variant, compiled=False)


@needs_torch
def test_a_step_that_differs_is_seen(monkeypatch):
    with pytorch.TorchProcess(TINY, threads=1) as torch:
        monkeypatch.setattr(reference_step, "STEP_SIZE", 1.01 * reference_step.STEP_SIZE)
        with pytest.raises(RuntimeError, match="disagree by"):
            pytorch.disagreement(TINY, torch, "plain", compiled=False)


@pytest.mark.slow
@needs_torch
def test_ratios_are_printed_and_written(run_app, tmp_path):
    output = tmp_path / "pytorch.json"
    said = run_app(
        benchmark,
        "--parts=pytorch",
        "--side=32",
        "--batch_size=2",
        "--langevin_steps=1",
        "--appearance_dim=2",
        "--geometry_dim=2",
        "--alpha=0.25",
        "--repeats=2",
        f"--output={output}",
    )
    assert said.status == 0, said.err
    found = json.loads(output.read_text())["pytorch"]
    ours, torch = found["seconds"]["ours"], found["seconds"]["torch"]
    assert found["ratios"]["torch"] == [ours[i] / torch[i] for i in range(2)]
    rows = {line[:32].strip(): line[32:].split() for line in said.out.splitlines()}
    assert rows["ours / torch"][1] == f"{np.mean(found['ratios']['torch']):.3f}"


def test_a_missing_torch_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r'install -e "\.\[bench\]"'):
        pytorch.TorchProcess(TINY, threads=1)


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--repeats=0", "--repeats=0: must be at least 1"),
        ("--output=file", "--output=file: must be a folder or end in .json"),
        ("--border=zeros", "--border=zeros: steps are measured with --border=edge only"),
    ],
)
def test_what_cannot_be_compared_is_named(run_app, flag, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    said = run_app(benchmark, "--parts=pytorch", flag)
    assert said.status == 2
    assert said.err.splitlines()[-1].startswith(f"error: {message}")
