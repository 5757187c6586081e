"""Times of programs that take turns, so that ratios hold on a machine that does other work too."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf


def interleaved_timings(
    calls: Mapping[str, Callable[[], object]], repeats: int
) -> dict[str, list[float]]:
    """Seconds of each of `repeats` runs of every call, round after round.

    Args:
        calls: what to time by name, without arguments; what it starts on a device is waited for.
        repeats: timed rounds, at least 1; a round before them, which compiles, does not count.

    Returns:
        `repeats` times in seconds of each call.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for repeat in range(repeats + 1):
        for name, call in calls.items():
            tf.test.experimental.sync_devices()
            start = time.perf_counter()
            call()
            tf.test.experimental.sync_devices()
            if repeat:
                times[name].append(time.perf_counter() - start)
    return times


def ratios(times: Mapping[str, list[float]], one: str, other: str) -> list[float]:
    """Time of `one` over that of `other`, for each round of `interleaved_timings`."""
    return [a / b for a, b in zip(times[one], times[other], strict=True)]


def spread(values: Sequence[float]) -> dict[str, float]:
    """Least, median and greatest of some numbers."""
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}
