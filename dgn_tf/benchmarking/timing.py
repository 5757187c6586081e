"""Times of programs that take turns, so that ratios hold on a machine that does other work too."""

import os
import pathlib
import platform
import statistics
import time
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from dgn_tf.utils.errors import InputError


def interleaved_timings(calls: dict[str, Callable], repeats: int) -> dict[str, list[float]]:
    """Seconds of each of `repeats` runs of every call, round after round; a first round is free.

    Args:
        calls: what to time by name, without arguments; what it starts on a device is waited for.
        repeats: timed rounds, at least 1.
    """
    times = {name: [] for name in calls}
    for repeat in range(repeats + 1):
        for name, call in calls.items():
            tf.test.experimental.sync_devices()
            start = time.perf_counter()
            call()
            tf.test.experimental.sync_devices()
            if repeat:
                times[name].append(time.perf_counter() - start)
    return times


def ratios(times: dict[str, list[float]], one: str, other: str) -> list[float]:
    """Time of `one` over that of `other`, for each round of `interleaved_timings`."""
    return [a / b for a, b in zip(times[one], times[other], strict=True)]


def spread(values: Sequence[float]) -> dict[str, float]:
    """Least, median and greatest of some numbers."""
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def machine() -> dict[str, str]:
    """Device and versions."""
    device = f"{platform.machine()} CPU, {os.cpu_count()} cores"
    for gpu in tf.config.list_physical_devices("GPU")[:1]:
        device = tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
    return {"device": device, "tensorflow": tf.__version__, "keras": keras.__version__}


def check_output(output: pathlib.Path) -> None:
    """Whether results can be written to a .json file or a folder.

    Raises:
        InputError: they cannot.
    """
    if output.suffix == ".json":
        if output.is_dir() or not output.parent.is_dir():
            raise InputError(f"--output={output}: must be a file in a folder that exists.")
    elif output.exists() and not output.is_dir():
        raise InputError(f"--output={output}: must be a folder or end in .json.")
