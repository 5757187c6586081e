"""The measurements as images."""

import statistics

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, NullLocator, StrMethodFormatter

from dgn_tf.benchmarking.warps import TARGETS

_BLUE, _GREY = "#4c72b0", "#999999"
_AXES = {
    "langevin_steps": ("Langevin steps l", "seconds a step"),
    "pixels": ("pixels of an image", "seconds a step"),
    "batch_size": ("batch", "seconds a step"),
    "examples": ("examples N", "seconds an epoch"),
}


def log_axes(panel: Axes, sizes: list[float]) -> None:
    """Logarithmic axes with a label at each of the sizes, and 1, 2, 5, 10, ... on the other."""
    panel.set(xscale="log", yscale="log")
    plain = StrMethodFormatter("{x:g}")
    panel.xaxis.set_major_locator(FixedLocator(sizes))
    panel.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    for axis in (panel.xaxis, panel.yaxis):
        # Labels between those of the ticks would run into them.
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(plain)


def sweep_chart(sweep: dict[str, dict]) -> np.ndarray:
    """Time against every size, with the power law that fits and a line of exponent 1.

    Args:
        sweep: what `time_sweep` measured, by axis.

    Returns:
        uint8 [H, W, 3].
    """
    figure, canvas = new_canvas((3.4 * len(sweep), 3.4))
    panels = np.atleast_1d(figure.subplots(1, len(sweep)))
    for panel, (axis, found) in zip(panels, sweep.items(), strict=True):
        sizes, seconds = np.array(found["sizes"], float), np.array(found["seconds"])
        middle = np.exp(np.log(seconds).mean()) * sizes / np.exp(np.log(sizes).mean())
        panel.plot(sizes, middle, "--", color=_GREY, label="exponent 1")
        label = "measured" if found["exponent"] is None else f"exponent {found['exponent']:.2f}"
        panel.plot(sizes, seconds, "o-", color=_BLUE, label=label)
        log_axes(panel, found["sizes"])
        panel.set(xlabel=_AXES[axis][0], ylabel=_AXES[axis][1])
        panel.legend(frameon=False)
    return drawn(canvas)


def phases_chart(found: dict) -> np.ndarray:
    """Share of a step's time of each phase, of what `time_phases` measured: uint8 [H, W, 3]."""
    figure, canvas = new_canvas((7, 3))
    panel = figure.subplots()
    names = list(found["phases"])
    shares = [100.0 * found["phases"][name] / found["step"] for name in names]
    bars = panel.barh(names, shares, color=_BLUE)
    panel.bar_label(bars, fmt="%.0f %%", padding=3)
    panel.invert_yaxis()
    panel.margins(x=0.12)
    panel.set(xlabel=f"% of the time of a step, {found['step']:.2f} s")
    return drawn(canvas)


def warps_chart(found: dict) -> np.ndarray:
    """Milliseconds of the warps that `time_warps` measured: uint8 [H, W, 3]."""
    figure, canvas = new_canvas((9, 3.2))
    for panel, measured in zip(figure.subplots(1, len(found)), found.values(), strict=True):
        names = list(measured["seconds"]["forward"])
        width = 0.8 / len(names)
        for place, name in enumerate(names):
            medians = [1e3 * statistics.median(measured["seconds"][t][name]) for t in TARGETS]
            at = np.arange(len(TARGETS)) + (place - (len(names) - 1) / 2) * width
            bars = panel.bar(at, medians, width, label=name)
            panel.bar_label(bars, fmt="%.1f", padding=2)
        panel.set(ylabel="ms", xticks=range(len(TARGETS)), xticklabels=TARGETS)
        panel.margins(y=0.35)
        panel.set_title("batch {}, {}x{}x{}".format(*measured["shape"]))
        panel.legend(frameon=False)
    return drawn(canvas)


def new_canvas(size: tuple[float, float]) -> tuple[Figure, FigureCanvasAgg]:
    """A figure of `size` in inches and what draws it."""
    figure = Figure(figsize=size, dpi=110, layout="constrained")
    return figure, FigureCanvasAgg(figure)


def drawn(canvas: FigureCanvasAgg) -> np.ndarray:
    """The image of a figure, without frames: uint8 [H, W, 3]."""
    for panel in canvas.figure.axes:
        panel.spines[["top", "right"]].set_visible(False)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
