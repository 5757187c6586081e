"""Settings of the learning."""

import dataclasses

from dgn_tf.config.fields import parse_schedule, require, setting
from dgn_tf.utils.errors import InputError

FROZEN = ("", "appearance", "geometry")


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """Alternating back-propagation (Algorithm 1), or variational learning with an encoder.

    Schedules are numbers or "fraction of the run:value" pairs.
    """

    epochs: int = setting(
        1000,
        "Passes over the data; a longer run goes on from where a shorter one ended.",
        fixed=False,
    )
    batch_size: int = setting(100, "Examples in a learning step, on all devices together.")
    langevin_steps: int = setting(20, "l, Langevin steps before each learning step.")
    step_size: str = setting("0.1", "delta of Eq. 7, a number or a schedule.")
    sigma: str = setting(
        "0:1.5,0.1:1.0",
        "Standard deviation of a pixel on the [0, 1] scale, a number or a schedule.",
    )
    head_start: float = setting(
        0.0,
        "Fraction of the run in which the appearance chains wait and geometry learns alone. In "
        "models without geometry nothing waits.",
    )
    noise: bool = setting(True, "Noise in the Langevin steps of training.")
    simultaneous: bool = setting(False, "Move all latent groups at once instead of in turn.")
    learning_rate: str = setting(
        "0:1e-3,0.1:8e-4,0.2:6e-4,0.3:5e-4,0.4:4e-4,0.5:3e-4,0.7:2e-4,0.9:1e-4",
        "Learning rate of Adam, a number or a schedule.",
    )
    kl_weight: float = setting(
        1.0, "Weight of the KL divergence: the beta of vae and deformable_vae."
    )
    ema: float = setting(
        0.0,
        "Decay of a running average of the weights, such as 0.999, with which the trained model is "
        "saved and measured (the sheets show the last weights); 0 for none.",
    )
    adversarial: bool = setting(
        False, "Learn with a discriminator too (Eq. 22). For models of images without an encoder."
    )
    likelihood_weight: float = setting(
        0.001,
        "adversarial: lambda_1, weight of likelihood and penalties; 0: no likelihood.",
    )
    r1_weight: float = setting(10.0, "adversarial: lambda_2, weight of the R1 penalty.")
    r1_every: int = setting(
        1, "adversarial: add R1 at every so-manyth step only, so many times as strong."
    )
    warmup: float = setting(
        0.0, "adversarial: fraction of the run before the generators hear the discriminator."
    )
    discriminator_rate: str = setting(
        "2e-4", "adversarial: learning rate of the discriminator, a number or a schedule."
    )
    discriminator_width: float = setting(
        1.0, "adversarial: filters per level of the discriminator over 16, 32, 64, ..."
    )
    minibatch_deviation: bool = setting(
        False, "adversarial: the discriminator sees how much a batch varies."
    )
    init_from: str = setting(
        "", "Folder of a run whose networks this one begins with; same model and side."
    )
    freeze: str = setting(
        "", "Networks that stay as they are: appearance or geometry; empty for none.", FROZEN
    )
    seed: int = setting(
        0, "Seed of the networks, the chains, the noise and the order of the examples."
    )
    shards: int = setting(
        1,
        "Parts of the data that batches are drawn from equally: a multiple of the number of "
        "devices (--strategy). The batches depend on it, and not on the devices.",
    )

    def __post_init__(self):
        """Check the ranges."""
        for name in ("epochs", "batch_size", "shards", "langevin_steps"):
            require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        require(
            self.batch_size % self.shards == 0,
            "batch_size",
            self.batch_size,
            f"a multiple of --shards={self.shards}",
        )
        require(0 <= self.head_start < 1, "head_start", self.head_start, "at least 0 and below 1")
        require(self.freeze in FROZEN, "freeze", self.freeze, "appearance, geometry or empty")
        for name in ("kl_weight", "likelihood_weight", "r1_weight"):
            require(0 <= getattr(self, name) < float("inf"), name, getattr(self, name), "0 or more")
        for name in ("ema", "warmup"):
            require(0 <= getattr(self, name) < 1, name, getattr(self, name), "in [0, 1)")
        require(self.r1_every >= 1, "r1_every", self.r1_every, "at least 1")
        require(
            0 < self.discriminator_width < float("inf"),
            "discriminator_width",
            self.discriminator_width,
            "above 0 and finite",
        )
        require(0 <= self.seed < 2**31, "seed", self.seed, "from 0 to 2147483647")
        for name in ("step_size", "sigma", "learning_rate", "discriminator_rate"):
            try:
                parse_schedule(getattr(self, name))
            except ValueError as error:
                raise InputError(f"--{name}: {error}") from None
