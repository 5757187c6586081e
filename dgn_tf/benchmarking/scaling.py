"""How the time of a step grows with l, pixels and batch, and that of an epoch with N."""

import statistics
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from dgn_tf.benchmarking.charts import BLUE, GREY, drawn, log_axes, new_canvas
from dgn_tf.benchmarking.part import Part
from dgn_tf.benchmarking.reference_step import compiled_step, our_learner, resized
from dgn_tf.benchmarking.timing import interleaved_timings
from dgn_tf.config import SIDES, Config
from dgn_tf.config.benchmark import Repeats
from dgn_tf.data.batches import steps_per_epoch

# Examples whose chains are read and written, over those of a batch.
_EPOCHS = (10, 100, 1000)
_AXES = {
    "langevin_steps": ("Langevin steps l", "seconds a step"),
    "pixels": ("pixels of an image", "seconds a step"),
    "batch_size": ("batch", "seconds a step"),
    "examples": ("examples N", "seconds an epoch"),
}


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """The k of the power law seconds ~ size^k: the slope of a line through the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def sweeps(config: Config) -> dict[str, dict[int, tuple[Config, int]]]:
    """For each axis its sizes, and for each size the settings and the number of chains (0: batch).

    l is measured up to the settings' own; the others at a quarter of it, which is enough to see how
    they grow: batch and side around the settings' own, N from 10 batches to 1,000.
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


def time_sweep(config: Config, repeats: int, axis: str) -> dict[str, Any]:
    """The measurements along one axis of `sweeps`, taking turns.

    Args:
        config: the settings of a training.
        repeats: timed runs of each size.
        axis: a key of `sweeps`.

    Returns:
        "sizes"; "langevin_steps" of each; "seconds", medians of a step, along "examples" of an
        epoch; "images_per_second"; "exponent" of the seconds, None for a single size.
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


def rows(found: dict[str, dict[str, Any]]) -> Iterator[str]:
    """The tables of what `time_sweep` measured, by axis."""
    for axis, measured in found.items():
        unit = "epoch" if axis == "examples" else "step"
        grows = "" if measured["exponent"] is None else f"   exponent {measured['exponent']:.2f}"
        yield f"{axis + f', s a {unit}, images/s':<36}{grows}"
        columns = (measured[key] for key in ("sizes", "seconds", "images_per_second"))
        for size, seconds, rate in zip(*columns, strict=True):
            yield f"{size:>12}{seconds:>12.3f}{rate:>12.1f}"


def chart(found: dict[str, dict[str, Any]]) -> np.ndarray:
    """Time against every size, with the power law that fits and a line of exponent 1.

    Args:
        found: what `time_sweep` measured, by axis.

    Returns:
        uint8 [H, W, 3].
    """
    figure, canvas = new_canvas((3.4 * len(found), 3.4))
    panels = np.atleast_1d(figure.subplots(1, len(found)))
    for panel, (axis, measured) in zip(panels, found.items(), strict=True):
        sizes, seconds = np.array(measured["sizes"], float), np.array(measured["seconds"])
        middle = np.exp(np.log(seconds).mean()) * sizes / np.exp(np.log(sizes).mean())
        panel.plot(sizes, middle, "--", color=GREY, label="exponent 1")
        label = (
            "measured" if measured["exponent"] is None else f"exponent {measured['exponent']:.2f}"
        )
        panel.plot(sizes, seconds, "o-", color=BLUE, label=label)
        log_axes(panel, measured["sizes"])
        panel.set(xlabel=_AXES[axis][0], ylabel=_AXES[axis][1])
        panel.legend(frameon=False)
    return drawn(canvas)


def measure(config: Config, settings: Repeats) -> dict[str, dict[str, Any]]:
    """What `time_sweep` finds along every axis."""
    found = {}
    for axis in sweeps(config):
        print(f"  along {axis} ...", flush=True)
        found[axis] = time_sweep(config, settings.repeats, axis)
    return found


PART = Part(measure, rows, chart)
