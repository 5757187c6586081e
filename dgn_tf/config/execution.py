"""Settings of how the machine does the work."""

import dataclasses

from dgn_tf.config.fields import require, setting
from dgn_tf.utils.errors import InputError

JIT = ("auto", "on", "off")
STRATEGIES = ("one", "mirrored", "multi_worker")


@dataclasses.dataclass(frozen=True)
class ExecutionConfig:
    """How the machine does the work. The numbers are the same but for rounding."""

    jit: str = setting(
        "auto",
        "Whether XLA compiles the whole learning step: auto does on a GPU; on a CPU, where XLA's "
        "convolutions are slow, it compiles the warp alone.",
        JIT,
        fixed=False,
    )
    steps_per_execution: int = setting(
        1,
        "Learning steps that run before Python hears of them: above 1 it saves a quick device the "
        "waiting. Logs and the answer to SIGTERM come as often.",
        fixed=False,
    )
    strategy: str = setting(
        "one",
        "one device; mirrored, all GPUs of this process (all logical CPUs if it has none); "
        "multi_worker, the processes that the environment variable TF_CONFIG names. See --shards.",
        STRATEGIES,
        fixed=False,
    )

    def __post_init__(self):
        """Check the ranges."""
        require(self.strategy in STRATEGIES, "strategy", self.strategy, f"one of {STRATEGIES}")
        require(self.jit in JIT, "jit", self.jit, f"one of {JIT}")
        require(
            self.steps_per_execution >= 1,
            "steps_per_execution",
            self.steps_per_execution,
            "at least 1",
        )
        if self.strategy != "one" and self.jit == "on":
            raise InputError(
                f"--strategy={self.strategy} --jit=on: XLA cannot compile what devices tell each "
                "other: leave out --jit."
            )
