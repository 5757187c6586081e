"""Settings of a run: frozen dataclasses, checked when made, kept as JSON.

Every setting is declared once, here, with its help; the command-line flags are made from these
declarations.
"""

import dataclasses

from dgn_tf.parsing import InputError, check_frames, parse_schedule, parse_where, require
from dgn_tf.stored import config_json, read_sections

CLIP_MODELS = ("dynamic", "mocogan")
MODELS = (
    "deformable", "abp", "vae", "deformable_vae", "deforming_autoencoder", *CLIP_MODELS,
)  # fmt: skip
FROZEN = ("", "appearance", "geometry")
APPEARANCES = ("continuous", "label", "categorical")
BORDERS = ("edge", "zeros")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
SIDES = (32, 64, 128, 256)


def _setting(default, help, choices=None, fixed=True):
    """A dataclass field. A run that is resumed may not change a `fixed` setting."""
    return dataclasses.field(
        default=default, metadata={"help": help, "choices": choices, "fixed": fixed}
    )


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Which pictures, and in which shape the model sees them."""

    data: str = _setting(
        "heads",
        "What to learn from: heads[:SPLIT], folder:PATH, tfds:NAME[:SPLIT], npz:PATH[:KEY] or "
        "shards:PATTERN (see dgn_tf.pack); "
        "clips, with --frames: heads_clips[:SPLIT], clips:PATH or npz:PATH[:KEY].",
    )
    side: int = _setting(64, "Height and width of a picture in pixels.", SIDES)
    channels: int = _setting(3, "1 for grey, 3 for colour.", (1, 3))
    frames: int = _setting(0, "Frames of a clip, for data of clips; 0 for pictures.")
    stride: int = _setting(1, "Clips: take every STRIDE-th frame.")
    fps: float = _setting(0.0, "Videos: take so many frames a second; 0 for all there are.")
    where: str = _setting(
        "", "LABEL=VALUE: use only the examples whose label has this value, for example view=0."
    )
    limit: int = _setting(0, "Use the first LIMIT of the examples only; 0 for all.")
    label: str = _setting(
        "label",
        "The label of the data that z_a is (--appearance=label), or that the classes which were "
        "found are compared with (--appearance=categorical).",
    )
    data_dir: str = _setting(
        "", "Folder of prepared TFDS data sets; empty for the TFDS default.", fixed=False
    )

    def __post_init__(self):
        """Check the ranges."""
        require(self.side in SIDES, "side", self.side, f"one of {SIDES}")
        require(self.channels in (1, 3), "channels", self.channels, "1 or 3")
        require(self.limit >= 0, "limit", self.limit, "0 or more")
        check_frames(self.frames, self.stride, self.fps)
        if self.where:
            parse_where(self.where)


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The generators (Table IV) and how they share the work (section 5.7)."""

    model: str = _setting(
        "deformable",
        "deformable; abp, the plain generator without geometry; or, learned with an encoder: vae "
        "(plain), deformable_vae, deforming_autoencoder (Shu et al. 2018). Of clips: dynamic; "
        "mocogan, a rival without geometry (content and motion codes, Tulyakov et al. 2018).",
        MODELS,
    )
    appearance_dim: int = _setting(64, "d_a, length of z_a; mocogan: of the content code.")
    geometry_dim: int = _setting(64, "d_g, length of z_g; mocogan: of the motion code.")
    alpha: float = _setting(
        0.625, "Filters per layer, appearance over geometric generator (scheme 1)."
    )
    appearance_scheme: int = _setting(
        1, "Weights of the appearance generator: 1 as stored, 2 scaled at run time.", (1, 2)
    )
    geometry_scheme: int = _setting(
        1, "Weights of the geometric generator: 1 as stored, 2 scaled at run time.", (1, 2)
    )
    appearance_beta: float = _setting(1.0, "Factor of scheme 2 on the appearance weights.")
    geometry_beta: float = _setting(0.3, "Factor of scheme 2 on the geometric weights.")
    appearance: str = _setting(
        "continuous",
        "What z_a is: continuous, normal as in the paper; label, the one-hot label of each "
        "picture, given and never inferred (Fig. 13); categorical, one of --appearance_dim "
        "classes, inferred without labels. The last two are for --model=deformable.",
        APPEARANCES,
    )
    precision: str = _setting(
        "float32",
        "Of the generators, encoder and discriminator: float32, or mixed_bfloat16 or mixed_float16 "
        "on hardware that has them. Warp, latents, energy and loss are float32.",
        PRECISIONS,
    )
    max_displacement: float = _setting(
        20 / 64, "Bound of the displacement as a fraction of the side."
    )
    smoothing: float = _setting(
        0.0,
        "Gaussian filter on the displacement, its standard deviation as a fraction of the side.",
    )
    border: str = _setting(
        "edge", "Outside the canonical picture: edge repeats its border, zeros is Eq. 4.", BORDERS
    )
    fold_penalty: float = _setting(
        0.0, "Weight on the folded part of the field in the learning loss."
    )
    mean_penalty: float = _setting(0.0, "Weight on the mean displacement in the learning loss.")
    variation_penalty: float = _setting(
        0.0, "Weight on the total variation of the field's slopes in the learning loss."
    )
    refinement: float = _setting(
        0.0,
        "Bound of what a small network may add to a pixel after the warp (Fig. 1), as a fraction "
        "of the range of values, at most 0.25; 0 for no such network. For --model=deformable.",
    )
    encoder_width: float = _setting(
        1.0, "Filters per layer of an encoder, over those of the geometric generator."
    )
    width: float = _setting(1.0, "Clips: filters per layer over those of Table V.")
    appearance_noise_dim: int = _setting(3, "dynamic: length of the appearance's noise xi.")
    geometry_noise_dim: int = _setting(
        10, "Clips: length of the geometry's (mocogan: the motion's) noise xi."
    )
    residual: bool = _setting(False, "dynamic: transitions add to the state before their tanh.")
    frames_per_chunk: int = _setting(
        0, "Clips: frames of a clip kept for the gradient, the others computed anew; 0 for all."
    )

    def __post_init__(self):
        """Check the ranges."""
        require(self.model in MODELS, "model", self.model, f"one of {MODELS}")
        require(self.precision in PRECISIONS, "precision", self.precision, f"one of {PRECISIONS}")
        require(
            self.appearance in APPEARANCES, "appearance", self.appearance, f"one of {APPEARANCES}"
        )
        require(self.border in BORDERS, "border", self.border, f"one of {BORDERS}")
        for name in (
            "appearance_dim", "geometry_dim", "appearance_noise_dim", "geometry_noise_dim",
        ):  # fmt: skip
            require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        for name in (
            "alpha", "appearance_beta", "geometry_beta", "max_displacement", "encoder_width",
            "width",
        ):  # fmt: skip
            require(
                0 < getattr(self, name) < float("inf"), name, getattr(self, name),
                "above 0 and finite",
            )  # fmt: skip
        require(0 <= self.refinement <= 0.25, "refinement", self.refinement, "in [0, 0.25]")
        for name in ("appearance_scheme", "geometry_scheme"):
            require(getattr(self, name) in (1, 2), name, getattr(self, name), "1 or 2")
        for name in (
            "smoothing", "fold_penalty", "mean_penalty", "variation_penalty", "frames_per_chunk",
        ):  # fmt: skip
            require(0 <= getattr(self, name) < float("inf"), name, getattr(self, name), "0 or more")


