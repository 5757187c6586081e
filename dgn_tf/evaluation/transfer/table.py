"""Experiment E2: how well geometry learned on one data set serves another (Table I)."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Chart

from dgn_tf.data.examples import Examples, as_float
from dgn_tf.evaluation.metrics.errors import squared_errors
from dgn_tf.evaluation.report import Figure, Report, Table
from dgn_tf.types import LatentArrays, LatentModel
from dgn_tf.visualize.decoding import decode

# Table I of the paper: 10,000 CelebA faces, 1,000 frontal and 5,000 unseen Multi-PIE faces, 64x64.
PUBLISHED = {
    "30": (110.99, 117.28, 89.94),
    "15": (88.98, 94.81, 70.64),
    "0": (48.78, 48.36, 46.10),
    "-15": (87.89, 94.12, 75.11),
    "-30": (107.94, 120.58, 92.66),
    "all": (89.02, 94.66, 76.52),
}


def split_views(
    examples: Examples, views: np.ndarray, frontal: float, tuned: int, per_view: int
) -> tuple[np.ndarray, np.ndarray]:
    """Which examples a model is fine-tuned on, and which it has never seen.

    Args:
        examples: the target data.
        views: the view of each example, [N].
        frontal: the view to fine-tune on.
        tuned: how many examples to fine-tune on, the first of that view.
        per_view: at most so many unseen examples of each view.

    Returns:
        Indices of the fine-tuning examples and of the unseen ones. Where the data have a label
        `identity`, nobody is in both.
    """
    chosen = np.flatnonzero(views == frontal)[:tuned]
    unseen = np.ones(len(examples), bool)
    unseen[chosen] = False
    identity = examples.factors.get("identity")
    if identity is not None:
        unseen &= ~np.isin(identity, identity[chosen])
    rest = [np.flatnonzero(unseen & (views == view))[:per_view] for view in np.unique(views)]
    return chosen, np.concatenate(rest)


def view_errors(
    model: LatentModel, examples: Examples, views: np.ndarray, latents: LatentArrays
) -> dict[str, float]:
    """MSRE of each view and of all examples, on the [0, 1] scale, by the view's number as text."""
    images, _ = decode(model, latents)
    errors = squared_errors(as_float(examples.images), images)
    numbers = {f"{view:g}": float(errors[views == view].mean()) for view in np.unique(views)}
    return {**numbers, "all": float(errors.mean())}


def transfer_report(
    results: Mapping[str, Sequence[Mapping[str, float]]],
    parameters: Mapping[str, str],
    figures: Sequence[Figure] = (),
) -> Report:
    """Table I of what was measured.

    Args:
        results: for each method the `view_errors` of each repetition.
        parameters: for each method its numbers of parameters, as text.
        figures: images to show beside it.

    Returns:
        The report: means and standard deviations (over the repetitions, n - 1; none for one), and
        the first method's errors over those of the others.
    """
    views = list(next(iter(results.values()))[0])
    # As the paper: from the largest view down, all views last.
    views = sorted((v for v in views if v != "all"), key=float, reverse=True) + ["all"]
    mean, deviation = {}, {}
    for method, runs in results.items():
        table = np.array([[run[view] for view in views] for run in runs])
        mean[method] = dict(zip(views, table.mean(axis=0), strict=True))
        spread = table.std(axis=0, ddof=1) if len(runs) > 1 else np.full(len(views), np.nan)
        deviation[method] = dict(zip(views, spread, strict=True))
    ours, *rivals = results
    ratios = {
        rival: {view: mean[ours][view] / mean[rival][view] for view in views} for rival in rivals
    }
    errors = Table(
        "Error on unseen images after fine-tuning on one view (cf. Table I)",
        ("view", *results),
        tuple(
            (view, *(_spread(mean[m][view], deviation[m][view]) for m in results)) for view in views
        ),
        f"Sums of squares per image on [0, 1]; {len(results[ours])} repetition(s).",
    )
    tables = [errors, Table("Parameters", ("method", ""), tuple(parameters.items()))]
    if rivals:
        tables.insert(
            1,
            Table(
                f"Error of {ours} over that of the others",
                ("view", *rivals),
                tuple((view, *(ratios[rival][view] for rival in rivals)) for view in views),
            ),
        )
    tables.append(
        Table(
            "Table I of the paper, quoted; other data",
            ("view", "VAE", "ABP", "deformable generator"),
            tuple((view, *row) for view, row in PUBLISHED.items()),
            "CelebA to Multi-PIE, 10 runs (Xing et al. 2022): only ratios are comparable.",
        )
    )
    numbers = {"mean": mean, "standard_deviation": deviation, "ratio": ratios, "runs": results}
    chart = Figure("views", "Error by view, mean and standard deviation.", _chart(mean, deviation))
    return Report(
        "Transfer: geometry learned once, appearance fine-tuned (E2, Table I)",
        numbers,
        tuple(tables),
        (chart, *figures),
    )


def _spread(mean: float, deviation: float) -> str:
    return f"{mean:.2f}" if np.isnan(deviation) else f"{mean:.2f} ± {deviation:.2f}"


def _chart(
    mean: Mapping[str, Mapping[str, float]], deviation: Mapping[str, Mapping[str, float]]
) -> np.ndarray:
    """Lines of error over view, a method each: uint8 [H, W, 3]."""
    chart = Chart(figsize=(6, 3.5), dpi=100, layout="constrained")
    canvas, panel = FigureCanvasAgg(chart), chart.subplots()
    for method, by_view in mean.items():
        views = sorted((v for v in by_view if v != "all"), key=float)
        spread = np.nan_to_num([deviation[method][v] for v in views])
        panel.errorbar(
            [float(v) for v in views],
            [by_view[v] for v in views],
            spread,
            fmt="o-",
            label=method,
            capsize=3,
        )
    panel.set(xlabel="view", ylabel="error per image", ylim=(0, None))
    panel.set_xticks([float(v) for v in views])
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(frameon=False)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
