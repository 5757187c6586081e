"""Settings of a model in Python: a preset with what a program changes in it."""

import dataclasses
import difflib
import json
import typing
from collections.abc import Iterable
from typing import Any

from dgn_tf.cli.flags import config_from_file
from dgn_tf.cli.presets import preset_path
from dgn_tf.config import CLIP_MODELS, Config, DataConfig
from dgn_tf.config.fields import parse_schedule, typed, whole_number
from dgn_tf.utils.errors import InputError

# Settings of the data that a model has; the others choose among data that a program has chosen.
_OF_MODEL = ("side", "channels", "frames", "label", "mirror", "faces")


@dataclasses.dataclass(frozen=True)
class Langevin:
    """How latents are inferred while a model learns (Eq. 7).

    Examples:
        >>> import dgn_tf as dgn
        >>> dgn.Langevin(steps=2, step_size=0.1, sigma="0:0.5,0.5:0.3")
        Langevin(steps=2, step_size=0.1, sigma='0:0.5,0.5:0.3')

    Attributes:
        steps: Langevin steps before each learning step.
        step_size: delta of a step, a number or a schedule: "fraction of the run:value" pairs.
        sigma: standard deviation of a pixel on the [0, 1] scale, likewise.

    Raises:
        InputError: a value out of its range.
    """

    steps: int = 20
    step_size: float | str = 0.1
    sigma: float | str = 1.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        object.__setattr__(self, "steps", whole_number("steps", self.steps, 1))
        for name in ("step_size", "sigma"):
            try:
                parse_schedule(str(getattr(self, name)))
            except ValueError as error:
                raise InputError(f"`{name}`: {error}") from None


def preset_config(name: str, clips: bool, settings: dict[str, Any]) -> Config:
    """The settings of a preset, with some of them changed.

    Args:
        name: of the preset.
        clips: whether it is to be one of clips.
        settings: other values by name.

    Raises:
        InputError: there is no such preset or setting, the preset is of another kind, or a value
            out of its range.
    """
    config = config_from_file(preset_path(typed("preset", name, str)))
    require_kind(config, clips, f"`preset={name}`")
    return changed(config, settings)


def require_kind(config: Config, clips: bool, what: str) -> None:
    """Check that settings are of a model of clips, or of one of images.

    Raises:
        InputError: they are of the other; the message begins with `what`.
    """
    if (config.model.model in CLIP_MODELS) == clips:
        return
    kind, name = ("images", "DeformableGenerator") if clips else ("clips", "DynamicGenerator")
    raise InputError(f"{what} is a model of {kind}: use dgn.{name}.")


def changed(config: Config, settings: dict[str, Any]) -> Config:
    """The settings with other values for some; those that choose data are as by default.

    Args:
        config: the settings.
        settings: other values by name.

    Raises:
        InputError: there is no such setting, or a value out of its range or of another type.
    """
    known = config.settings()
    chosen = {name: getattr(config.data, name) for name in _OF_MODEL}
    sections: dict[str, dict[str, Any]] = {"data": {"data": "memory", **chosen}}
    of_section = {
        field.name: section
        for section, kind in typing.get_type_hints(Config).items()
        for field in dataclasses.fields(kind)
    }
    for name, value in settings.items():
        if name not in known:
            raise InputError(f"`{name}`: there is no such setting{near(name, known)}")
        section = of_section[name]
        if section == "data" and name not in _OF_MODEL:
            raise InputError(
                f"`{name}` chooses data, and a model in Python is given its own: see "
                "dgn.load_images."
            )
        sections.setdefault(section, {})[name] = value
    data = DataConfig(**sections.pop("data"))
    rest = {
        section: dataclasses.replace(getattr(config, section), **values)
        for section, values in sections.items()
    }
    return dataclasses.replace(config, data=data, **rest)


def with_optimizer(config: Config, optimizer: Any) -> Config:
    """The settings of a training with another optimizer.

    Args:
        config: the settings.
        optimizer: a name that Keras knows, or a Keras optimizer, which is left as it is.

    Raises:
        InputError: it is none.
    """
    # Only here: dgn.Langevin needs no TensorFlow.
    import keras

    from dgn_tf.training.factory import make_optimizer

    text = optimizer
    if isinstance(optimizer, keras.optimizers.Optimizer):
        text = json.dumps(keras.optimizers.serialize(optimizer), sort_keys=True)
    if not isinstance(text, str):
        raise InputError(
            f"`optimizer` must be a Keras optimizer or its name, not {type(optimizer).__name__}."
        )
    make_optimizer(text, 1e-3)
    return changed(config, {"optimizer": text})


def near(name: object, names: Iterable[str], listed: int = 0) -> str:
    """The end of a message about an unknown name: those that are near, or all.

    Args:
        name: that is not known.
        names: that are.
        listed: of more than 20, how many are listed.
    """
    known = list(names)
    found = difflib.get_close_matches(str(name), known, n=3, cutoff=0.5)
    if found:
        return f"; did you mean {' or '.join(found)}?"
    if len(known) <= 20:
        return f"; there are {', '.join(known)}."
    shown = ", ".join(known[:listed])
    return f"; there are {shown} and {len(known) - listed} more." if listed else "."
