"""The step against the machine: arithmetic done, and memory taken."""

import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from dgn_tf.benchmarking.part import Part
from dgn_tf.benchmarking.reference_step import compiled_step, our_learner
from dgn_tf.benchmarking.timing import interleaved_timings
from dgn_tf.config import Config
from dgn_tf.config.benchmark import Repeats
from dgn_tf.models.factory import make_model
from dgn_tf.ops.layers import leaf_layers
from dgn_tf.training.memory import step_memory

# Side of the square matrices whose product is the machine's peak.
MATRIX_SIDE = 2048
# After so many steps everything that a step keeps is there.
_MEMORY_STEPS = 3
_STATUS = Path("/proc/self/status")


def forward_flops(network: keras.Model) -> int:
    """Floating-point operations of one forward pass of one example.

    They are those of fully connected layers and transposed convolutions, which is all that Table IV
    has, without biases and activations: 2 for every use of a weight. A transposed convolution uses
    each weight at every pixel of its input.
    """
    total = 0
    for layer in leaf_layers(network):
        if isinstance(layer, keras.layers.Dense | keras.layers.Conv2DTranspose):
            places = math.prod(layer.input.shape[1:-1])
            total += 2 * math.prod(layer.kernel.shape) * places
    return total


def step_flops(config: Config) -> int:
    """Floating-point operations of the networks in one of our training steps.

    A gradient to the latents costs one more pass; the one to the weights, two. The appearance is
    made once more than the displacement, before the first Langevin step.
    """
    networks = make_model(config.model, config.data.side, config.data.channels).networks
    l_steps, learned = config.learning.langevin_steps, 3
    appearance = forward_flops(networks["appearance"]) * (2 * l_steps + 1 + learned)
    geometry = forward_flops(networks["geometry"]) * (2 * l_steps + learned)
    return config.learning.batch_size * (appearance + geometry)


def time_peak(config: Config, repeats: int) -> dict[str, float]:
    """Operations a second of the step's networks, and of a product of large matrices.

    Args:
        config: the settings of a training.
        repeats: timed runs of each.

    Returns:
        "step_gflop" of one step, "gflops" it reaches by its median time, and "peak_gflops", that of
        the fastest product, with the step's time "step" in seconds.
    """
    a = tf.random.stateless_normal([MATRIX_SIDE, MATRIX_SIDE], (0, 1))
    product = tf.function(lambda: tf.matmul(a, a), autograph=False)
    step = compiled_step(our_learner(config), config)
    times = interleaved_timings({"step": step, "product": product}, repeats)
    gflop, seconds = step_flops(config) / 1e9, statistics.median(times["step"])
    return {
        "step": seconds,
        "step_gflop": gflop,
        "gflops": gflop / seconds,
        "peak_gflops": 2.0 * MATRIX_SIDE**3 / 1e9 / min(times["product"]),
    }


def measure_memory(config: Config) -> dict[str, int | None]:
    """Bytes by which a fresh process grows when it makes a step, and what `step_memory` expects.

    Returns:
        "grown", None where the system does not tell (it is read from /proc), and "guessed".
    """
    model = make_model(config.model, config.data.side, config.data.channels)
    count, steps = config.learning.batch_size, config.learning.langevin_steps
    found = {"guessed": step_memory(model, count, examples=count, langevin_steps=steps)}
    if not _STATUS.exists():
        return {"grown": None, **found}
    done = subprocess.run(
        [sys.executable, "-m", "dgn_tf.benchmarking.peak"],
        input=config.to_json(),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    return {"grown": json.loads(done.stdout)["grown"], **found}


def rows(found: dict[str, float]) -> Iterator[str]:
    """What `time_peak` measured, in a line."""
    share = found["gflops"] / found["peak_gflops"]
    yield (
        f"networks: {found['step_gflop']:.1f} GFLOP a step, {found['gflops']:.0f} GFLOP/s, "
        f"{share:.0%} of a matrix product's {found['peak_gflops']:.0f}"
    )


def memory_rows(found: dict[str, int | None]) -> Iterator[str]:
    """What `measure_memory` found, in a line."""
    grown, guessed = (
        "unknown on this system" if count is None else f"{count / 1e6:.0f} MB"
        for count in (found["grown"], found["guessed"])
    )
    yield f"memory that a step takes: {grown} (guessed before: {guessed})"


def measure(config: Config, settings: Repeats) -> dict[str, Any]:
    """What `time_peak` finds."""
    return time_peak(config, settings.repeats)


PEAK = Part(measure, rows)
MEMORY = Part(lambda config, _: measure_memory(config), memory_rows)


def _peak_bytes() -> int:
    """The most memory that this process has had so far: its own, unlike what getrusage says."""
    (line,) = [row for row in _STATUS.read_text().splitlines() if row.startswith("VmHWM:")]
    return 1024 * int(line.split()[1])


def _grow() -> None:
    """Print by how many bytes some steps of the settings on standard input raise the peak."""
    config = Config.from_json(sys.stdin.read())
    tf.matmul(tf.ones([256, 256]), tf.ones([256, 256]))  # The threads and their buffers.
    before = _peak_bytes()
    step = compiled_step(our_learner(config), config)
    for _ in range(_MEMORY_STEPS):
        step()
    print(json.dumps({"grown": _peak_bytes() - before}))


if __name__ == "__main__":
    _grow()
