"""Times of programs that take turns, so that ratios hold on a machine that does other work too."""

import statistics
import time
from collections.abc import Callable, Sequence

import tensorflow as tf


def take_turns(calls: dict[str, Callable], repeats: int) -> dict[str, list[float]]:
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
    """Time of `one` over that of `other`, for each round of `take_turns`."""
    return [a / b for a, b in zip(times[one], times[other], strict=True)]


def spread(values: Sequence[float]) -> dict[str, float]:
    """Least, median and greatest of some numbers."""
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}
