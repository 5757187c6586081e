"""Traversals: what changes along the leading directions of a latent group (Fig. 3 to 5)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

REACH = 2.5


class Directions(NamedTuple):
    """`mean` [d], unit vectors `axes` [k, d], standard deviations `scales` [k] along them."""

    mean: np.ndarray
    axes: np.ndarray
    scales: np.ndarray


def principal_directions(z: np.ndarray, count: int) -> Directions:
    """The directions in which latents vary most.

    Args:
        z: latents [N, d].
        count: how many directions; at most d are given.

    Returns:
        Directions, the largest standard deviation first. The largest entry of an axis is positive,
        so that the same direction points the same way on every sheet.
    """
    z = np.asarray(z, np.float64)
    mean = z.mean(axis=0)
    variances, vectors = np.linalg.eigh((z - mean).T @ (z - mean) / len(z))
    axes = vectors.T[::-1][:count]
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    scales = np.sqrt(np.maximum(variances[::-1][:count], 0.0))
    return Directions(mean, axes * np.sign(largest), scales)


def unit_directions(z: np.ndarray, units: Sequence[int] | np.ndarray) -> Directions:
    """The directions of single latent units, through 0 rather than the mean of the latents.

    Args:
        z: latents [N, d], for the standard deviations.
        units: k numbers of units, from 0.

    Returns:
        Directions with the mean 0.
    """
    z, units = np.asarray(z, np.float64), np.asarray(units, np.int64)
    return Directions(np.zeros(z.shape[1]), np.eye(z.shape[1])[units], z.std(axis=0)[units])