@dataclasses.dataclass(frozen=True)
class LearningConfig:
    """Alternating back-propagation (Algorithm 1), or variational learning with an encoder.

    Schedules are numbers or "fraction of the run:value" pairs.
    """

    epochs: int = _setting(
        1000,
        "Passes over the data; a longer run goes on from where a shorter one ended.",
        fixed=False,
    )
    batch_size: int = _setting(100, "Examples in a learning step.")
    langevin_steps: int = _setting(20, "l, Langevin steps before each learning step.")
    step_size: str = _setting("0.1", "delta of Eq. 7, a number or a schedule.")
    sigma: str = _setting(
        "0:1.5,0.1:1.0",
        "Standard deviation of a pixel on the [0, 1] scale, a number or a schedule.",
    )
    head_start: float = _setting(
        0.0,
        "Fraction of the run in which the appearance chains wait and geometry learns alone. In "
        "models without geometry nothing waits.",
    )
    noise: bool = _setting(True, "Noise in the Langevin steps of training.")
    simultaneous: bool = _setting(False, "Move all latent groups at once instead of in turn.")
    learning_rate: str = _setting(
        "0:1e-3,0.1:8e-4,0.2:6e-4,0.3:5e-4,0.4:4e-4,0.5:3e-4,0.7:2e-4,0.9:1e-4",
        "Learning rate of Adam, a number or a schedule.",
    )
    kl_weight: float = _setting(
        1.0, "Weight of the KL divergence: the beta of vae and deformable_vae."
    )
    ema: float = _setting(
        0.0,
        "Decay of a running average of the weights, such as 0.999, with which the trained model is "
        "saved and measured (the sheets show the last weights); 0 for none.",
    )
    adversarial: bool = _setting(
        False, "Learn with a discriminator too (Eq. 22). For models of pictures without an encoder."
    )
    likelihood_weight: float = _setting(
        0.001,
        "adversarial: lambda_1, weight of likelihood and penalties; 0: no likelihood.",
    )
    r1_weight: float = _setting(10.0, "adversarial: lambda_2, weight of the R1 penalty.")
    r1_every: int = _setting(
        1, "adversarial: add R1 at every so-manyth step only, so many times as strong."
    )
    warmup: float = _setting(
        0.0, "adversarial: fraction of the run before the generators hear the discriminator."
    )
    discriminator_rate: str = _setting(
        "2e-4", "adversarial: learning rate of the discriminator, a number or a schedule."
    )
    discriminator_width: float = _setting(
        1.0, "adversarial: filters per level of the discriminator over 16, 32, 64, ..."
    )
    minibatch_deviation: bool = _setting(
        False, "adversarial: the discriminator sees how much a batch varies."
    )
    init_from: str = _setting(
        "", "Folder of a run whose networks this one begins with; same model and side."
    )
    freeze: str = _setting(
        "", "Networks that stay as they are: appearance or geometry; empty for none.", FROZEN
    )
    seed: int = _setting(
        0, "Seed of the networks, the chains, the noise and the order of the examples."
    )

    def __post_init__(self):
        """Check the ranges."""
        for name in ("epochs", "batch_size", "langevin_steps"):
            require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        require(0 <= self.head_start < 1, "head_start", self.head_start, "at least 0 and below 1")
        require(self.freeze in FROZEN, "freeze", self.freeze, "appearance, geometry or empty")
        for name in ("kl_weight", "likelihood_weight", "r1_weight"):
            require(0 <= getattr(self, name) < float("inf"), name, getattr(self, name), "0 or more")
        for name in ("ema", "warmup"):
            require(0 <= getattr(self, name) < 1, name, getattr(self, name), "in [0, 1)")
        require(self.r1_every >= 1, "r1_every", self.r1_every, "at least 1")
        require(
            0 < self.discriminator_width < float("inf"), "discriminator_width",
            self.discriminator_width, "above 0 and finite",
        )  # fmt: skip
        require(0 <= self.seed < 2**31, "seed", self.seed, "from 0 to 2147483647")
        for name in ("step_size", "sigma", "learning_rate", "discriminator_rate"):
            try:
                parse_schedule(getattr(self, name))
            except ValueError as error:
                raise InputError(f"--{name}: {error}") from None


