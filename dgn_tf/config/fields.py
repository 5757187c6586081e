"""How a setting is declared and checked, and how schedules and choices are written as text."""

import dataclasses
from typing import Any

from dgn_tf.utils.errors import InputError


def setting(
    default: Any, help: str, choices: tuple | None = None, fixed: bool = True, reads: str = ""
) -> Any:
    """A dataclass field that a command-line flag is made from (`dgn_tf.cli.flags`).

    Args:
        default: the value where none is given.
        help: what the setting does, for people.
        choices: the values it may have, or None.
        fixed: whether a run that is resumed must keep the value.
        reads: "path" if a value that is not empty is the path of a file or folder to read, "run" if
            it is that of a run, "data" if it names data; empty for other settings.
    """
    return dataclasses.field(
        default=default,
        metadata={"help": help, "choices": choices, "fixed": fixed, "reads": reads},
    )


def require(condition: bool, name: str, value: object, wanted: str) -> None:
    """Raise an `InputError` that names the setting unless the condition holds."""
    if not condition:
        raise InputError(f"`{name}={value}`: must be {wanted}.")


def require_positive(settings: object, *names: str) -> None:
    """Raise an `InputError` unless each of the named settings is above 0 and finite."""
    for name in names:
        value = getattr(settings, name)
        require(0 < value < float("inf"), name, value, "above 0 and finite")


def require_at_least(least: int, settings: object, *names: str) -> None:
    """Raise an `InputError` unless each of the named settings is `least` or more."""
    for name in names:
        value = getattr(settings, name)
        require(value >= least, name, value, f"at least {least}")


def require_not_negative(settings: object, *names: str) -> None:
    """Raise an `InputError` unless each of the named settings is 0 or more, and finite."""
    for name in names:
        value = getattr(settings, name)
        require(0 <= value < float("inf"), name, value, "0 or more")


def require_choice(settings: Any, *names: str) -> None:
    """Raise an `InputError` unless each of the named settings is one of its declared choices."""
    fields = {field.name: field for field in dataclasses.fields(settings)}
    for name in names:
        value, choices = getattr(settings, name), fields[name].metadata["choices"]
        require(value in choices, name, value, f"one of {', '.join(map(str, choices))}")


def check_frames(frames: int, stride: int, fps: float) -> None:
    """Check the settings that say which frames of clips are taken.

    Raises:
        InputError: a number out of its range, or a choice of frames without clips.
    """
    require(frames >= 0, "frames", frames, "0 (images) or more")
    require(stride >= 1, "stride", stride, "at least 1")
    require(0 <= fps <= 1000, "fps", fps, "0 (all frames) or more, at most 1000")
    if not frames and (stride != 1 or fps):
        raise InputError(
            "`stride` and `fps` choose the frames of clips: give `frames` or `stills` too."
        )


def parse_where(text: str) -> tuple[str, float]:
    """(label, number) of "LABEL=VALUE".

    Raises:
        InputError: anything else.
    """
    label, equals, value = text.partition("=")
    try:
        number = float(value)
    except ValueError:
        number = None
    if not (label and equals) or number is None:
        raise InputError(f"`where={text}`: must be LABEL=NUMBER, for example view=0.")
    return label, number


def parse_schedule(text: str) -> list[tuple[float, float]]:
    """Steps of a schedule: [(fraction of the run, value)], the first at 0.

    Args:
        text: a number ("0.1"), or "fraction:value" pairs, such as "0:1e-3,0.1:8e-4".

    Raises:
        ValueError: anything else, fractions that do not rise from 0 to below 1, or values that are
            not above 0.
    """
    try:
        pairs = [pair.split(":") for pair in text.split(",")]
        if len(pairs) == 1 and len(pairs[0]) == 1:
            pairs = [["0", text]]
        steps = [(float(fraction), float(value)) for fraction, value in pairs]
    except ValueError:
        raise ValueError(
            f"{text!r} is neither a number nor fraction:value pairs like 0:1e-3,0.5:5e-4"
        ) from None
    fractions = [fraction for fraction, _ in steps]
    rising = all(a < b for a, b in zip(fractions, [*fractions[1:], 1.0], strict=True))
    if fractions[0] != 0 or not rising:
        raise ValueError(f"{text!r}: fractions must start at 0 and rise, all below 1")
    if not all(0 < value < float("inf") for _, value in steps):
        raise ValueError(f"{text!r}: values must be above 0 and finite")
    return steps


def require_schedule(settings: object, *names: str) -> None:
    """Raise an `InputError` unless each of the named settings is a number or a schedule."""
    for name in names:
        try:
            parse_schedule(getattr(settings, name))
        except ValueError as error:
            raise InputError(f"`{name}`: {error}") from None


def last_value(text: str) -> float:
    """What a schedule ends with: the value that a trained model is used with."""
    return parse_schedule(text)[-1][1]
