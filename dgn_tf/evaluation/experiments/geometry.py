"""Experiment E4: learned geometry on other looks, and on images of anything."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from dgn_tf.config.evaluate import EvaluationData
from dgn_tf.config.experiments.geometry import Settings
from dgn_tf.data.sources.files import load_photographs
from dgn_tf.evaluation.figures.basis import faces_sheet
from dgn_tf.evaluation.report import Figure, Report, Table
from dgn_tf.inference.statistics import prior_latents
from dgn_tf.ops.jacobian import folded_fraction
from dgn_tf.runs.evaluated import EvaluatedRun
from dgn_tf.runs.restoring import load_chains
from dgn_tf.types import LatentArrays, LatentModel, one_hot_groups
from dgn_tf.utils.words import counted
from dgn_tf.visualize.directions import (
    REACH,
    Directions,
    difference_fields,
    principal_directions,
    unit_directions,
)
from dgn_tf.visualize.images import lay_out
from dgn_tf.visualize.photographs import warp_photograph

_MOST_PHOTOGRAPHS = 20
_DIRECTIONS = 4
_LOOKS, _MOST_CLASSES = 6, 10
_STEPS = np.linspace(-REACH, REACH, 5)
# Warped at their own size, photographs are shown no longer than this.
_SHOWN = 320


def run(subject: EvaluatedRun, data: EvaluationData, settings: Settings) -> Report:
    """Show what the learned geometry does to other looks and to photographs.

    Raises:
        InputError: the model has no geometry, photographs cannot be read, or there are no images to
            take directions from.
    """
    subject.require_geometry()
    photographs = {}
    if settings.pictures:
        photographs = load_photographs(settings.pictures, _MOST_PHOTOGRAPHS)
    # Directions are those of what the training has inferred, where it keeps that.
    latents = None if data.data else load_chains(subject.run_dir)
    if latents is None:
        latents = subject.infer(subject.test(data))
    subject.origin["pictures"] = list(photographs)
    return geometry(subject.model, latents, photographs, subject.inference.seed)


def geometry(
    model: LatentModel,
    latents: LatentArrays,
    photographs: dict[str, np.ndarray] | None = None,
    seed: int = 0,
) -> Report:
    """Experiment E4 (Fig. 12 and 13).

    Args:
        model: a trained model with the groups "appearance" and "geometry".
        latents: [N, d] for each group, which give the directions.
        photographs: uint8 [H, W, 3] by name, each of its own size, to move along them.
        seed: of the looks.

    Returns:
        A report with the numbers `directions`: names, standard deviations and shares of the
        variance of the leading directions of z_g, the mean distance in pixels by which one standard
        deviation moves, and the share of folded cells at the ends; and `unit`, the number of the
        latent unit that moves most.
    """
    leading = principal_directions(model, latents)["geometry"].leading(_DIRECTIONS)
    names = list(leading.names)
    units = unit_directions(latents["geometry"], range(latents["geometry"].shape[1]))
    unit = int(_moved(model, units).argmax())
    numbers = {
        "directions": {
            "names": names,
            "scales": leading.scales,
            "variance": np.square(leading.scales) / latents["geometry"].var(axis=0).sum(),
            "displacement": _moved(model, leading),
            "folded": _folded(model, leading),
        },
        "unit": unit + 1,
    }
    z_a, titles, whose = _looks(model, seed)
    figures = []
    for index, name in enumerate(names):
        sheet = faces_sheet(model, z_a, leading, index, titles)
        caption = f'{whose}; principal direction {index + 1} of z_g ("{name}") in the columns'
        figures.append(Figure(f"direction_{index + 1}", caption, sheet))
    caption = f"{whose}; unit {unit + 1} of z_g, the one that moves most, in the columns"
    figures.append(Figure("unit", caption, faces_sheet(model, z_a, units, unit, titles)))
    labels = [f"direction {k}\n{name}" for k, name in enumerate(names, 1)]
    if photographs:
        fields = _differences(model, leading)
        for k, (name, photograph) in enumerate(photographs.items(), 1):
            caption = f"{name}, moved by the learned geometry at its own size (Fig. 12a)"
            sheet = photograph_sheet(photograph, fields, labels)
            figures.append(Figure(f"photograph_{k}", caption, sheet))
    title = f"Geometry from {counted(len(latents['geometry']), 'image')} (E4)"
    return Report(title, numbers, (_table(numbers["directions"]),), tuple(figures))


def _looks(model: LatentModel, seed: int) -> tuple[np.ndarray, list[str], str]:
    """The appearances of the rows, their captions, and what they are."""
    if one_hot_groups(model):
        z_a = np.eye(model.latent_dims["appearance"], dtype=np.float32)[:_MOST_CLASSES]
        return z_a, [f"class {k}" for k in range(len(z_a))], "Each class in a row (Fig. 12b, 13)"
    z_a = prior_latents(model.latent_dims, (), _LOOKS, seed)["appearance"]
    return z_a, [""] * _LOOKS, "Sampled z_a, one in each row (Fig. 12b)"


def _fields(model: LatentModel, z_g: np.ndarray) -> np.ndarray:
    """Displacements of z_g [..., d]: [..., S, S, 2] in pixels."""
    flat = z_g.reshape(-1, z_g.shape[-1]).astype(np.float32)
    pieces = [
        model.part("geometry", tf.constant(flat[k : k + 32])).numpy()
        for k in range(0, len(flat), 32)
    ]
    fields = np.concatenate(pieces)
    return fields.reshape(*z_g.shape[:-1], *fields.shape[1:])


def _along(directions: Directions, steps: Sequence[float] | np.ndarray) -> np.ndarray:
    """Latents [k, n, d], the n `steps` in standard deviations along each of k directions."""
    moves = (directions.scales[:, None] * directions.axes)[:, None]
    return directions.mean + np.asarray(steps)[:, None] * moves


def _differences(model: LatentModel, directions: Directions) -> np.ndarray:
    """How the field differs from that of the mean, `_STEPS` along each direction: [k, 5, ...]."""
    middle = _fields(model, np.asarray(directions.mean)[None])
    return _fields(model, _along(directions, _STEPS)) - middle


def _moved(model: LatentModel, directions: Directions) -> np.ndarray:
    """Pixels by which a standard deviation of each direction moves, in the mean over an image."""
    return np.linalg.norm(difference_fields(model, directions), axis=-1).mean(axis=(1, 2)) / 2.0


def _folded(model: LatentModel, directions: Directions) -> np.ndarray:
    """Shares [k] of folded cells at both ends of each direction."""
    ends = _fields(model, _along(directions, (-REACH, REACH)))
    return np.array([float(np.mean(folded_fraction(each))) for each in ends])


def photograph_sheet(photograph: np.ndarray, fields: np.ndarray, labels: list[str]) -> np.ndarray:
    """Fig. 12a: one photograph, moved at its own size, then made smaller if it is large.

    Args:
        photograph: uint8 [H, W, 3].
        fields: [k, n, S, S, 2] in pixels of the model, a row for each direction.
        labels: of the rows.

    Returns:
        uint8 [height, width, 3].
    """
    shrink = min(1.0, _SHOWN / max(photograph.shape[:2]))
    height, width = (max(1, round(shrink * length)) for length in photograph.shape[:2])

    def shown(field: np.ndarray) -> np.ndarray:
        moved = warp_photograph(photograph, field)
        if shrink == 1.0:
            return moved
        return np.asarray(Image.fromarray(moved).resize((width, height), Image.Resampling.LANCZOS))

    rows = [np.stack([shown(field) for field in row]) for row in fields]
    return lay_out(rows, labels, [f"{step:+.1f} sd" if step else "mean" for step in _STEPS])


def _table(directions: dict[str, Any]) -> Table:
    rows = tuple(
        (f"{k}  {name}", scale, f"{100 * share:.1f}%", moved, f"{100 * folded:.2f}%")
        for k, (name, scale, share, moved, folded) in enumerate(
            zip(*directions.values(), strict=True), 1
        )
    )
    columns = ("", "sd", "of the variance", "pixels a sd", f"folded at ±{REACH} sd")
    return Table("The leading principal directions of z_g", columns, rows)
