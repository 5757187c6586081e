"""Settings of a run: frozen dataclasses, checked when made, kept as JSON."""

import dataclasses
from typing import Any

from dgn_tf.config.data import SIDES, DataConfig
from dgn_tf.config.execution import ExecutionConfig
from dgn_tf.config.inference import MAX_STARTS, InferenceConfig
from dgn_tf.config.model import (
    APPEARANCES,
    BORDERS,
    CLIP_MODELS,
    ENCODED_MODELS,
    MODELS,
    PRECISIONS,
    ModelConfig,
)
from dgn_tf.config.output import OutputConfig
from dgn_tf.config.serialization import config_json, read_sections
from dgn_tf.config.training import FROZEN, TrainingConfig
from dgn_tf.utils.errors import InputError

__all__ = [
    "APPEARANCES",
    "BORDERS",
    "CLIP_MODELS",
    "ENCODED_MODELS",
    "FROZEN",
    "MAX_STARTS",
    "MODELS",
    "PRECISIONS",
    "SIDES",
    "Config",
    "DataConfig",
    "ExecutionConfig",
    "InferenceConfig",
    "TrainingConfig",
    "ModelConfig",
    "OutputConfig",
]


@dataclasses.dataclass(frozen=True)
class Config:
    """All settings of a training run."""

    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    learning: TrainingConfig = dataclasses.field(default_factory=TrainingConfig)
    record: OutputConfig = dataclasses.field(default_factory=OutputConfig)
    execution: ExecutionConfig = dataclasses.field(default_factory=ExecutionConfig)

    def __post_init__(self) -> None:
        """Check that model and data go together."""
        for name, (value, _) in self.settings().items():
            # A flagfile has a line for each setting.
            if isinstance(value, str) and any(mark in value for mark in "\n\r\0"):
                raise InputError(f"`{name}={value!r}`: must be one line of text.")
        model, learning = self.model, self.learning
        discrete = model.appearance != "continuous"
        for name, used, models in (
            (f"appearance={model.appearance}", discrete, ("deformable",)),
            ("refinement", model.refinement, ("deformable",)),
            ("adversarial", learning.adversarial, ("deformable", "abp")),
            ("decorrelation", learning.decorrelation, ("deformable",)),
        ):
            if used and model.model not in models:
                wanted = " or ".join(models)
                raise InputError(f"`{name}` is for `model={wanted}`, not {model.model}.")
        for name in ("adversarial", "head_start", "decorrelation"):
            if discrete and getattr(learning, name):
                raise InputError(f"`{name}` needs `appearance=continuous`.")
        if learning.proposals != "none" and model.model in ENCODED_MODELS:
            raise InputError(
                f"`proposals={learning.proposals}` is for models whose latents Langevin dynamics "
                f"infers, and `model={model.model}` has an encoder of its own."
            )
        idle = learning.adversarial and not learning.likelihood_weight
        for name, used in (
            (f"proposals={learning.proposals}", learning.proposals != "none"),
            ("decorrelation", learning.decorrelation),
        ):
            if idle and used:
                raise InputError(
                    f"`{name}`: `likelihood_weight=0` infers no latents: leave it out."
                )
        if model.emission == "IV" and model.width != ModelConfig().width:
            raise InputError("`width` is of Table V: with `emission=IV` give `alpha`.")
        if model.emission != "V" and model.model != "dynamic":
            raise InputError(f"`emission` is for `model=dynamic`, not {model.model}.")
        self._require_used()
        self._require_shared()
        if (model.model in CLIP_MODELS) != (self.data.frames > 0):
            raise InputError(
                f"`model={model.model}` `frames={self.data.frames}`: clips (`frames` above 0) are "
                f"for `model={' and '.join(CLIP_MODELS)}`, images (`frames=0`) for other models."
            )

    def _require_used(self) -> None:
        """Refuse settings of what is switched off."""
        learning, default = self.learning, TrainingConfig.__dataclass_fields__
        for name in (
            "likelihood_weight",
            "r1_weight",
            "r1_every",
            "warmup",
            "discriminator_rate",
            "discriminator_width",
            "minibatch_deviation",
        ):
            if not learning.adversarial and getattr(learning, name) != default[name].default:
                raise InputError(f"`{name}` belongs to `adversarial`: give that too.")
        for name in ("dreams", "encoder_rate"):
            if learning.proposals == "none" and getattr(learning, name) != default[name].default:
                raise InputError(f"`{name}` belongs to `proposals`: give `proposals=encoder` too.")
        if self.data.label != "label" and self.model.appearance == "continuous":
            raise InputError("`label` belongs to `appearance=label` or categorical: give that too.")

    def _require_shared(self) -> None:
        """Refuse what several devices cannot learn together."""
        strategy = f"`strategy={self.execution.strategy}`"
        for flag, used in (
            ("adversarial", self.learning.adversarial),
            ("optimizer", self.learning.optimizer),
            (f"model={self.model.model}", self.model.model in ENCODED_MODELS),
            ("precision=mixed_float16", self.model.precision == "mixed_float16"),
        ):
            if used and self.execution.strategy != "one":
                raise InputError(f"{strategy} `{flag}`: cannot be combined: leave one of them out.")

    def to_json(self) -> str:
        """The settings as indented JSON, one object a section."""
        return config_json(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Config":
        """The settings of a `to_json`.

        Raises:
            InputError: damaged, or a section or setting that does not exist, or a wrong value.
        """
        return cls(**read_sections(text, {f.name: f.type for f in dataclasses.fields(cls)}))

    def settings(self) -> dict[str, tuple[Any, dataclasses.Field]]:
        """Every setting by its flag's name: (value, field)."""
        return {
            f.name: (getattr(section, f.name), f)
            for section in (self.data, self.model, self.learning, self.record, self.execution)
            for f in dataclasses.fields(section)
        }
