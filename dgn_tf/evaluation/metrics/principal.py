"""Principal components as the inputs of small networks."""

from collections.abc import Callable

import numpy as np
from sklearn.utils.extmath import randomized_svd


def principal_axes(x: np.ndarray, components: int) -> tuple[np.ndarray, np.ndarray]:
    """The leading singular values [c] of x [N, k] and their directions [k, c].

    Args:
        x: taken as it is, not about its mean.
        components: c; fewer if x has fewer rows or columns.
    """
    _, strengths, axes = randomized_svd(x, min(components, *x.shape), random_state=0)
    return strengths, axes.T


def evened_components(x: np.ndarray, components: int) -> Callable[[np.ndarray], np.ndarray]:
    """A function from inputs [M, k] to their principal components on `x`, evened out.

    A component's standard deviation becomes its square root, relative to that of the first. On
    landmarks of heads that does better than leaving them as they are, for pixels far better;
    setting all to 1 lifts mere noise up, and a network learns the noise.

    Args:
        x: inputs [N, k] that the components are fitted on.
        components: how many at most.

    Returns:
        A function to float32 [M, c]; what varies less than a thousandth of the first component is
        left out.
    """
    mean = x.mean(axis=0)
    strengths, axes = principal_axes(x - mean, min(components, len(x) - 1))
    kept = strengths >= 1e-3 * strengths[0]
    # Inputs that never vary have strengths of zero, and stay zero.
    scales = np.maximum(strengths[kept] * strengths[0], 1e-12)
    projection = axes[:, kept] * np.sqrt(len(x) / scales)
    return lambda x: ((x - mean) @ projection).astype(np.float32)
