"""What is known of a model's training examples as a whole, and whether an image is like them."""

import dataclasses
import os
from collections.abc import Collection, Mapping

import numpy as np

from dgn_tf.inference.gaussian import Gaussian
from dgn_tf.inference.texture import texture
from dgn_tf.types import LatentArrays
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import atomic_write
from dgn_tf.utils.npz_files import read_npz

# The file that keeps the statistics of a run or an export, in its folder.
FILE = "statistics.npz"
# The quantiles of the training examples that are kept; far above the last an image is unusual.
QUANTILES = (0.5, 0.9, 0.995)
# How many times the last quantile is still typical: images that were not trained on fit less well
# than those that were, and are a little sharper or softer.
LATENT_FACTOR = ERROR_FACTOR = 1.5
TEXTURE_FACTOR = 3.0
# What is said once of a model that has learned less than the mean of its images.
HARDLY_TRAINED = (
    "This model is hardly trained: it paints its own training images no better than the mean of "
    "them does. What it makes of others says little."
)
# The arrays of `Gaussian` in the file.
_TEXTURE = ("texture_mean", "texture_covariance", "texture_distances")
# What is known of the mean image; older files have neither.
_OF_MEAN = ("mean_image", "mean_errors")
# Where samples come from: the latents of the training examples, or N(0, I).
SOURCES = ("training", "prior")


