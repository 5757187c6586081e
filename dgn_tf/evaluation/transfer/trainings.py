"""The trainings that the transfer table asks for."""

import dataclasses

from dgn_tf.config import ENCODED_MODELS, Config, ModelConfig, TrainingConfig
from dgn_tf.config.fields import last_value
from dgn_tf.config.transfer import TransferSettings
from dgn_tf.data.sources import other_data
from dgn_tf.models.factory import make_model

_OF_PROPOSALS = ("proposals", "dreams", "encoder_rate")


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
