"""Settings as text: how schedules and choices are written, and what is said of wrong ones."""

import dataclasses

from dgn_tf.utils.errors import InputError


def require(condition, flag, value, wanted):
    """Raise an `InputError` that names the flag unless the condition holds."""
    if not condition:
        raise InputError(f"--{flag}={value}: must be {wanted}.")


def check_frames(frames, stride, fps):
    """Check which frames of clips are taken.

    Raises:
        InputError: a number out of its range, or a choice of frames without clips.
    """
    require(frames >= 0, "frames", frames, "0 (images) or more")
    require(stride >= 1, "stride", stride, "at least 1")
    require(0 <= fps <= 1000, "fps", fps, "0 (all frames) or more, at most 1000")
    if not frames and (stride != 1 or fps):
        raise InputError("--stride and --fps choose the frames of clips: give --frames too.")


def parse_where(text):
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
        raise InputError(f"--where={text}: must be LABEL=NUMBER, for example view=0.")
    return label, number


def parse_schedule(text):
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


def last_value(text):
    """What a schedule ends with: the setting that a trained model is used with."""
    return parse_schedule(text)[-1][1]


def setting(default, help, choices=None, fixed=True):
    """A dataclass field. A run that is resumed may not change a `fixed` setting."""
    return dataclasses.field(
        default=default, metadata={"help": help, "choices": choices, "fixed": fixed}
    )
