"""Settings of the inference of latents."""

import dataclasses

from dgn_tf.config.fields import POSITIVE, Typed, is_positive, last_value, require, setting
from dgn_tf.config.training import TrainingConfig

# Prior samples among which starts are looked for, and so the most starts.
MAX_STARTS = 1024
# What is enough from zero, and from the guess of an encoder.
_FROM_ZERO, _FROM_GUESS = {"steps": 300, "starts": 4}, {"steps": 100, "starts": 1}


@dataclasses.dataclass(frozen=True)
class InferenceConfig(Typed):
    """How latents of images or clips are inferred with the networks fixed (Eq. 7)."""

    steps: int | None = setting(
        None,
        "Langevin steps, rounded up to tens. By default 100 from the guess of an encoder (20 do "
        "where it has learned long enough), 300 from zero and with --noise.",
    )
    starts: int | None = setting(
        None,
        "Starts for each image; after a quarter of the steps the best goes on alone. More starts "
        "find better fits and take longer. By default 1 where 100 steps are, else 4.",
    )
    amortised: bool | None = setting(
        None,
        "Begin with the guess of the encoder that has learned beside the model (--proposals) or "
        "after it (dgn_tf.amortise). By default where there is one; --noamortised begins at zero.",
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
        super().__post_init__()
        require(self.steps is None or self.steps >= 1, "steps", self.steps, "at least 1")
        possible = self.starts is None or 1 <= self.starts <= MAX_STARTS
        require(possible, "starts", self.starts, f"from 1 to {MAX_STARTS}")
        require(0 <= self.seed < 2**31, "seed", self.seed, "from 0 to 2147483647")
        for name in ("step_size", "sigma"):
            value = getattr(self, name)
            require(value is None or is_positive(value), name, value, POSITIVE)

    def resolved(self, training: TrainingConfig, guessed: bool = False) -> "InferenceConfig":
        """The same with a number for every setting that is not given.

        Args:
            training: of the model; step size and sigma are those that it ended with.
            guessed: whether an encoder's guess is there to begin with, which needs fewer steps.
        """
        # A sample of the posterior needs its steps wherever it begins.
        usual = _FROM_GUESS if guessed and not self.noise else _FROM_ZERO
        return dataclasses.replace(
            self,
            steps=self.steps or usual["steps"],
            starts=self.starts or usual["starts"],
            amortised=guessed,
            step_size=self.step_size or last_value(training.step_size),
            sigma=self.sigma or last_value(training.sigma),
        )