@dataclasses.dataclass(frozen=True, eq=False)
class LatentStatistics:
    """The distribution of a model's training latents, a Gaussian a group, and of how they fit.

    Attributes:
        means: float32 [d] by latent group; of a one-hot group how frequent each class is.
        covariances: float32 [d, d] by latent group.
        one_hot: the groups whose latents are one-hot: labels and classes.
        errors: the reconstruction errors of training examples at `QUANTILES`, float64 [3], each the
            sum of squares over an image or clip on the [0, 1] scale; None where they are not known.
        distances: how far the training latents lie from their mean, float64 [3] by group, at
            `QUANTILES`, as of `Gaussian`; groups that are one-hot have none.
        texture: the distribution of the `texture` of training examples; None where it is not known.
        mean_image: of the training examples, float32 [S, S, C] in [-1, 1]; None where it is not
            known.
        mean_errors: the errors that it makes of training examples, like `errors`.
    """

    means: LatentArrays
    covariances: LatentArrays
    one_hot: tuple[str, ...] = ()
    errors: np.ndarray | None = None
    distances: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    texture: Gaussian | None = None
    mean_image: np.ndarray | None = None
    mean_errors: np.ndarray | None = None

    @property
    def hardly_trained(self) -> bool:
        """Whether the model paints half of its training examples no better than their mean does."""
        if self.errors is None or self.mean_errors is None:
            return False
        return not self.errors[0] < self.mean_errors[0]

    @classmethod
    def fit(
        cls,
        latents: Mapping[str, np.ndarray],
        errors: np.ndarray | None = None,
        one_hot: Collection[str] = (),
        images: np.ndarray | None = None,
        mean_image: np.ndarray | None = None,
    ) -> "LatentStatistics":
        """The statistics of latents.

        Args:
            latents: [N, d] by group, N at least 1.
            errors: the reconstruction errors [M] of training examples, or None.
            one_hot: the groups whose latents are one-hot.
            images: training images or clips, uint8 [M, ...], or None.
            mean_image: of all training examples, [S, S, C] in [-1, 1], or None.

        Raises:
            InputError: a latent or an error is not finite.
        """
        values = {name: np.asarray(z, np.float64) for name, z in latents.items()}
        known = {} if errors is None else {"errors": np.asarray(errors, np.float64)}
        for name, each in (values | known).items():
            if not np.isfinite(each).all():
                raise InputError(f"`{name}`: must be finite.")
        groups = {name: Gaussian.fit(z, QUANTILES) for name, z in values.items()}
        return cls(
            means={name: group.mean for name, group in groups.items()},
            covariances={name: group.covariance for name, group in groups.items()},
            one_hot=tuple(name for name in values if name in one_hot),
            errors=np.quantile(known["errors"], QUANTILES) if known else None,
            distances={
                name: group.distances for name, group in groups.items() if name not in one_hot
            },
            texture=None if images is None else Gaussian.fit(texture(images), QUANTILES),
            mean_image=mean_image,
            mean_errors=(
                None
                if images is None or mean_image is None
                else np.quantile(_squared_errors(images, mean_image), QUANTILES)
            ),
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

    def unusual(
        self, images: np.ndarray, latents: Mapping[str, np.ndarray], errors: np.ndarray
    ) -> dict[str, np.ndarray]:
        """What of each image is unlike the images that the model has learned from.

        Beyond 1.5 times the 99.5th percentile of the training examples are unusual: "error", the
        error of the reconstruction, and "appearance", "geometry" and such, the distance of the
        latents from their mean; beyond 3 times it "texture", how smooth an image is.

        Args:
            images: uint8 [N, S, S, C], or clips [N, F, S, S, C].
            latents: that were inferred, [N, d] by group.
            errors: of the reconstructions, [N], as `errors` of this class.

        Returns:
            bool [N] by name, of what is known; true also for what is not a number. Nothing of a
            model that is hardly trained.
        """
        found = {}
        if self.hardly_trained:
            return found
        if self.errors is not None:
            found["error"] = ~(np.asarray(errors) <= ERROR_FACTOR * self.errors[-1])
        for name, distances in self.distances.items():
            # Clips may be longer than those that a model has learned from.
            if latents[name].shape[1] == len(self.means[name]):
                group = Gaussian(self.means[name], self.covariances[name], distances)
                found[name] = ~(group.distance(latents[name]) <= LATENT_FACTOR * distances[-1])
        if self.texture is not None:
            most = TEXTURE_FACTOR * self.texture.distances[-1]
            found["texture"] = ~(self.texture.distance(texture(images)) <= most)
        return found

    def typical(
        self, images: np.ndarray, latents: Mapping[str, np.ndarray], errors: np.ndarray
    ) -> np.ndarray | None:
        """Whether images are like what the model has learned from; arguments as of `unusual`.

        Returns:
            bool [N], whether nothing of an image is unusual; None where nothing is known.
        """
        unusual = list(self.unusual(images, latents, errors).values())
        return ~np.any(unusual, axis=0) if unusual else None

    def arrays(self) -> dict[str, np.ndarray]:
        """The statistics as arrays by name, which `from_arrays` takes back."""
        found = {f"{name}/mean": mean for name, mean in self.means.items()}
        found |= {f"{name}/covariance": each for name, each in self.covariances.items()}
        found["one_hot"] = np.array(self.one_hot, dtype=str)
        if self.errors is not None:
            found["errors"] = self.errors
        found |= {f"{name}/distances": each for name, each in self.distances.items()}
        if self.texture is not None:
            found |= {f"texture_{name}": each for name, each in vars(self.texture).items()}
        for name in _OF_MEAN:
            if (each := getattr(self, name)) is not None:
                found[name] = each
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
        # Older files have the errors alone.
        distances = {n: arrays[f"{n}/distances"] for n in groups if f"{n}/distances" in arrays}
        known = [arrays[n] for n in _TEXTURE if n in arrays]
        mean_image, mean_errors = (arrays.get(name) for name in _OF_MEAN)
        quantiles = [*distances.values(), *known[2:]]
        quantiles += [each for each in (errors, mean_errors) if each is not None]
        if (
            not set(one_hot) <= set(groups)
            or len(known) not in (0, len(_TEXTURE))
            or (known and known[1].shape != 2 * known[0].shape)
            or any(each.shape != (len(QUANTILES),) for each in quantiles)
            or (mean_image is not None and mean_image.ndim != 3)
        ):
            raise ValueError("its arrays do not go together")
        of_texture = Gaussian(*known) if known else None
        return cls(
            means, covariances, one_hot, errors, distances, of_texture, mean_image, mean_errors
        )

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


def _squared_errors(images: np.ndarray, mean_image: np.ndarray) -> np.ndarray:
    """Sums of squares [N] between uint8 [N, ..., S, S, C] and an image in [-1, 1], on [0, 1]."""
    mean = (np.asarray(mean_image, np.float32) + 1.0) / 2.0
    # One after the other: thousands at a time would be large.
    return np.array([np.square(np.float32(image) / 255.0 - mean).sum() for image in images])


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
