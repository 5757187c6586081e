"""A Gaussian of what a model has learned from, and how far from it something new lies."""

import dataclasses

import numpy as np

# Of the mean variance, added to every variance: what hardly varies would count beyond measure.
_RIDGE = 1e-3


@dataclasses.dataclass(frozen=True, eq=False)
class Gaussian:
    """A distribution, and how far from its mean the examples lie that it was fitted to.

    Attributes:
        mean: [d].
        covariance: [d, d].
        distances: squared Mahalanobis distances of the examples at some quantiles, each as if the
            example had not been fitted; infinite where there are too few examples to tell.
    """

    mean: np.ndarray
    covariance: np.ndarray
    distances: np.ndarray

    @classmethod
    def fit(cls, values: np.ndarray, quantiles: tuple[float, ...]) -> "Gaussian":
        """The Gaussian of examples.

        Args:
            values: [N, d], N at least 1, finite.
            quantiles: at which distances are kept, in [0, 1].
        """
        values = np.asarray(values, np.float64)
        mean = values.mean(axis=0)
        covariance = np.atleast_2d(np.cov(values, rowvar=False, bias=True))
        distances = held_out(_distances(values, mean, covariance))
        # Of infinite ones the quantile that is an example's: between two it would be no number.
        kept = np.quantile(distances, quantiles, method="higher")
        return cls(mean.astype(np.float32), covariance.astype(np.float32), kept)

    def distance(self, values: np.ndarray) -> np.ndarray:
        """Squared Mahalanobis distances [N] of values [N, d]."""
        return _distances(np.asarray(values, np.float64), self.mean, self.covariance)


def held_out(distances: np.ndarray) -> np.ndarray:
    """What the distances of N fitted examples would be, had each been left out of the fit.

    Leaving one out moves the mean away from it and shrinks the covariance along it, so that an
    example at squared distance D is at N / (N - 1) D / (1 - D / (N - 1)) then: at infinity if it
    alone fills a dimension.
    """
    others = len(distances) - 1
    if not others:
        return np.full(1, np.inf)
    left = 1.0 - distances / others
    far = np.full(len(distances), np.inf)
    return np.divide(distances * (len(distances) / others), left, out=far, where=left > 0)


def _distances(values: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    size = len(mean)
    ridge = _RIDGE * np.trace(covariance) / size + np.finfo(np.float64).tiny ** 0.5
    moved = values - mean
    solved = np.linalg.solve(np.float64(covariance) + ridge * np.eye(size), moved.T)
    return np.sum(moved * solved.T, axis=1)
