"""The chart of a classifier's confusions."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Chart


def confusion_chart(confusions: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """A chart of confusions, in percent of the clips of each class.

    Args:
        confusions: numbers of clips [k, k]: rows are true classes, columns predicted ones.
        names: of the k classes.

    Returns:
        uint8 [H, W, 3].
    """
    shares = 100.0 * confusions / np.maximum(confusions.sum(axis=1, keepdims=True), 1)
    side = 2.5 + 0.6 * len(names)
    chart = Chart(figsize=(side, side), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(chart)
    panel = chart.subplots()
    panel.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    places = range(len(names))
    panel.set_xticks(places, names, rotation=45, ha="right")
    panel.set_yticks(places, names)
    panel.set(xlabel="predicted", ylabel="true")
    for row in places:
        for column in places:
            share = shares[row, column]
            color = "white" if share > 50 else "#222"
            panel.text(column, row, f"{share:.0f}", ha="center", va="center", color=color)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
