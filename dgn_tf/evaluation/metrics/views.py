"""Which latent units follow the view: Eq. 21, Fig. 6 and 7."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dgn_tf.data.examples import Examples
from dgn_tf.data.label_values import number_label_of

# More values than these are no views but a continuous pose.
MOST_VIEWS = 50
_COLORS = {"geometry": "#c44e52", "appearance": "#4c72b0"}


def view_labels(examples: Examples) -> np.ndarray | None:
    """The factor `view` of each example, float64 [N], if it is one.

    Returns:
        None if there is no such factor, or it is not one finite number an example, or has fewer
        than 2 or more than 50 different values.
    """
    if "view" not in examples.factors:
        return None
    try:
        labels = number_label_of(examples, "view").astype(np.float64)
    except ValueError:
        return None
    count = len(np.unique(labels))
    return labels if np.isfinite(labels).all() and 2 <= count <= MOST_VIEWS else None


def balanced(labels: np.ndarray, each: int) -> np.ndarray:
    """The places, in order, of the first `each` examples of every view; fewer where fewer are."""
    return np.sort(np.concatenate([np.flatnonzero(labels == v)[:each] for v in np.unique(labels)]))


def view_direction(views: np.ndarray) -> np.ndarray:
    """Theta of Eq. 21: the views' angles, centered and of unit norm.

    Args:
        views: the V different values, rising. Mere numbers of views (0..V-1 or 1..V) stand for
            angles at equal distances. Centering changes nothing for views that lie evenly around
            the front, as the paper's; for others it keeps the mean latent out of the result.

    Returns:
        float64 [V].
    """
    theta = np.asarray(views, np.float64)
    theta = theta - theta.mean()
    return theta / np.linalg.norm(theta)


def view_means(z: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The mean latents of each view, float64 [V, d], the views rising (Z-bar of Section 5.1)."""
    return np.stack([z[labels == v].mean(axis=0, dtype=np.float64) for v in np.unique(labels)])


def view_response(latents: dict[str, np.ndarray], labels: np.ndarray) -> dict[str, np.ndarray]:
    """R_i = |Z-bar(i)^T theta| of every latent unit of every group (Eq. 21).

    Args:
        latents: [N, d] for each group.
        labels: the view of each example, [N].

    Returns:
        float64 [d] for each group, at least 0.
    """
    theta = view_direction(np.unique(labels))
    return {name: np.abs(theta @ view_means(z, labels)) for name, z in latents.items()}


def response_chart(latents: dict[str, np.ndarray], labels: np.ndarray) -> np.ndarray:
    """Fig. 6 and 7: bars of R for each group, and the mean of its strongest unit over the views.

    Returns:
        uint8 [H, W, 3].
    """
    views, responses = np.unique(labels), view_response(latents, labels)
    figure = Figure(figsize=(9, 3 * len(latents)), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    panels = figure.subplots(
        len(latents), 2, squeeze=False, sharey="col", width_ratios=(2, 1), sharex="none"
    )
    order = [name for name in _COLORS if name in latents]
    for (bars, line), name in zip(panels, order, strict=True):
        response, top = responses[name], int(responses[name].argmax())
        bars.bar(np.arange(1, len(response) + 1), response, color=_COLORS[name])
        bars.set(xlabel=f"unit of {name}", ylabel="R")
        bars.xaxis.set_major_locator(MaxNLocator(integer=True))
        means = view_means(latents[name], labels)[:, top]
        line.plot(views, means, "o-", color=_COLORS[name])
        line.set(xlabel="view", ylabel=f"mean of {name} {top + 1}", xticks=views)
        for panel in (bars, line):
            panel.spines[["top", "right"]].set_visible(False)
            panel.axhline(0.0, color="#999", linewidth=0.8, zorder=0)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