@dataclasses.dataclass(frozen=True)
class RecordConfig:
    """What a run writes, and when. None of it changes the numbers."""

    checkpoint_epochs: int = _setting(
        10, "Epochs between checkpoints; the end and SIGTERM save too.", fixed=False
    )
    keep_checkpoints: int = _setting(3, "Checkpoints to keep, at least 2.", fixed=False)
    picture_epochs: int = _setting(
        50, "Epochs between sample sheets; the end makes them too.", fixed=False
    )

    def __post_init__(self):
        """Check the ranges."""
        for name in ("checkpoint_epochs", "picture_epochs"):
            require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        require(self.keep_checkpoints >= 2, "keep_checkpoints", self.keep_checkpoints, "at least 2")


@dataclasses.dataclass(frozen=True)
class Config:
    """All settings of a training run."""

    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    learning: LearningConfig = dataclasses.field(default_factory=LearningConfig)
    record: RecordConfig = dataclasses.field(default_factory=RecordConfig)

    def __post_init__(self):
        """Check that model and data go together."""
        for name, (value, _) in self.settings().items():
            # A flagfile has a line for each setting.
            if isinstance(value, str) and any(mark in value for mark in "\n\r\0"):
                raise InputError(f"--{name}={value!r}: must be one line of text.")
        model, learning = self.model, self.learning
        discrete = model.appearance != "continuous"
        for name, used, models in (
            (f"appearance={model.appearance}", discrete, ("deformable",)),
            ("refinement", model.refinement, ("deformable",)),
            ("adversarial", learning.adversarial, ("deformable", "abp")),
        ):
            if used and model.model not in models:
                wanted = " or ".join(models)
                raise InputError(f"--{name} is for --model={wanted}, not {model.model}.")
        for name in ("adversarial", "head_start"):
            if discrete and getattr(learning, name):
                raise InputError(f"--{name} needs --appearance=continuous.")
        self._require_used()
        if (model.model in CLIP_MODELS) != (self.data.frames > 0):
            raise InputError(
                f"--model={model.model} --frames={self.data.frames}: clips (--frames above 0) are "
                f"for --model={' and '.join(CLIP_MODELS)}, pictures (--frames=0) for other models."
            )

    def _require_used(self):
        """Refuse settings of what is switched off."""
        learning, default = self.learning, LearningConfig.__dataclass_fields__
        for name in (
            "likelihood_weight", "r1_weight", "r1_every", "warmup", "discriminator_rate",
            "discriminator_width", "minibatch_deviation",
        ):  # fmt: skip
            if not learning.adversarial and getattr(learning, name) != default[name].default:
                raise InputError(f"--{name} belongs to --adversarial: give that too.")
        if self.data.label != "label" and self.model.appearance == "continuous":
            raise InputError("--label belongs to --appearance=label or categorical: give that too.")

    def to_json(self):
        """The settings as indented JSON, one object a section."""
        return config_json(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text):
        """The settings of a `to_json`.

        Raises:
            InputError: damaged, or a section or setting that does not exist, or a wrong value.
        """
        return cls(**read_sections(text, {f.name: f.type for f in dataclasses.fields(cls)}))

    def settings(self):
        """Every setting by its flag's name: (value, field)."""
        return {
            f.name: (getattr(section, f.name), f)
            for section in (self.data, self.model, self.learning, self.record)
            for f in dataclasses.fields(section)
        }
