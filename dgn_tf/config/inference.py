"""Settings of the inference of latents."""

import dataclasses

from dgn_tf.config.fields import last_value, require, setting
from dgn_tf.config.training import TrainingConfig

# Prior samples among which starts are looked for, and so the most starts.
MAX_STARTS = 1024


@dataclasses.dataclass(frozen=True)
class InferenceConfig:
    """How latents of images or clips are inferred with the networks fixed (Eq. 7)."""

    steps: int = setting(300, "Langevin steps, rounded up to tens.")
    starts: int = setting(
        4,
        "Starts for each image; after a quarter of the steps the best goes on alone. More starts "
        "find better fits and take longer.",
    )
    amortised: bool = setting(
        False,
        "Begin with the guess of the run's encoder (dgn_tf.amortise): 20 steps and one start do.",
    )
    noise: bool = setting(False, "Sample the posterior; by default descend to its mode.")
    step_size: float | None = setting(
        None,
        "delta of a Langevin step (Eq. 7). By default the last value of the run's --step_size, the "
        "one its training ended with. Smaller if the inference diverges.",
    )
    sigma: float | None = setting(
        None,
        "Standard deviation of a pixel on the [0, 1] scale. By default the last value of the run's "
        "--sigma. Smaller values fit the pixels more closely and trust the prior less.",
    )
    seed: int = setting(0, "Seed of the starts, of the noise and of what else is drawn.")

    def __post_init__(self) -> None:
        """Check the ranges."""
        require(self.steps >= 1, "steps", self.steps, "at least 1")
        require(1 <= self.starts <= MAX_STARTS, "starts", self.starts, f"from 1 to {MAX_STARTS}")
        require(0 <= self.seed < 2**31, "seed", self.seed, "from 0 to 2147483647")
        for name in ("step_size", "sigma"):
            value = getattr(self, name)
            above = value is None or 0 < value < float("inf")
            require(above, name, value, "above 0 and finite")

    def resolved(self, training: TrainingConfig) -> "InferenceConfig":
        """The same with step_size and sigma, if not given, as a training ended with them."""
        return dataclasses.replace(
            self,
            step_size=self.step_size or last_value(training.step_size),
            sigma=self.sigma or last_value(training.sigma),
        )
