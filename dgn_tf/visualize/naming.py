"""Names of geometric directions, read off the motion that their displacement fields make."""

from collections.abc import Sequence

import numpy as np

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
    """A name for each displacement field: that of the motion which `best_motions` finds.

    The sign does not matter: "zoom" is in or out. Names that occur again are numbered: "widen",
    "widen 2".

    Args:
        fields: [K, S, S, 2], (dx, dy) in any unit.

    Returns:
        K names, no two equal.
    """
    return numbered([name for name, _ in best_motions(fields)])


def best_motions(fields: np.ndarray) -> list[tuple[str, float]]:
    """The pure motion that describes each displacement field best.

    For every pure motion of `motions` the best multiple of it is fitted by least squares inside
    the center disc; its share is the part of the field's sum of squares there that the fit
    explains (the squared cosine between the two).

    Args:
        fields: [K, S, S, 2], (dx, dy) in any unit.

    Returns:
        For each field the motion with the largest share, or "other" where that is below one third
        or the field is zero, and the multiple of the motion that fits.
    """
    fields = np.asarray(fields, np.float64)
    names, pure = motions(fields.shape[1])
    inside = np.any(pure != 0.0, axis=(0, 3))
    multiples = np.einsum("kpc,mpc->km", fields[:, inside], pure[:, inside])
    energy = np.sum(np.square(fields[:, inside]), axis=(1, 2))
    best = []
    for row, total in zip(multiples, energy, strict=True):
        index = np.argmax(np.abs(row))
        known = row[index] ** 2 >= LEAST_SHARE * total > 0.0
        best.append((names[index] if known else "other", float(row[index])))
    return best


def numbered(names: Sequence[str]) -> list[str]:
    """The same names with a number on those that occurred before."""
    counts: dict[str, int] = {}
    result = []
    for name in names:
        counts[name] = counts.get(name, 0) + 1
        result.append(name if counts[name] == 1 else f"{name} {counts[name]}")
    return result
