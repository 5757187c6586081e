"""Principal directions of latents: found, oriented and named here alone (Fig. 3 to 5).

A run has one set of them, made at the end of its training and kept in `FILE`. Edits, animations,
the explorer, the sample sheets and the experiments all follow it, so that a direction has one
number and one name everywhere.
"""

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from dgn_tf.types import LatentArrays, LatentModel, one_hot_groups
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import atomic_write
from dgn_tf.utils.npz_files import read_npz
from dgn_tf.visualize.naming import best_motions, numbered

# The file that keeps the directions of a run, in its folder.
FILE = "directions.npz"
# A traversal goes as many standard deviations to either side.
REACH = 2.5


class Directions(NamedTuple):
    """Directions of one latent group, the strongest first.

    Attributes:
        mean: [d], where they cross.
        axes: unit vectors [k, d].
        scales: standard deviations [k] of the latents along the axes.
        names: k names, no two equal; none for a group whose directions have no names.
    """

    mean: np.ndarray
    axes: np.ndarray
    scales: np.ndarray
    names: tuple[str, ...] = ()

    def leading(self, count: int) -> "Directions":
        """The first `count` of the directions, or all where there are fewer."""
        return Directions(
            self.mean, self.axes[:count], self.scales[:count], tuple(self.names[:count])
        )


def principal_directions(model: LatentModel, latents: LatentArrays) -> dict[str, Directions]:
    """The directions in which the latents of each group vary most, all d of them.

    Those of the group "geometry" have names, and point to where their names say (`orient`). In
    other groups the largest entry of an axis is positive.

    Args:
        model: a model of images.
        latents: [N, d] for each group that is wanted; one-hot groups have no directions.

    Returns:
        `Directions` by group, in the order of `latents`.
    """
    found = {}
    for group, z in latents.items():
        if group in one_hot_groups(model):
            continue
        directions = unnamed_directions(z)
        found[group] = orient(model, directions) if group == "geometry" else directions
    return found


def unnamed_directions(z: np.ndarray) -> Directions:
    """The directions in which vectors vary most: the principal components.

    Args:
        z: latents [N, d].

    Returns:
        d directions, the largest standard deviation first. The largest entry of an axis is
        positive, so that equal latents always give equal axes.
    """
    z = np.asarray(z, np.float64)
    mean = z.mean(axis=0)
    variances, vectors = np.linalg.eigh((z - mean).T @ (z - mean) / len(z))
    axes = vectors.T[::-1]
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    scales = np.sqrt(np.maximum(variances[::-1], 0.0))
    return Directions(mean, axes * np.sign(largest), scales)


def orient(model: LatentModel, directions: Directions) -> Directions:
    """The same directions with names, turned so that a positive step does what the name says.

    That is: shift right or down, roll clockwise, zoom in, become wider or taller, turn the middle
    to the right or down. "other" directions, and shears, whose two ways have no name, stay.

    The field that names a direction is the difference between the displacements one standard
    deviation to either side of the mean; `naming.best_motions` gives the rule.

    Args:
        model: a model with the group "geometry", displacements [B, S, S, 2].
        directions: of this group.

    Returns:
        The same mean and scales; every axis as it was or its opposite; and the names "shift x",
        "shift y", "roll", "zoom", "widen", "heighten", "stretch", "shear", "rotate", "nod" or
        "other", numbered from the second on.
    """
    motions = best_motions(difference_fields(model, directions))
    # A pixel reads from where its displacement points to, so the image moves the opposite way.
    signs = [
        -np.sign(multiple) if name not in ("other", "shear") else 1.0 for name, multiple in motions
    ]
    names = numbered([name for name, _ in motions])
    axes = directions.axes * np.array(signs)[:, None]
    return Directions(directions.mean, axes, directions.scales, tuple(names))


def renamed(
    directions: Mapping[str, Directions], group: str, index: int, name: str
) -> dict[str, Directions]:
    """The same directions, one of which has another name.

    Args:
        directions: those of all groups.
        group: one of them.
        index: of the direction, from 0.
        name: text that is neither empty nor a number, and not taken in the group.

    Raises:
        InputError: it cannot be a name.
    """
    if not isinstance(name, str) or not name.strip() or name.strip().isdecimal():
        raise InputError(f"`{name}`: a name must be text that is no number.")
    of_group = directions[group]
    known = list(of_group.names or (f"{group} {k + 1}" for k in range(len(of_group.axes))))
    if name in known[:index] + known[index + 1 :] or name in directions:
        raise InputError(f"`{name}`: there is a direction or a group of this name already.")
    known[index] = name
    return {**directions, group: of_group._replace(names=tuple(known))}


def difference_fields(model: LatentModel, directions: Directions) -> np.ndarray:
    """From one standard deviation below the mean to one above along each direction.

    Args:
        model: a model with the group "geometry".
        directions: k directions of this group.

    Returns:
        Differences of displacements [k, S, S, 2], in pixels.
    """
    step = directions.scales[:, None] * directions.axes
    ends = np.concatenate([directions.mean + step, directions.mean - step])
    above, below = np.split(model.part("geometry", tf.constant(ends, tf.float32)).numpy(), 2)
    return above - below


def unit_directions(z: np.ndarray, units: Sequence[int] | np.ndarray) -> Directions:
    """The directions of single latent units, through 0 rather than the mean of the latents.

    Args:
        z: latents [N, d], for the standard deviations.
        units: k numbers of units, from 0.

    Returns:
        Directions with the mean 0, without names.
    """
    z, units = np.asarray(z, np.float64), np.asarray(units, np.int64)
    return Directions(np.zeros(z.shape[1]), np.eye(z.shape[1])[units], z.std(axis=0)[units])


def equal_directions(one: Mapping[str, Directions], other: Mapping[str, Directions]) -> bool:
    """Whether two sets of directions are of the same groups, and equal to the last bit."""
    return one.keys() == other.keys() and all(
        np.array_equal(a, b) for group in one for a, b in zip(one[group], other[group], strict=True)
    )


def write_directions(path: str | os.PathLike, directions: Mapping[str, Directions]) -> None:
    """Keep the directions of a model: GROUP/mean, /axes, /scales and /names in an .npz file."""
    arrays = {}
    for group, of_group in directions.items():
        for name, values in of_group._asdict().items():
            arrays[f"{group}/{name}"] = np.array(values, dtype=str if name == "names" else float)
    with atomic_write(path) as partial:
        np.savez(partial, allow_pickle=False, **arrays)


def read_directions(path: str | os.PathLike, latent_dims: dict[str, int]) -> dict[str, Directions]:
    """The directions that `write_directions` has kept.

    Args:
        path: of the file.
        latent_dims: length of the latents of each group of the model that they belong to.

    Raises:
        InputError: the file is damaged, or belongs to another model.
    """
    try:
        arrays = read_npz(os.fspath(path))
        found = {}
        for group in dict.fromkeys(name.partition("/")[0] for name in arrays):
            mean, axes, scales, names = (arrays[f"{group}/{n}"] for n in Directions._fields)
            shapes = mean.shape, axes.shape, scales.shape, names.shape
            count, dim = len(axes), latent_dims[group]
            if shapes not in (((dim,), (count, dim), (count,), (n,)) for n in (0, count)):
                raise ValueError(f"its arrays of {group} do not go together")
            found[group] = Directions(mean, axes, scales, tuple(map(str, names)))
    except (InputError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is damaged ({error}): delete it, and the directions are computed anew."
        ) from None
    return found
