"""Settings of how the machine does the work."""

import dataclasses

from dgn_tf.config.declaring import setting
from dgn_tf.parsing import require

JIT = ("auto", "on", "off")


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

    def __post_init__(self):
        """Check the ranges."""
        require(self.jit in JIT, "jit", self.jit, f"one of {JIT}")
        require(
            self.steps_per_execution >= 1, "steps_per_execution", self.steps_per_execution,
            "at least 1",
        )  # fmt: skip
