"""Experiment E1: what the basis functions do, whether they follow the view, and what is apart."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dgn_tf.config.evaluate import EvaluationData
from dgn_tf.config.experiments.basis import Settings
from dgn_tf.data.examples import Examples
from dgn_tf.data.label_values import described
from dgn_tf.evaluation.figures.basis import (
    ROWS,
    Views,
    direction_figures,
    faces_figures,
    unit_figures,
    view_figure,
)
from dgn_tf.evaluation.figures.samples import sample_figure
from dgn_tf.evaluation.metrics.disentanglement import disentanglement
from dgn_tf.evaluation.metrics.fields import explained_variance, field_bound, field_health
from dgn_tf.evaluation.metrics.r2 import factor_r2, group_r2_table
from dgn_tf.evaluation.metrics.recombination import head_factors, recombination
from dgn_tf.evaluation.metrics.views import balanced, view_labels, view_response
from dgn_tf.evaluation.report import Report, Table
from dgn_tf.runs.evaluated import EvaluatedRun
from dgn_tf.types import LatentArrays, LatentModel
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.words import counted
from dgn_tf.visualize.decoding import decode
from dgn_tf.visualize.directions import principal_directions, unnamed_directions


def run(subject: EvaluatedRun, data: EvaluationData, settings: Settings) -> Report:
    """Measure what the latents of a run stand for.

    Raises:
        InputError: the model has no geometry or a discrete appearance, there are no images
            to measure on, or the views have no labels.
    """
    subject.require_geometry()
    if subject.config.model.appearance != "continuous":
        raise InputError("`experiment=basis` is for models whose appearance is continuous.")
    test, views = subject.test(data), _views(subject, data, settings)
    latents = subject.infer(test)
    seen = (subject.infer(views[0]), views[1]) if views else None
    seed = subject.inference.seed
    gamma, what = settings.gamma, subject.tested.said(len(test))
    return basis(subject.model, test, latents, seen, gamma=gamma, seed=seed, what=what)


def _views(
    subject: EvaluatedRun, data: EvaluationData, settings: Settings
) -> tuple[Examples, np.ndarray] | None:
    """Images whose views are known, as many of each, and their views [N]; None without any."""
    spec = settings.views or ("heads:views" if subject.on_heads else "")
    if not spec:
        return None
    views = subject.held_out("views", spec, 0)
    labels = view_labels(views)
    if labels is None:
        raise InputError(
            f"`views={spec}` has no label `view` of 2 to 50 different numbers; it has "
            f"{described(views) if views.factors else 'no labels'}."
        )
    if limit := data.count():
        chosen = balanced(labels, -(-limit // len(np.unique(labels))))
        views, labels = views.subset(chosen), labels[chosen]
    subject.origin["views"]["examples"] = len(views)
    return views, labels


def basis(
    model: LatentModel,
    test: Examples,
    latents: LatentArrays,
    views: Views | None = None,
    *,
    gamma: float = 10.0,
    seed: int = 0,
    what: str = "",
) -> Report:
    """Experiment E1 (Section 5.1, Fig. 2 to 7).

    Args:
        model: a trained model with the groups "appearance" and "geometry".
        test: examples to measure on.
        latents: their inferred latents, [N, d] for each group.
        views: inferred latents [M, d] for each group and the view labels [M] of examples whose
            views are known; without them Eq. 21 is left out.
        gamma: single latents run from -gamma to gamma.
        seed: of the recombined pairs and of the random forests of DCI.
        what: the examples are, with their number, for the title.

    Returns:
        A report with the numbers `directions` (names and standard deviations of the principal
        directions of the geometry), `field`, `explained_variance`; with `views` also `views`; and
        for examples with the factors of heads `r2`, `disentanglement` and `recombination`.
    """
    directions = principal_directions(model, latents)
    leading = directions["geometry"].leading(ROWS)
    names = list(leading.names)
    numbers: dict[str, Any] = {
        "directions": {"names": names, "scales": leading.scales},
        "field": field_health(decode(model, latents)[1], field_bound(model)),
        "explained_variance": explained_variance(model, latents),
    }
    if views is not None:
        numbers["views"] = _view_numbers(*views)
    factors = head_factors(test)
    if factors:
        numbers["r2"] = factor_r2(latents, factors)
        numbers["recombination"] = recombination(model, test, latents, seed)
        numbers["disentanglement"] = {
            "latent units": disentanglement(latents, factors, seed),
            "principal directions": disentanglement(_principal(latents), factors, seed),
        }
    figures = [sample_figure(model, test, latents)]
    order = {name: np.argsort(-z.std(axis=0)) for name, z in latents.items()}
    if views is not None:
        figures.append(view_figure(views))
        order = {name: np.argsort(-r) for name, r in numbers["views"]["response"].items()}
    figures += unit_figures(model, latents, order, gamma, by_view=views is not None)
    figures += direction_figures(model, latents, directions)
    figures += faces_figures(model, latents, leading, names, views)
    title = f"Basis functions, from {what or counted(len(test), 'image')} (E1)"
    return Report(title, numbers, tuple(_tables(numbers)), tuple(figures))


def _tables(numbers: dict[str, Any]) -> list[Table]:
    tables = [_field_table(numbers)]
    if "views" in numbers:
        tables.insert(0, _view_table(numbers["views"]["response"]))
    if "r2" in numbers:
        tables += [group_r2_table(numbers["r2"]), *_disentanglement_tables(numbers)]
    return tables


def _principal(latents: LatentArrays) -> LatentArrays:
    """The latents in the coordinates of their principal directions, group by group."""
    rotated = {}
    for name, z in latents.items():
        directions = unnamed_directions(z)
        rotated[name] = (z - directions.mean) @ directions.axes.T
    return rotated


def _view_numbers(latents: LatentArrays, labels: np.ndarray) -> dict[str, Any]:
    responses = view_response(latents, labels)
    values, counts = np.unique(labels, return_counts=True)
    highest = {name: float(response.max()) for name, response in responses.items()}
    return {
        "values": values,
        "examples": counts,
        "response": responses,
        "max": highest,
        "ratio": highest["geometry"] / max(highest["appearance"], np.finfo(np.float32).tiny),
    }


def _view_table(responses: Mapping[str, np.ndarray]) -> Table:
    rows = tuple(
        (name, int(response.argmax()) + 1, float(response.max()), float(np.median(response)))
        for name, response in responses.items()
    )
    caption = "R of Eq. 21: how the latent units follow the view"
    return Table(caption, ("", "strongest unit", "its R", "median R of the group"), rows)


def _field_table(numbers: dict[str, Any]) -> Table:
    field, lost = numbers["field"], numbers["explained_variance"]
    shares = {
        "folded cells": field["folded"],
        "samples read outside the frame": field["outside"],
        "saturated displacements (tanh beyond 0.99)": field.get("saturated_geometry"),
        "saturated pixel values of the canonical images": field["saturated_appearance"],
        "variance of the reconstructions lost if z_g is the mean": lost["geometry"],
        "variance of the reconstructions lost if z_a is the mean": lost["appearance"],
    }
    rows = [
        (name, f"{100 * share:.2f}%" if share is not None and np.isfinite(share) else None)
        for name, share in shares.items()
    ]
    rows.append(("mean displacement, pixels", f"{field['displacement']:.2f}"))
    return Table("Health of the field", ("", ""), tuple(rows))


def _disentanglement_tables(numbers: dict[str, Any]) -> list[Table]:
    measured = numbers["disentanglement"]
    kinds = list(measured)
    rows = [
        ("MIG", *(measured[kind]["mig"] for kind in kinds)),
        ("SAP", *(measured[kind]["sap"] for kind in kinds)),
    ]
    for name in ("disentanglement", "completeness", "informativeness"):
        rows.append((f"DCI {name}", *(measured[kind]["dci"][name] for kind in kinds)))
    single = Table(
        "Single codes and single factors",
        ("1 is best, 0 worst", *kinds),
        tuple(rows),
        "Inside a group the prior leaves the axes free, so that a factor may be spread over "
        "several codes of the right group.",
    )
    shares = measured["latent units"]["group_importance"]
    groups = list(next(iter(shares.values())))
    weighed = Table(
        "Which group a random forest looks at, given both",
        ("factor", *groups),
        tuple((name, *(share[group] for group in groups)) for name, share in shares.items()),
        "Shares of the importance, which sum to 1; of a factor that neither group knows they say "
        "nothing.",
    )
    swap = numbers["recombination"]
    recombined = Table(
        "Each head's appearance in another's geometry, against the rendered truth",
        ("squared error per image on [0, 1]", ""),
        (
            ("recombined", swap["recombined"]),
            ("left as it is", swap["not_recombined"]),
            ("its own reconstruction", swap["not_recombined_reconstruction"]),
        ),
    )
    return [weighed, recombined, single]
