"""Settings of how a model is trained."""

import dataclasses

from dgn_tf.config.fields import (
    Typed,
    require,
    require_at_least,
    require_choice,
    require_not_negative,
    require_positive,
    require_schedule,
    setting,
)

FROZEN = ("", "appearance", "geometry")
PROPOSALS = ("none", "encoder", "metropolis")
CHAIN_STARTS = ("normal", "zero")


@dataclasses.dataclass(frozen=True)
class TrainingConfig(Typed):
    """Alternating back-propagation (Algorithm 1), or variational learning with an encoder.

    Schedules are numbers or "fraction of the run:value" pairs.
    """

    epochs: int = setting(
        1000,
        "Passes over the data. Raise it to continue a run that has ended.",
        fixed=False,
    )
    batch_size: int = setting(
        100, "Examples in a learning step, on all devices together.", fixed=False
    )
    langevin_steps: int = setting(20, "l, Langevin steps before each learning step.")
    step_size: str = setting("0.1", "delta of Eq. 7, a number or a schedule.")
    sigma: str = setting(
        "0:1.5,0.1:1.0",
        "Standard deviation of a pixel on the [0, 1] scale, a number or a schedule.",
    )
    head_start: float = setting(
        0.0,
        "Fraction of the run in which the appearance chains stand still and geometry learns alone. "
        "Without effect on models without geometry.",
    )
    noise: bool = setting(True, "Whether the Langevin steps of training are noisy, as in Eq. 7.")
    simultaneous: bool = setting(False, "Update all latent groups at once instead of in turn.")
    learning_rate: str = setting(
        "0:1e-3,0.1:8e-4,0.2:6e-4,0.3:5e-4,0.4:4e-4,0.5:3e-4,0.7:2e-4,0.9:1e-4",
        "Learning rate of Adam, a number or a schedule.",
        fixed=False,
    )
    kl_weight: float = setting(
        1.0, "Weight of the KL divergence: the beta of vae and deformable_vae."
    )
    ema: float = setting(
        0.0,
        "Decay of an exponential moving average of the weights, such as 0.999. The model is saved "
        "and measured with the average (the sheets show the last weights); 0 for none.",
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
        1, "adversarial: add the R1 penalty every N-th step only, N times as strong."
    )
    warmup: float = setting(
        0.0,
        "adversarial: fraction of the run in which the generators learn from the likelihood alone, "
        "while the discriminator learns already.",
    )
    discriminator_rate: str = setting(
        "2e-4", "adversarial: learning rate of the discriminator, a number or a schedule."
    )
    discriminator_width: float = setting(
        1.0, "adversarial: filters per level of the discriminator over 16, 32, 64, ..."
    )
    minibatch_deviation: bool = setting(
        False,
        "adversarial: the discriminator sees the standard deviation over the batch as a feature.",
    )
    init_from: str = setting(
        "",
        "Folder of a trained run, same model and side, whose weights this one begins with, its "
        "encoder's too. A dynamic model with --emission=IV may begin with a run on stills. A run "
        "that goes on does not need it any more.",
        fixed=False,
    )
    freeze: str = setting(
        "", "Network whose weights do not change: appearance or geometry; empty for none.", FROZEN
    )
    seed: int = setting(
        0, "Seed of the networks, the chains, the noise and the order of the examples."
    )
    shards: int = setting(
        1,
        "Parts of the data that every batch is drawn from in equal numbers; a multiple of the "
        "number of devices (--strategy). Batches depend on this, not on the devices.",
    )
    proposals: str = setting(
        "none",
        "none, as in Algorithm 1; encoder or metropolis: chains may go on at the guess of an "
        "encoder that learns beside the model. encoder: where it has the lower energy; "
        "metropolis: near the guess, as often as a Metropolis step accepts it. Not for models with "
        "an encoder of their own.",
        PROPOSALS,
    )
    chain_start: str = setting(
        "normal", "Where chains start: normal, from N(0, I); zero.", CHAIN_STARTS
    )
    dreams: bool = setting(
        False,
        "proposals: the encoder also learns from recombinations that the model paints, whose "
        "latents are known.",
    )
    encoder_rate: str = setting(
        "0:2e-3,0.5:1e-3,0.8:3e-4", "proposals: learning rate of the encoder, or a schedule."
    )
    decorrelation: float = setting(
        0.0,
        "Share of what z_g tells of z_a, by least squares, that every step takes out of z_a, in "
        "[0, 1]: keeps the pose out of appearance. 0 for none, as in Algorithm 1. For "
        "--model=deformable.",
    )
    optimizer: str = setting(
        "",
        "Optimizer of the networks: empty for Adam; a name that Keras knows, such as lion; or the "
        "JSON of keras.optimizers.serialize, whose own learning rate stands in for "
        "--learning_rate. For one device.",
    )

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        require_at_least(1, self, "epochs", "batch_size", "shards", "langevin_steps", "r1_every")
        wanted = f"a multiple of `shards={self.shards}`"
        require(self.batch_size % self.shards == 0, "batch_size", self.batch_size, wanted)
        require(0 <= self.head_start < 1, "head_start", self.head_start, "at least 0 and below 1")
        require(self.freeze in FROZEN, "freeze", self.freeze, "appearance, geometry or empty")
        require_not_negative(self, "kl_weight", "likelihood_weight", "r1_weight")
        for name in ("ema", "warmup"):
            require(0 <= getattr(self, name) < 1, name, getattr(self, name), "in [0, 1)")
        require_positive(self, "discriminator_width")
        within = 0 <= self.decorrelation <= 1
        require(within, "decorrelation", self.decorrelation, "in [0, 1]")
        require(0 <= self.seed < 2**31, "seed", self.seed, "from 0 to 2147483647")
        require_choice(self, "proposals", "chain_start")
        require_schedule(self, "step_size", "sigma", "learning_rate", "discriminator_rate")
        require_schedule(self, "encoder_rate")
