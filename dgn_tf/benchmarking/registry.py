"""The parts of the benchmark by name, in the order in which they are measured.

A new part is a module with a `Part`, a line here, and one in `dgn_tf.config.benchmark`.
"""

from dgn_tf.benchmarking import (
    clips,
    peak,
    phases,
    pytorch,
    reference_step,
    scaling,
    time_to_quality,
    warps,
)
from dgn_tf.benchmarking.part import Part

PARTS: dict[str, Part] = {
    "steps": reference_step.PART,
    "warps": warps.PART,
    "phases": phases.PART,
    "peak": peak.PEAK,
    "memory": peak.MEMORY,
    "sweep": scaling.PART,
    "clips": clips.PART,
    "pytorch": pytorch.PART,
    # The last: its trainings make TensorFlow deterministic for good, which slows it down.
    "quality": time_to_quality.PART,
}
