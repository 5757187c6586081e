"""Settings as text: how schedules and choices are written, and what is said of wrong ones."""

import errno
import os


class InputError(ValueError):
    """What the user gave cannot be used; the message names it and says what to do."""


class DiskError(RuntimeError):
    """Something cannot be written; the message says what, and what is kept."""


class WorkerLost(RuntimeError):
    """Another process that takes part has ended; the message says how to go on."""


_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


def disk_reason(error):
    """What a disk or its quota refuses, in the system's words; None if it is another error.

    TensorFlow and HDF5 pass the system's message on in errors of their own, or raise theirs while
    they handle it.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in _DISK:
            named = f": {error.filename}" if error.filename else ""
            return f"{os.strerror(error.errno)}{named}"
        for number in _DISK:
            if os.strerror(number) in str(error):
                return os.strerror(number)
        error = error.__cause__ or error.__context__
    return None


def require(condition, flag, value, wanted):
    """Raise an `InputError` that names the flag unless the condition holds."""
    if not condition:
        raise InputError(f"--{flag}={value}: must be {wanted}.")


def check_frames(frames, stride, fps):
    """Check which frames of clips are taken.

    Raises:
        InputError: a number out of its range, or a choice of frames without clips.
    """
    require(frames >= 0, "frames", frames, "0 (pictures) or more")
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
