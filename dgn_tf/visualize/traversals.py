"""Traversals: what changes along the leading directions of a latent group (Fig. 3 to 5)."""

from collections.abc import Sequence

import numpy as np

from dgn_tf.visualize.decoding import decode
from dgn_tf.visualize.directions import REACH, Directions, principal_directions
from dgn_tf.visualize.images import as_images, lay_out, whole_factor
from dgn_tf.visualize.naming import direction_names, orient


def traverse(
    model,
    latents: dict[str, np.ndarray],
    group: str,
    *,
    count: int = 6,
    columns: int = 11,
    gamma: float | None = None,
    appearance: np.ndarray | None = None,
    directions: Directions | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Images along the leading directions of one group, from one end to the other.

    Principal directions of the geometry point to where their names say, see `orient`.

    Args:
        model: a model with `latent_dims`, `part` and `combine`.
        latents: [N, d] for each group: they give the directions, and the mean in the middle.
        group: the group that changes; the others stay at their means.
        count: how many directions.
        columns: images along each; an odd number has the mean in the middle.
        gamma: go from -gamma to +gamma in latent units, as the paper (there 10); None goes from
            -2.5 to +2.5 standard deviations of the latents along each direction.
        appearance: z_a [d_a] to show instead of the mean while another group changes.
        directions: go along these, from their mean, instead of the `count` principal ones.

    Returns:
        Images float32 [k, columns, S, S, C] in [-1, 1], and the standard deviations [k].
    """
    if directions is None:
        directions = principal_directions(latents[group], count)
        if group == "geometry":
            directions = orient(model, directions)
    mean, axes, scales = directions
    reach = REACH * scales if gamma is None else np.full_like(scales, gamma)
    offsets = np.linspace(-1.0, 1.0, columns)[None, :, None] * reach[:, None, None]
    moved = (mean + offsets * axes[:, None, :]).reshape(-1, len(mean))
    z = {name: np.tile(values.mean(axis=0), (len(moved), 1)) for name, values in latents.items()}
    if appearance is not None:
        z["appearance"] = np.tile(appearance, (len(moved), 1))
    z[group] = moved
    images, _ = decode(model, z)
    return images.reshape(len(axes), columns, *images.shape[1:]), scales


def traversal_sheet(
    model,
    latents: dict[str, np.ndarray],
    group: str,
    titles: Sequence[str] | None = None,
    **settings,
) -> np.ndarray:
    """A sheet of `traverse`, a row for each direction; the settings are its keyword arguments.

    Rows are captioned with `titles`; if there are none, directions are numbered, and those of the
    geometry have their names too, see `direction_names`.

    Returns:
        uint8 [height, width, 3].
    """
    images, scales = traverse(model, latents, group, **settings)
    gamma = settings.get("gamma")
    ends = np.linspace(-1.0, 1.0, images.shape[1]) * (REACH if gamma is None else gamma)
    unit = " sd" if gamma is None else ""
    middle = "0" if settings.get("directions") else "mean"
    if titles is None:
        titles = [f"{group} {k + 1}" for k in range(len(scales))]
        if group == "geometry":
            along = settings.get("directions") or principal_directions(latents[group], len(scales))
            names = direction_names(model, along)
            titles = [f"{title}\n{name}" for title, name in zip(titles, names, strict=True)]
    return lay_out(
        list(as_images(images, whole_factor(images.shape[2]))),
        [f"{title}\nsd {scale:.2f}" for title, scale in zip(titles, scales, strict=True)],
        [f"{end:+.1f}{unit}" if end else middle for end in ends],
    )


def class_sheet(model, latents: dict[str, np.ndarray], columns: int = 11) -> np.ndarray:
    """The sheet of Fig. 13, of a model whose z_a is one-hot: a row for each class.

    Each shows the canonical image of its class, then the class in the geometries along the
    leading principal direction of z_g.

    Args:
        model: a `DeformableGenerator` with labels or classes.
        latents: [N, d] for each group: they give the direction.
        columns: images along the direction.

    Returns:
        uint8 [height, width, 3].
    """
    classes = np.eye(model.latent_dims["appearance"], dtype=np.float32)
    zero = np.zeros((len(classes), model.latent_dims["geometry"]), np.float32)
    _, parts = decode(model, {"appearance": classes, "geometry": zero})
    rows = []
    for canonical, label in zip(parts["appearance"], classes, strict=True):
        moved, _ = traverse(model, latents, "geometry", count=1, columns=columns, appearance=label)
        rows.append(np.concatenate([canonical[None], moved[0]]))
    factor = whole_factor(canonical.shape[0])
    ends = np.linspace(-REACH, REACH, columns)
    return lay_out(
        [as_images(row, factor) for row in rows],
        [f"class {number}" for number in range(len(classes))],
        ["canonical", *(f"{end:+.1f} sd" for end in ends)],
    )
