"""Settings of the transfer table, and the trainings that it asks for."""

import dataclasses

from dgn_tf.config import ENCODED_MODELS, MODELS, Config, ModelConfig, TrainingConfig
from dgn_tf.config.fields import last_value, require_at_least, require_schedule, setting
from dgn_tf.data.sources import other_data
from dgn_tf.models.factory import make_model
from dgn_tf.utils.errors import InputError

_OF_PROPOSALS = ("proposals", "dreams", "encoder_rate")


@dataclasses.dataclass(frozen=True)
class TransferSettings:
    """What is compared, and what it is transferred to."""

    methods: str = setting(
        "deformable,abp,vae",
        f"Models to compare, the first with the others: {', '.join(MODELS)}.",
    )
    target: str = setting(
        "heads:views", "Data with a view label to transfer to, in a form of --data."
    )
    view: str = setting("view", "The label of --target that tells the view.")
    frontal: float = setting(0.0, "The view to fine-tune on.")
    tuned: int = setting(100, "Examples of that view to fine-tune on.")
    per_view: int = setting(100, "Most unseen examples of each view.")
    tuning_epochs: int = setting(100, "Epochs of fine-tuning.")
    tuning_rate: str = setting("5e-4", "Learning rate of fine-tuning, or a schedule.")
    repeats: int = setting(3, "Repetitions, with the seeds 0, 1, ...")

    def __post_init__(self) -> None:
        """Check the methods and the ranges."""
        for method in self.names:
            if method not in MODELS:
                raise InputError(f"`methods`: {method!r} must be one of {', '.join(MODELS)}.")
        if len(set(self.names)) != len(self.names):
            raise InputError(f"`methods={self.methods}`: name each once.")
        require_at_least(1, self, "tuned", "per_view", "tuning_epochs", "repeats")
        require_schedule(self, "tuning_rate")

    @property
    def names(self) -> list[str]:
        """The methods, the first of which is compared with the others."""
        return [name.strip() for name in self.methods.split(",")]


def check_training(config: Config) -> None:
    """Refuse settings of the first training that the table makes itself.

    Raises:
        InputError: one of them is given.
    """
    settings = config.settings()
    for name in ("init_from", "freeze", "where"):
        value, _ = settings[name]
        if value:
            raise InputError(f"`{name}` is for dgn_tf.train: the table sets it itself.")
    if config.model.appearance != "continuous":
        raise InputError(
            f"`appearance={config.model.appearance}`: the table compares models with a continuous "
            "one."
        )


def training_of(config: Config, method: str, seed: int) -> Config:
    """The settings of the first training of a method."""
    learning = dataclasses.replace(config.learning, seed=seed)
    if method != "deformable":
        learning = dataclasses.replace(learning, decorrelation=0.0)
    if method in ENCODED_MODELS:
        # They have an encoder of their own.
        unused = {f: TrainingConfig.__dataclass_fields__[f].default for f in _OF_PROPOSALS}
        learning = dataclasses.replace(learning, **unused)
    return dataclasses.replace(config, model=fair(config, method), learning=learning)


def tuning_of(config: Config, settings: TransferSettings, source: str) -> Config:
    """The settings of the fine-tuning that follows a training.

    Args:
        config: of the training.
        settings: of the table.
        source: folder of the trained run.
    """
    learning = config.learning
    return dataclasses.replace(
        config,
        data=other_data(
            config.data,
            settings.target,
            settings.tuned,
            f"{settings.view}={settings.frontal:g}",
        ),
        learning=dataclasses.replace(
            learning,
            epochs=settings.tuning_epochs,
            step_size=str(last_value(learning.step_size)),
            sigma=str(last_value(learning.sigma)),
            learning_rate=settings.tuning_rate,
            head_start=0.0,
            init_from=source,
            freeze="" if config.model.model in ("abp", "vae") else "geometry",
        ),
        record=dataclasses.replace(config.record, picture_epochs=settings.tuning_epochs),
    )


def fair(config: Config, method: str) -> ModelConfig:
    """The `ModelConfig` of a method that is as large as the deformable generator of `config`.

    Rivals without geometry get as many latents as the deformable generator has in both groups, and
    the `alpha` that makes their generator as large as both of its networks together.
    """
    model = dataclasses.replace(config.model, model=method)
    if method not in ("abp", "vae"):
        return model
    side, channels = config.data.side, config.data.channels
    deformable = make_model(
        dataclasses.replace(config.model, model="deformable"), side, channels
    ).count_params()
    dims = config.model.appearance_dim + config.model.geometry_dim

    def sized(alpha: float) -> ModelConfig:
        return dataclasses.replace(model, appearance_dim=dims, alpha=alpha)

    # Parameters rise with alpha; a filter more or less is as near as whole numbers come.
    low, high = 0.0, 16.0
    for _ in range(12):
        middle = (low + high) / 2
        plain = make_model(dataclasses.replace(sized(middle), model="abp"), side, channels)
        low, high = (middle, high) if plain.count_params() < deformable else (low, middle)
    return sized(round(high, 4))
