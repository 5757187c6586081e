"""Settings of how the machine does the work."""

import dataclasses

from dgn_tf.config.fields import Typed, require_at_least, require_choice, setting
from dgn_tf.utils.errors import InputError

JIT = ("auto", "on", "off")
STRATEGIES = ("one", "mirrored", "multi_worker")


@dataclasses.dataclass(frozen=True)
class ExecutionConfig(Typed):
    """How the machine does the work. The results are the same up to rounding.

    With `dreams` they depend on the number of devices too: the encoder learns recombinations of
    examples that are on the same device.
    """

    jit: str = setting(
        "auto",
        "Whether XLA compiles the whole learning step: auto does on a GPU; on a CPU, where XLA's "
        "convolutions are slow, it compiles the warp alone.",
        JIT,
        fixed=False,
    )
    steps_per_execution: int = setting(
        1,
        "Learning steps that run on the device without a return to Python: more than 1 keep a fast "
        "device busy. Logs and the response to SIGTERM come as often.",
        fixed=False,
    )
    strategy: str = setting(
        "one",
        "one device; mirrored, all GPUs of this process (all logical CPUs if it has none); "
        "multi_worker, the processes that the environment variable TF_CONFIG names. See --shards.",
        STRATEGIES,
        fixed=False,
    )

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        require_choice(self, "strategy", "jit")
        require_at_least(1, self, "steps_per_execution")
        if self.strategy != "one" and self.jit == "on":
            raise InputError(
                f"`strategy={self.strategy}` `jit=on`: XLA cannot compile communication between "
                "devices: leave out `jit`."
            )
