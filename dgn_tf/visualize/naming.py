"""Names of geometric directions, read off the motion that their displacement fields make."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

if TYPE_CHECKING:
    from dgn_tf.visualize.directions import Directions

# The subject stands in the middle; the background beside it may move in any way unpunished.
RADIUS = 0.7
# A motion that explains less of a field than this does not describe it.
LEAST_SHARE = 1 / 3


def motions(side: int) -> tuple[list[str], np.ndarray]:
    """Fields of the pure motions over the center disc.

    With x (right) and y (down) from -1 to 1 across the disc of radius 0.7 half-sides around the
    center, and h = 1 - x^2 - y^2, the fields (dx, dy) are

    * affine: shift x (1, 0), shift y (0, 1), roll (-y, x), zoom (x, y), widen (x, 0), heighten
      (0, y), stretch (x, -y), shear (y, 0) or (0, x) or (y, x);
    * turns of something rounded out of the image's plane, whose middle stands nearest to the
      viewer and so moves most: rotate (h, 0), to the left or right, and nod (0, h).

    Args:
        side: S of the fields, in pixels.

    Returns:
        M names, some of them equal, and float64 [M, S, S, 2]: zero outside the disc, each with a
        sum of squares of 1.
    """
    axis = ((np.arange(side) + 0.5) / side * 2.0 - 1.0) / RADIUS
    x, y = np.meshgrid(axis, axis)
    one, zero, h = np.ones_like(x), np.zeros_like(x), 1.0 - x**2 - y**2
    pure = (
        ("shift x", one, zero),
        ("shift y", zero, one),
        ("roll", -y, x),
        ("zoom", x, y),
        ("widen", x, zero),
        ("heighten", zero, y),
        ("stretch", x, -y),
        ("shear", y, zero),
        ("shear", zero, x),
        ("shear", y, x),
        ("rotate", h, zero),
        ("nod", zero, h),
    )
    fields = np.stack([np.stack([dx, dy], -1) for _, dx, dy in pure]) * (h >= 0)[..., None]
    norms = np.sqrt(np.sum(fields**2, axis=(1, 2, 3), keepdims=True))
    return [name for name, *_ in pure], fields / norms


def name_fields(fields: np.ndarray) -> list[str]:
    """A name for each displacement field.

    For every pure motion of `motions` the best multiple of it is fitted by least squares inside
    the center disc; its share is the part of the field's sum of squares there that the fit
    explains (the squared cosine between the two). A field is called by the motion with the largest
    share, or "other" where that is below one third or the field is zero. The sign does not matter:
    "zoom" is in or out. Names that occur again are numbered: "widen", "widen 2".

    Args:
        fields: [K, S, S, 2], (dx, dy) in any unit.

    Returns:
        K names, no two equal.
    """
    return _numbered([name for name, _ in _best_motions(fields)])


def direction_names(model, directions: "Directions") -> list[str]:
    """Automatic names of the directions of a model's group "geometry".

    The field that names a direction is the difference between the displacements one standard
    deviation to either side of the mean; `name_fields` gives the rule. It says where pixels read
    from, so an image moves the opposite way, which no name depends on.

    Args:
        model: a model with the group "geometry", displacements [B, S, S, 2].
        directions: what `principal_directions` makes of the group's latents.

    Returns:
        A name for each direction, no two equal: "shift x", "shift y", "roll", "zoom", "widen",
        "heighten", "stretch", "shear", "rotate", "nod" or "other", numbered from the second on.
    """
    return name_fields(difference_fields(model, directions))


def orient(model, directions: "Directions") -> "Directions":
    """The directions, turned so that a positive step does to the image what its name says.

    That is: shift right or down, roll clockwise, zoom in, become wider or taller, turn the middle
    to the right or down. "other" directions, and shears, whose two ways have no name, stay.

    Args:
        model: a model with the group "geometry", displacements [B, S, S, 2].
        directions: what `principal_directions` makes of the group's latents.

    Returns:
        The same mean and scales; every axis as it was or its opposite.
    """
    # A pixel reads from where its displacement points to, so the image moves the opposite way.
    signs = [
        -np.sign(multiple) if name not in ("other", "shear") else 1.0
        for name, multiple in _best_motions(difference_fields(model, directions))
    ]
    return directions._replace(axes=directions.axes * np.array(signs)[:, None])


def difference_fields(model, directions: "Directions") -> np.ndarray:
    """From one standard deviation below the mean to one above along each: [K, S, S, 2]."""
    step = directions.scales[:, None] * directions.axes
    ends = np.concatenate([directions.mean + step, directions.mean - step])
    above, below = np.split(model.part("geometry", tf.constant(ends, tf.float32)).numpy(), 2)
    return above - below


def _best_motions(fields: np.ndarray) -> list[tuple[str, float]]:
    """For each field the motion that `name_fields` chooses, and the multiple of it that fits."""
    fields = np.asarray(fields, np.float64)
    names, pure = motions(fields.shape[1])
    inside = np.any(pure != 0.0, axis=(0, 3))
    multiples = np.einsum("kpc,mpc->km", fields[:, inside], pure[:, inside])
    energy = np.sum(np.square(fields[:, inside]), axis=(1, 2))
    best = []
    for row, total in zip(multiples, energy, strict=True):
        index = np.argmax(np.abs(row))
        known = row[index] ** 2 >= LEAST_SHARE * total > 0.0
        best.append((names[index] if known else "other", row[index]))
    return best


def _numbered(names: Sequence[str]) -> list[str]:
    """The same names with a number on those that occurred before."""
    counts, result = {}, []
    for name in names:
        counts[name] = counts.get(name, 0) + 1
        result.append(name if counts[name] == 1 else f"{name} {counts[name]}")
    return result
