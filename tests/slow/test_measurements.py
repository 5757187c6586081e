"""What the benchmarks measure in trainings and processes of their own."""

import json

import numpy as np
import pytest

from dgn_tf.benchmarking import peak, time_to_quality
from dgn_tf.config import Config, DataConfig, ModelConfig, TrainingConfig

pytestmark = pytest.mark.slow

TINY = Config(
    DataConfig(side=32),
    ModelConfig(appearance_dim=2, geometry_dim=3, alpha=0.25),
    TrainingConfig(batch_size=2, langevin_steps=4),
)


def test_numbers_a_table_and_a_chart_are_written(run_app, tmp_path):
    output = tmp_path / "quality.json"
    said = run_app(
        time_to_quality,
        "--settings=debug",
        "--limit=50",
        "--held_out=10",
        "--inference_steps=10",
        "--seconds=1",
        f"--output={output}",
    )
    assert said.status == 0, said.err
    found = json.loads(output.read_text())["trainings"]["debug"]
    rows = found["rows"]
    assert rows[-1]["step"] == found["config"]["learning"]["epochs"]
    assert all(np.isfinite(row[key]) for row in rows for key in ("msre", "r2_geometry"))
    text = output.with_suffix(".md").read_text()
    assert text in said.out and len(text.splitlines()) == 2 + len(rows) + 1
    assert f"| debug | {rows[-1]['seconds']:.0f} | {rows[-1]['step']} |" in text
    assert output.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_a_steps_memory_is_that_of_a_fresh_process():
    found = peak.measure_memory(TINY)
    assert found["guessed"] > 0
    # A step of this size keeps megabytes; TensorFlow itself, which is not counted, hundreds.
    assert found["grown"] is None or 2**20 < found["grown"] < 2**28
