"""Figures of experiment E1: what single latents and directions do, and which follow the view."""

from collections.abc import Sequence

import numpy as np

from dgn_tf.evaluation.metrics.views import response_chart, view_response
from dgn_tf.evaluation.report import Figure
from dgn_tf.types import LatentArrays, LatentModel
from dgn_tf.visualize.decoding import decode
from dgn_tf.visualize.directions import REACH, Directions, unit_directions
from dgn_tf.visualize.images import as_images, lay_out, whole_factor
from dgn_tf.visualize.traversals import traversal_sheet

# Rows of a traversal sheet, and faces of Fig. 5.
ROWS = 10
_FACES = 6
_COLUMNS = 11
_ROTATIONS = ("rotate",)
_SHAPES = ("widen", "heighten", "zoom", "stretch")

# Latents [N, d] of each group and the view labels [N] of examples whose views are known.
Views = tuple[LatentArrays, np.ndarray]


def view_figure(views: Views) -> Figure:
    """Fig. 6 and 7: how the latent units follow the view."""
    values, counts = np.unique(views[1], return_counts=True)
    few, many = counts.min(), counts.max()
    caption = (
        f"R of Eq. 21 over {len(values)} views "
        f"({few if few == many else f'{few} to {many}'} images each) "
        "for every latent unit, and the mean over the views of each group's strongest unit "
        "(Fig. 6 and 7)"
    )
    return Figure("views", caption, response_chart(*views))


def unit_figures(
    model: LatentModel,
    latents: LatentArrays,
    order: dict[str, np.ndarray],
    gamma: float,
    by_view: bool,
) -> list[Figure]:
    """Fig. 3 and 4: single units from -gamma to gamma, the others at 0.

    Args:
        model: a model with the groups "appearance" and "geometry".
        latents: inferred latents, [N, d] for each group.
        order: the numbers of all units of each group, the ones to show first.
        gamma: in latent units.
        by_view: whether the order is by Eq. 21, for the captions.
    """
    reason = "that follow the view most" if by_view else "that vary most"
    zero = {name: np.zeros((1, z.shape[1])) for name, z in latents.items()}
    figures = []
    for name, number in (("appearance", 3), ("geometry", 4)):
        units = order[name][:ROWS]
        sheet = traversal_sheet(
            model,
            zero | {name: latents[name]},
            name,
            unit_directions(latents[name], units),
            titles=[f"{name}\nunit {unit + 1}" for unit in units],
            gamma=gamma,
            appearance=latents["appearance"][0] if name == "geometry" else None,
        )
        fixed = "z_g = 0" if name == "appearance" else "z_a that of the first image"
        caption = (
            f"The latent units of {name} {reason}, from -{gamma:g} to {gamma:g}, the others at 0, "
            f"{fixed} (Fig. {number})"
        )
        figures.append(Figure(f"units_{name}", caption, sheet))
    return figures


def direction_figures(
    model: LatentModel, latents: LatentArrays, directions: dict[str, Directions]
) -> list[Figure]:
    """Traversals of both groups along the principal directions of their latents."""
    figures = []
    for group in ("appearance", "geometry"):
        first = latents["appearance"][0] if group == "geometry" else None
        leading = directions[group].leading(ROWS)
        sheet = traversal_sheet(model, latents, group, leading, appearance=first)
        caption = (
            f"The principal directions of the inferred latents of {group}, "
            f"{REACH} standard deviations to either side"
        )
        figures.append(Figure(f"directions_{group}", caption, sheet))
    return figures


def faces_figures(
    model: LatentModel,
    latents: LatentArrays,
    leading: Directions,
    names: list[str],
    views: Views | None,
) -> list[Figure]:
    """Fig. 5: a rotation and a shape basis, each on several canonical faces.

    A direction that no name marks as such is taken where there is no better one.

    Args:
        model: a model with the groups "appearance" and "geometry".
        latents: inferred latents, [N, d] for each group; the first rows give the faces.
        leading: principal directions of the geometry.
        names: their names.
        views: latents and view labels: then the rotation is the direction that follows the view.
    """
    rotation = _rotation(leading, names, views)
    shape = _named(names, _SHAPES, taken=rotation)
    figures = []
    for kind, index in (("rotation", rotation), ("shape", shape)):
        if index is None:
            continue
        reason = ", the one that follows the view most," if views and kind == "rotation" else ""
        caption = (
            f'Principal direction {index + 1} of the geometry ("{names[index]}"){reason} on the '
            "canonical faces of several images, first column (Fig. 5)"
        )
        sheet = faces_sheet(model, latents["appearance"][:_FACES], leading, index)
        figures.append(Figure(f"faces_{kind}", caption, sheet))
    return figures


def _rotation(leading: Directions, names: list[str], views: Views | None) -> int | None:
    """The direction that follows the view most, or, where views are unknown, is named so."""
    if views is None:
        return _named(names, _ROTATIONS)
    along = {"geometry": views[0]["geometry"] @ leading.axes.T}
    return int(view_response(along, views[1])["geometry"].argmax())


def _named(names: list[str], wanted: Sequence[str], taken: int | None = None) -> int | None:
    """The first direction with a wanted name, else the first free one; None if none is free."""
    free = [k for k in range(len(names)) if k != taken]
    named = [k for k in free if names[k].split(" ")[0] in wanted]
    return next(iter(named + free), None)


def faces_sheet(
    model: LatentModel,
    z_a: np.ndarray,
    directions: Directions,
    index: int,
    titles: Sequence[str] | None = None,
) -> np.ndarray:
    """Fig. 5 and 12b: one direction of the geometry applied to canonical images.

    Args:
        model: a model with the groups "appearance" and "geometry".
        z_a: [K, d_a], the appearance of each row.
        directions: of the geometry.
        index: which of them.
        titles: a caption for each row, or none.

    Returns:
        uint8 [height, width, 3]: canonical faces, then from -2.5 to 2.5 standard deviations.
    """
    offsets = np.linspace(-REACH, REACH, _COLUMNS)
    z_g = (
        directions.mean + offsets[:, None] * directions.scales[index] * directions.axes[index][None]
    )
    rows, columns = np.divmod(np.arange(len(z_a) * _COLUMNS), _COLUMNS)
    images, parts = decode(model, {"appearance": z_a[rows], "geometry": z_g[columns]})
    shape = (len(z_a), _COLUMNS, *images.shape[1:])
    canonical = parts["appearance"].reshape(shape)[:, :1]
    shown = np.concatenate([canonical, images.reshape(shape)], axis=1)
    return lay_out(
        list(as_images(shown, whole_factor(shown.shape[2]))),
        titles or [""] * len(z_a),
        ["canonical", *(f"{offset:+.1f} sd" if offset else "mean" for offset in offsets)],
    )
