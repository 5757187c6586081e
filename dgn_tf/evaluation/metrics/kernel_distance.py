"""KID: how far two sets of images are apart, by a kernel on their features."""

import numpy as np

# Fewer rows leave nothing to estimate from.
_FEWEST = 4


def polynomial_kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(x . y / d + 1)^3 of every row of x [N, d] with every row of y [M, d]: [N, M]."""
    return (x @ y.T / x.shape[1] + 1.0) ** 3


def squared_mmd(x: np.ndarray, y: np.ndarray) -> float:
    """The unbiased estimate of the squared maximum mean discrepancy of two samples.

    mean of k(x, x') over pairs of different rows of x, plus that of y, less twice the mean of
    k(x, y), with `polynomial_kernel` (Gretton et al. 2012; Binkowski et al. 2018). Its expectation
    is 0 for samples of one distribution, so it may be negative.

    Args:
        x: features [N, d], N at least 2.
        y: features [M, d], M at least 2.
    """

    def within(z: np.ndarray) -> float:
        kernel = polynomial_kernel(z, z)
        return (kernel.sum() - np.trace(kernel)) / (len(z) * (len(z) - 1))

    return float(within(x) + within(y) - 2.0 * polynomial_kernel(x, y).mean())


def kernel_distance(
    x: np.ndarray, y: np.ndarray, *, subsets: int = 100, most: int = 1000, seed: int = 0
) -> tuple[float, float] | None:
    """The kernel distance of Binkowski et al. (2018), "Demystifying MMD GANs".

    Args:
        x: features [N, d] of one set of images.
        y: features [M, d] of the other.
        subsets: how many estimates `squared_mmd` gives, each from random rows of both.
        most: rows in a subset; half of the smaller set if that is less, so that subsets differ.
        seed: of the subsets.

    Returns:
        Mean and standard deviation over the subsets; None for fewer than 4 images in a set.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    fewest = min(len(x), len(y))
    if fewest < _FEWEST:
        return None
    rng, count = np.random.default_rng(seed), min(most, fewest // 2)
    values = [
        squared_mmd(*(z[rng.choice(len(z), count, replace=False)] for z in (x, y)))
        for _ in range(subsets)
    ]
    return float(np.mean(values)), float(np.std(values))
