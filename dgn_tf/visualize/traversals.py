"""Traversals: what changes along the leading directions of a latent group (Fig. 3 to 5)."""

from collections.abc import Sequence

import numpy as np

from dgn_tf.types import LatentArrays, LatentModel
from dgn_tf.visualize.decoding import decode
from dgn_tf.visualize.directions import REACH, Directions, principal_directions
from dgn_tf.visualize.images import as_images, lay_out, whole_factor

# How many principal directions are shown.
SHOWN = 6


def traverse(
    model: LatentModel,
    latents: LatentArrays,
    group: str,
    directions: Directions | None = None,
    *,
    columns: int = 11,
    gamma: float | None = None,
    appearance: np.ndarray | None = None,
) -> np.ndarray:
    """Images along directions of one group, from one end to the other.

    Args:
        model: a model of images.
        latents: [N, d] for each group: the groups that do not change stay at their means.
        group: the group that changes.
        directions: k directions of this group, with their mean in the middle; None takes the
            leading principal directions of `latents`.
        columns: images along each; an odd number has the mean in the middle.
        gamma: go from -gamma to +gamma in latent units, as the paper (there 10); None goes from
            -2.5 to +2.5 standard deviations along each direction.
        appearance: z_a [d_a] to show instead of the mean while another group changes.

    Returns:
        Images float32 [k, columns, S, S, C] in [-1, 1].
    """
    mean, axes, scales, _ = directions or leading_directions(model, latents, group)
    reach = REACH * scales if gamma is None else np.full_like(scales, gamma)
    offsets = np.linspace(-1.0, 1.0, columns)[None, :, None] * reach[:, None, None]
    moved = (mean + offsets * axes[:, None, :]).reshape(-1, len(mean))
    z = {name: np.tile(values.mean(axis=0), (len(moved), 1)) for name, values in latents.items()}
    if appearance is not None:
        z["appearance"] = np.tile(appearance, (len(moved), 1))
    z[group] = moved
    images, _ = decode(model, z)
    return images.reshape(len(axes), columns, *images.shape[1:])


def leading_directions(
    model: LatentModel, latents: LatentArrays, group: str, count: int = SHOWN
) -> Directions:
    """The `count` strongest principal directions of one group's latents."""
    return principal_directions(model, {group: latents[group]})[group].leading(count)


def traversal_sheet(
    model: LatentModel,
    latents: LatentArrays,
    group: str,
    directions: Directions | None = None,
    *,
    titles: Sequence[str] | None = None,
    gamma: float | None = None,
    appearance: np.ndarray | None = None,
) -> np.ndarray:
    """A sheet of `traverse`, a row for each direction, with its standard deviation.

    Args:
        model: as for `traverse`, and so the other arguments.
        latents: [N, d] for each group.
        group: the group that changes.
        directions: k directions of this group; None takes the leading principal directions.
        titles: captions of the rows; None gives the directions' numbers and names.
        gamma: reach in latent units; None for 2.5 standard deviations.
        appearance: z_a [d_a] to show instead of the mean while another group changes.

    Returns:
        uint8 [height, width, 3].
    """
    directions = directions or leading_directions(model, latents, group)
    images = traverse(model, latents, group, directions, gamma=gamma, appearance=appearance)
    ends = np.linspace(-1.0, 1.0, images.shape[1]) * (REACH if gamma is None else gamma)
    unit = " sd" if gamma is None else ""
    middle = "mean" if np.any(directions.mean) else "0"
    if titles is None:
        titles = [f"{group} {k + 1}" for k in range(len(images))]
        if directions.names:
            titles = [f"{t}\n{name}" for t, name in zip(titles, directions.names, strict=True)]
    return lay_out(
        list(as_images(images, whole_factor(images.shape[2]))),
        [f"{t}\nsd {scale:.2f}" for t, scale in zip(titles, directions.scales, strict=True)],
        [f"{end:+.1f}{unit}" if end else middle for end in ends],
    )


def class_sheet(
    model: LatentModel,
    latents: LatentArrays,
    directions: Directions | None = None,
    *,
    columns: int = 11,
) -> np.ndarray:
    """The sheet of Fig. 13, of a model whose z_a is one-hot: a row for each class.

    Each shows the canonical image of its class, then the class in the geometries along the
    strongest principal direction of z_g.

    Args:
        model: a `DeformableGenerator` with labels or classes.
        latents: [N, d] for each group.
        directions: principal directions of the geometry; None takes those of `latents`.
        columns: images along the direction.

    Returns:
        uint8 [height, width, 3].
    """
    strongest = (directions or leading_directions(model, latents, "geometry")).leading(1)
    classes = np.eye(model.latent_dims["appearance"], dtype=np.float32)
    zero = np.zeros((len(classes), model.latent_dims["geometry"]), np.float32)
    _, parts = decode(model, {"appearance": classes, "geometry": zero})
    rows = []
    for canonical, label in zip(parts["appearance"], classes, strict=True):
        (moved,) = traverse(
            model, latents, "geometry", strongest, columns=columns, appearance=label
        )
        rows.append(np.concatenate([canonical[None], moved]))
    factor = whole_factor(rows[0].shape[1])
    ends = np.linspace(-REACH, REACH, columns)
    return lay_out(
        [as_images(row, factor) for row in rows],
        [f"class {number}" for number in range(len(classes))],
        ["canonical", *(f"{end:+.1f} sd" for end in ends)],
    )
