"""How a setting is declared and checked, and how schedules and choices are written as text."""

import dataclasses
import os
import sys
import typing
from types import NoneType
from typing import Any

from dgn_tf.utils.errors import InputError

_WANTED = {bool: "True or False", int: "a whole number", float: "a number", str: "text"}
# Characters of a value in a message.
_SHOWN = 80
# Above it the square of a setting is no number of 32 bits, in which models compute.
_MOST = 1e15
POSITIVE = "above 0 and finite (1e-15 to 1e15)"
# Whole numbers beyond it are no floats.
_LARGEST = sys.float_info.max


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


class Typed:
    """Base of the dataclasses of settings: a program gives values of any type.

    Raises:
        InputError: a value that is not of the declared type, see `typed`.
    """

    def __post_init__(self) -> None:
        """Give every setting its declared type."""
        for field in dataclasses.fields(typing.cast(Any, self)):
            # Attributes of other kinds are not declared by `setting`.
            if "help" in field.metadata:
                value = typed(field.name, getattr(self, field.name), field.type)
                object.__setattr__(self, field.name, value)


def typed(name: str, value: Any, kind: Any) -> Any:
    """A value of a setting or an argument as its declared type has it.

    Numbers may be those of NumPy; a whole number may come as a float, as in 4.0, a text as a path
    or, where it is a schedule, as a number.

    Args:
        name: of the setting or argument.
        value: what a program has given.
        kind: bool, int, float or str, perhaps with None, as in `int | None`.

    Raises:
        InputError: the value is of another type.
    """
    kinds = typing.get_args(kind) or (kind,)
    if value is None and NoneType in kinds:
        return None
    wanted = next(each for each in kinds if each is not NoneType)
    scalar = getattr(value, "item", None) if getattr(value, "ndim", None) == 0 else None
    plain: Any = scalar() if scalar else value
    is_number = isinstance(plain, int | float) and not isinstance(plain, bool)
    if isinstance(plain, bool) and wanted is bool:
        return plain
    if wanted is str and isinstance(plain, str | os.PathLike):
        return os.fspath(plain)
    if wanted is str and is_number:
        return str(plain)
    if wanted is int and is_number and plain == plain // 1:
        return int(plain)
    if wanted is float and (isinstance(plain, float) or is_number and abs(plain) < _LARGEST):
        return float(plain)
    shown = " ".join(repr(plain).split())[:_SHOWN]
    raise InputError(f"`{name}={shown}`: must be {_WANTED[wanted]}.")


def whole_number(name: str, value: Any, least: int) -> int:
    """An argument that is a whole number, of at least some value, as an int.

    Raises:
        InputError: it is something else, or less.
    """
    number = typed(name, value, int)
    require(number >= least, name, number, f"at least {least}")
    return number


def require(condition: bool, name: str, value: object, wanted: str) -> None:
    """Raise an `InputError` that names the setting unless the condition holds."""
    if not condition:
        raise InputError(f"`{name}={value}`: must be {wanted}.")


def is_positive(value: float) -> bool:
    """Whether a number is above 0 and finite, and its square too in the arithmetic of models."""
    return 1e-15 <= value <= _MOST


def require_positive(settings: object, *names: str) -> None:
    """Raise an `InputError` unless each of the named settings `is_positive`."""
    for name in names:
        value = getattr(settings, name)
        require(is_positive(value), name, value, POSITIVE)


def require_at_least(least: int, settings: object, *names: str) -> None:
    """Raise an `InputError` unless each of the named settings is `least` or more."""
    for name in names:
        value = getattr(settings, name)
        require(value >= least, name, value, f"at least {least}")


def require_not_negative(settings: object, *names: str) -> None:
    """Raise an `InputError` unless each of the named settings is 0 or more, and finite."""
    for name in names:
        value = getattr(settings, name)
        require(0 <= value <= _MOST, name, value, "0 or more (up to 1e15)")


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


def parse_where(text: str) -> tuple[str, str]:
    """(label, value) of "LABEL=VALUE".

    Raises:
        InputError: anything else.
    """
    label, equals, value = text.partition("=")
    if not (label and equals and value.strip()):
        raise InputError(f"`where={text}`: must be LABEL=VALUE, for example view=0.")
    return label, value


def number_in(text: str) -> float | None:
    """The number that text is; None for words."""
    try:
        return float(text)
    except ValueError:
        return None


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
    if not all(is_positive(value) for _, value in steps):
        raise ValueError(f"{text!r}: values must be {POSITIVE}")
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
