"""What the charts of the parts share."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, NullLocator, StrMethodFormatter

BLUE, GREY = "#4c72b0", "#999999"


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
