"""How the time of a step grows with l, pixels and batch, and that of an epoch with N."""

import statistics
from collections.abc import Sequence

import numpy as np

from dgn_tf.benchmarking.reference_step import compiled_step, our_learner, resized
from dgn_tf.benchmarking.timing import interleaved_timings
from dgn_tf.config import SIDES, Config
from dgn_tf.data.batches import steps_per_epoch

# Examples whose chains are read and written, over those of a batch.
_EPOCHS = (10, 100, 1000)


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """The k of the power law seconds ~ size^k: the slope of a line through the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def sweeps(config: Config) -> dict[str, dict[int, tuple[Config, int]]]:
    """For each axis its sizes, and for each size the settings and the number of chains (0: batch).

    l is measured up to the settings' own; the others at a quarter of it, which is as good for
    telling how they grow: batch and side around the settings' own, N from 10 batches to 1,000.
    """
    l_steps, count, side = (
        config.learning.langevin_steps,
        config.learning.batch_size,
        config.data.side,
    )
    short = resized(config, langevin_steps=max(1, l_steps // 4))
    counts = sorted({max(1, count // 4), max(1, count // 2), count, 2 * count})
    return {
        "langevin_steps": {
            n: (resized(config, langevin_steps=n), 0)
            for n in sorted({max(1, l_steps // 4), max(1, l_steps // 2), l_steps})
        },
        "pixels": {s * s: (resized(short, side=s), 0) for s in SIDES if side // 2 <= s <= 2 * side},
        "batch_size": {n: (resized(short, batch_size=n), 0) for n in counts},
        "examples": {n * count: (short, n * count) for n in _EPOCHS},
    }


def time_sweep(config: Config, repeats: int, axis: str) -> dict:
    """The measurements along one axis of `sweeps`, taking turns.

    Returns:
        "sizes"; "langevin_steps" of each; "seconds", medians of a step, along
        "examples" of an epoch; "images_per_second"; "exponent" of the seconds, None for a single
        size.
    """
    points = sweeps(config)[axis]
    calls = {
        str(size): compiled_step(our_learner(settings, rows), settings)
        for size, (settings, rows) in points.items()
    }
    times = interleaved_timings(calls, repeats)
    seconds, rates = [], []
    for size, (settings, rows) in points.items():
        count = settings.learning.batch_size
        step = statistics.median(times[str(size)])
        seconds.append(step * (steps_per_epoch(rows, count) if rows else 1))
        rates.append(count / step)
    return {
        "sizes": list(points),
        "langevin_steps": [settings.learning.langevin_steps for settings, _ in points.values()],
        "seconds": seconds,
        "images_per_second": rates,
        "exponent": exponent(list(points), seconds) if len(points) > 1 else None,
    }
