"""How a trained model does on images that it has not seen."""

from typing import Any

import numpy as np

from dgn_tf.config.evaluate import EvaluationData
from dgn_tf.config.experiments.held_out import Settings
from dgn_tf.data.examples import Examples, as_float
from dgn_tf.evaluation.figures.samples import sample_figure
from dgn_tf.evaluation.metrics.errors import (
    beside_baselines,
    clustering_accuracy,
    sharpness,
    squared_errors,
    told_worse,
)
from dgn_tf.evaluation.metrics.r2 import factor_r2, group_r2_table
from dgn_tf.evaluation.metrics.recombination import head_factors, recombination
from dgn_tf.evaluation.report import Cell, Figure, Report, Table
from dgn_tf.ops.jacobian import folded_fraction
from dgn_tf.runs.evaluated import EvaluatedRun
from dgn_tf.types import LatentArrays, LatentModel, has_geometry, one_hot_groups
from dgn_tf.utils.words import counted
from dgn_tf.visualize.decoding import decode
from dgn_tf.visualize.sheets import recombination_board
from dgn_tf.visualize.traversals import class_sheet

_BOARD_SIDE = 8
# Examples that what a group knows of them is measured with, at least.
_FEWEST = 5
_NOTE = "val_msre of a training is usually a little higher: it takes fewer steps of inference."


def run(subject: EvaluatedRun, data: EvaluationData, settings: Settings) -> Report:
    """Measure a run on images.

    Raises:
        InputError: there are no images to measure on.
    """
    del settings
    test, train = subject.test(data), subject.train()
    labels, seed = subject.class_labels(test), subject.inference.seed
    latents, what = subject.infer(test), subject.tested.said(len(test))
    mean = subject.mean_image
    return held_out(subject.model, train, test, latents, seed, labels, what, mean)


def held_out(
    model: LatentModel,
    train: Examples | None,
    test: Examples,
    latents: LatentArrays,
    seed: int = 0,
    labels: np.ndarray | None = None,
    what: str = "",
    mean_image: np.ndarray | None = None,
) -> Report:
    """Reconstruction and, where the truth can be drawn, recombination and what each group knows.

    Args:
        model: a trained model.
        train: what it was trained on; None where that is not known, and baselines are left out.
        test: examples to measure on.
        latents: inferred latents of `test`, [N, d] for each group.
        seed: decides who is recombined with whom.
        labels: [N], that classes found without labels are compared with.
        what: the examples are, with their number, for the title.
        mean_image: of what it was trained on, [S, S, C] in [-1, 1], where `train` is None; or None.

    Returns:
        A report with the numbers `reconstruction`, `clustering` (`clustering_accuracy`) and, for
        examples with the factors of heads, `r2` and (with geometry) `recombination`.
    """
    numbers: dict[str, Any] = {
        "reconstruction": reconstruction(model, train, test, latents, mean_image)
    }
    factors = head_factors(test)
    if factors and len(test) >= _FEWEST:
        numbers["r2"] = factor_r2(latents, factors)
        if has_geometry(model):
            numbers["recombination"] = recombination(model, test, latents, seed)
    if model.class_groups and labels is not None:
        found = latents["appearance"].argmax(axis=1)
        numbers["clustering"] = clustering_accuracy(found, labels)
    errors = "Errors are sums of squares per image on [0, 1]"
    note = "\n  ".join(filter(None, (told_worse(numbers["reconstruction"]), _NOTE)))
    tables = [Table(errors, ("", ""), _rows(numbers), note)]
    if "r2" in numbers:
        tables.append(group_r2_table(numbers["r2"]))
    figures = [sample_figure(model, test, latents)]
    if has_geometry(model):
        first = {name: z[:_BOARD_SIDE] for name, z in latents.items()}
        board = recombination_board(model, test.images[:_BOARD_SIDE], first)
        caption = "A row keeps the appearance of its first image, a column the geometry (Fig. 11)"
        figures.append(Figure("recombination", caption, board))
    if one_hot_groups(model):
        caption = "Canonical image of each class, and the class in other geometries (Fig. 13)"
        figures.append(Figure("classes", caption, class_sheet(model, latents)))
    title = what or counted(len(test), "image")
    return Report(title, numbers, tuple(tables), tuple(figures))


def _rows(numbers: dict[str, Any]) -> tuple[tuple[Cell, ...], ...]:
    fit = numbers["reconstruction"]
    rows: list[tuple[Cell, ...]] = [("reconstruction error", fit["msre"])]
    if fit["msre_pca"] is not None:
        rows.append((f"  of PCA, {fit['pca_components']:3} components", fit["msre_pca"]))
    if fit["msre_mean_image"] is not None:
        rows.append(("  of the mean image", fit["msre_mean_image"]))
    rows.append(("sharpness, as a share of that of the images", fit["sharpness"]))
    if "folded" in fit:
        rows.append(("folded cells of the field", f"{100 * fit['folded']:.2f}%"))
        rows.append(("mean displacement, pixels", fit["displacement"]))
    if "clustering" in numbers:
        rows.append(("classes found that agree with the labels", f"{numbers['clustering']:.1%}"))
    if "recombination" in numbers:
        swap = numbers["recombination"]
        rows.append(("recombination error", swap["recombined"]))
        rows.append(("  of not recombining", swap["not_recombined"]))
        rows.append(("  ratio of the two", swap["recombined"] / swap["not_recombined"]))
    return tuple(rows)


def reconstruction(
    model: LatentModel,
    train: Examples | None,
    test: Examples,
    latents: LatentArrays,
    mean_image: np.ndarray | None = None,
) -> dict[str, Any]:
    """Reconstruction errors of held-out images, and of two baselines fitted on training ones.

    Args:
        model: the trained model.
        train: what it was trained on, or None.
        test: examples to measure on.
        latents: inferred latents of `test`, [N, d] for each group.
        mean_image: of what it was trained on, where `train` is None; or None.

    Returns:
        `beside_baselines`, PCA with as many components as the model has latents; `sharpness` of the
        reconstructions over that of the images; with a geometric generator also the share of
        `folded` cells and the mean `displacement` in pixels.
    """
    x, x_train = as_float(test.images), None if train is None else as_float(train.images)
    images, parts = decode(model, latents)
    error = float(squared_errors(x, images).mean())
    numbers = beside_baselines(error, x, x_train, sum(model.latent_dims.values()), mean_image)
    # Images of one color have none.
    numbers["sharpness"] = sharpness(images) / (sharpness(x) or np.nan)
    if has_geometry(model):
        numbers["folded"] = float(np.mean(folded_fraction(parts["geometry"])))
        numbers["displacement"] = float(np.linalg.norm(parts["geometry"], axis=-1).mean())
    return numbers
