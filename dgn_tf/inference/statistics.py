"""What is known of a model's latents as a whole: how they are spread, and how well images fit."""

import dataclasses
import os
from collections.abc import Collection, Mapping

import numpy as np

from dgn_tf.types import LatentArrays
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import atomic_write
from dgn_tf.utils.npz_files import read_npz

# The file that keeps the statistics of a run or an export, in its folder.
FILE = "statistics.npz"
# The quantiles of the training errors that are kept; above the last an image is unusual.
QUANTILES = (0.5, 0.9, 0.995)
# By how much the error of a typical image may exceed the last quantile: images that were not
# trained on fit less well than those that were.
TYPICAL_FACTOR = 1.5
# Where samples come from: the latents of the training examples, or N(0, I).
SOURCES = ("training", "prior")


@dataclasses.dataclass(frozen=True, eq=False)
class LatentStatistics:
    """The distribution of a model's training latents, a Gaussian a group, and of its errors.

    Attributes:
        means: float32 [d] by latent group; of a one-hot group how frequent each class is.
        covariances: float32 [d, d] by latent group.
        one_hot: the groups whose latents are one-hot: labels and classes.
        errors: the reconstruction errors of training examples at `QUANTILES`, float64 [3], each the
            sum of squares over an image or clip on the [0, 1] scale; None where they are not known.
    """

    means: LatentArrays
    covariances: LatentArrays
    one_hot: tuple[str, ...] = ()
    errors: np.ndarray | None = None

    @classmethod
    def fit(
        cls,
        latents: Mapping[str, np.ndarray],
        errors: np.ndarray | None = None,
        one_hot: Collection[str] = (),
    ) -> "LatentStatistics":
        """The statistics of latents.

        Args:
            latents: [N, d] by group, N at least 1.
            errors: the reconstruction errors [M] of training examples, or None.
            one_hot: the groups whose latents are one-hot.

        Raises:
            InputError: a latent or an error is not finite.
        """
        values = {name: np.asarray(z, np.float64) for name, z in latents.items()}
        known = {} if errors is None else {"errors": np.asarray(errors, np.float64)}
        for name, each in (values | known).items():
            if not np.isfinite(each).all():
                raise InputError(f"`{name}`: must be finite.")
        return cls(
            means={name: z.mean(axis=0).astype(np.float32) for name, z in values.items()},
            covariances={
                name: np.atleast_2d(np.cov(z, rowvar=False, bias=True)).astype(np.float32)
                for name, z in values.items()
            },
            one_hot=tuple(name for name in values if name in one_hot),
            errors=np.quantile(known["errors"], QUANTILES) if known else None,
        )

    def sample(self, count: int, seed: int = 0, source: str = "training") -> LatentArrays:
        """Latents drawn at random: equal for equal arguments.

        Args:
            count: how many.
            seed: of the draws, at least 0.
            source: "training" draws from the Gaussians of the training latents, and classes as
                frequent as there; "prior" is `prior_latents`.

        Returns:
            float32 [count, d] by group.

        Raises:
            InputError: `count` below 1, a negative seed, or another source.
        """
        if source not in SOURCES:
            raise InputError(f"`source={source}`: must be one of {', '.join(SOURCES)}.")
        dims = {name: len(mean) for name, mean in self.means.items()}
        latents = prior_latents(dims, self.one_hot, count, seed)
        if source == "prior":
            return latents
        for name, z in latents.items():
            if name in self.one_hot:
                draws = np.random.default_rng([seed, 1]).random(count)
                ends = np.cumsum(np.float64(self.means[name]))
                classes = np.searchsorted(ends / ends[-1], draws, side="right")
                latents[name] = np.eye(len(ends), dtype=np.float32)[classes]
            else:
                scales, axes = np.linalg.eigh(np.float64(self.covariances[name]))
                # Rounding makes small negative variances.
                spread = axes * np.sqrt(np.maximum(scales, 0.0))
                latents[name] = (self.means[name] + z @ spread.T).astype(np.float32)
        return latents

    def typical(self, errors: np.ndarray, factor: float = TYPICAL_FACTOR) -> np.ndarray | None:
        """Whether images with these errors are like what the model has learned from.

        Args:
            errors: reconstruction errors [N], as `errors` of this class.
            factor: how many times the 99.5th percentile of the training errors is still typical.

        Returns:
            bool [N], False above that and for what is not a number; None where the training errors
            are not known.
        """
        if self.errors is None:
            return None
        return np.asarray(errors) <= factor * self.errors[-1]

    def arrays(self) -> dict[str, np.ndarray]:
        """The statistics as arrays by name, which `from_arrays` takes back."""
        found = {f"{name}/mean": mean for name, mean in self.means.items()}
        found |= {f"{name}/covariance": each for name, each in self.covariances.items()}
        found["one_hot"] = np.array(self.one_hot, dtype=str)
        if self.errors is not None:
            found["errors"] = self.errors
        return found

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "LatentStatistics":
        """The statistics that `arrays` gives.

        Raises:
            ValueError: arrays are missing or do not go together.
        """
        groups = [n.removesuffix("/mean") for n in arrays if n.endswith("/mean")]
        try:
            means = {name: arrays[f"{name}/mean"] for name in groups}
            covariances = {name: arrays[f"{name}/covariance"] for name in groups}
            one_hot = tuple(map(str, arrays["one_hot"]))
        except KeyError as error:
            raise ValueError(f"it lacks {error}") from None
        for name, mean in means.items():
            if mean.ndim != 1 or covariances[name].shape != 2 * mean.shape:
                raise ValueError(f"its arrays of {name} do not go together")
        errors = arrays.get("errors")
        if not set(one_hot) <= set(groups) or (errors is not None and errors.shape != (3,)):
            raise ValueError("its arrays do not go together")
        return cls(means, covariances, one_hot, errors)

    def save(self, path: str | os.PathLike) -> None:
        """Write the statistics as an .npz file, whole or not at all."""
        with atomic_write(path) as partial:
            np.savez(partial, allow_pickle=False, **self.arrays())

    @classmethod
    def load(cls, path: str | os.PathLike) -> "LatentStatistics":
        """The statistics that `save` has written.

        Raises:
            InputError: the file is missing or damaged.
        """
        try:
            return cls.from_arrays(read_npz(os.fspath(path)))
        except (InputError, ValueError) as error:
            raise InputError(
                f"{path} is damaged ({error}): delete it, and what can be known of the latents is "
                "computed anew."
            ) from None


def prior_latents(
    dims: Mapping[str, int], one_hot: Collection[str], count: int, seed: int = 0
) -> LatentArrays:
    """Draws of N(0, I); classes come in turn, the first is that of the seed's number.

    Args:
        dims: length d of the latents of each group.
        one_hot: the groups whose latents are one-hot.
        count: how many, at least 1.
        seed: of the draws, at least 0.

    Returns:
        float32 [count, d] by group.

    Raises:
        InputError: `count` below 1 or a negative seed.
    """
    for name, value, least in (("count", count, 1), ("seed", seed, 0)):
        if value < least:
            raise InputError(f"`{name}={value}`: must be at least {least}.")
    rng = np.random.default_rng(seed)
    latents = {
        name: rng.standard_normal((count, dim)).astype(np.float32) for name, dim in dims.items()
    }
    for name in one_hot:
        classes = (seed + np.arange(count)) % dims[name]
        latents[name] = np.eye(dims[name], dtype=np.float32)[classes]
    return latents
