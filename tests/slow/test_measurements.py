"""What the benchmarks measure in trainings and processes of their own."""

import json

import numpy as np
import pytest

from dgn_tf import benchmark
from dgn_tf.benchmarking import peak
from dgn_tf.config import Config, DataConfig, ModelConfig, TrainingConfig

pytestmark = pytest.mark.slow

TINY = Config(
    DataConfig(side=32),
    ModelConfig(appearance_dim=2, geometry_dim=3, alpha=0.25),
    TrainingConfig(batch_size=2, langevin_steps=4),
)


def test_numbers_a_table_and_a_chart_are_written(run_app, tmp_path):
    said = run_app(
        benchmark,
        "--parts=quality",
        "--settings=debug",
        "--limit=50",
        "--held_out=10",
        "--inference_steps=10",
        "--seconds=1",
        f"--output={tmp_path}",
    )
    assert said.status == 0, said.err
    result = json.loads((tmp_path / "benchmark.json").read_text())
    assert result["quality"]["side"] == 32 and result["quality"]["examples"] == 50
    found = result["quality"]["trainings"]["debug"]
    rows = found["rows"]
    assert rows[-1]["step"] == found["config"]["learning"]["epochs"]
    assert all(np.isfinite(row[key]) for row in rows for key in ("msre", "r2_geometry"))
    text = (tmp_path / "quality.md").read_text()
    assert text in said.out and len(text.splitlines()) == 2 + len(rows) + 1
    assert f"| debug | {rows[-1]['seconds']:.0f} | {rows[-1]['step']} |" in text
    assert (tmp_path / "quality.png").read_bytes().startswith(b"\x89PNG")


def test_a_steps_memory_is_that_of_a_fresh_process():
    found = peak.measure_memory(TINY)
    assert found["guessed"] > 0
    # A step of this size keeps megabytes; TensorFlow itself, which is not counted, hundreds.
    assert found["grown"] is None or 2**20 < found["grown"] < 2**28
