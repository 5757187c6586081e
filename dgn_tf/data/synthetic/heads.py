"""The data set `heads`: faces drawn from known appearance and geometry factors.

The ground truth for disentanglement: appearance columns (colors, moustache, light) and geometry
columns (pose, head width, expression) are drawn independently, and every image has landmarks.
"""

import dataclasses
import io
import re
from collections.abc import Iterator, Mapping

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from dgn_tf.data.synthetic import rendering
from dgn_tf.data.synthetic.rendering import APPEARANCE, GEOMETRY
from dgn_tf.utils.errors import InputError

VIEWS = (-30, -15, 0, 15, 30)
GEOMETRY_RANGES = {
    "yaw": (-30.0, 30.0),
    "pitch": (-12.0, 12.0),
    "width": (0.88, 1.12),
    "mouth_opening": (0.0, 1.0),
    "smile": (-1.0, 1.0),
    "brow_raise": (-1.0, 1.0),
}
LIGHT_RANGE = (-0.8, 0.8)
# Colors run evenly along these RGB stops, then spread by COLOR_SPREAD in each channel.
COLOR_STOPS = {
    "skin": ((0.94, 0.79, 0.70), (0.86, 0.66, 0.53), (0.66, 0.46, 0.35), (0.48, 0.32, 0.24)),
    "hair": ((0.10, 0.08, 0.08), (0.32, 0.20, 0.13), (0.55, 0.38, 0.22), (0.80, 0.66, 0.44)),
    "background": ((0.42, 0.48, 0.56), (0.60, 0.60, 0.58), (0.52, 0.58, 0.50), (0.66, 0.58, 0.50)),
    "iris": ((0.26, 0.16, 0.10), (0.36, 0.36, 0.20), (0.30, 0.45, 0.40), (0.32, 0.50, 0.66)),
    "lip": ((0.80, 0.46, 0.44), (0.72, 0.34, 0.36), (0.56, 0.26, 0.26)),
    "brow": ((0.09, 0.07, 0.06), (0.24, 0.16, 0.11), (0.42, 0.30, 0.19)),
}
COLOR_SPREAD = 0.03
CHUNK = 256


def sample_appearance(n: int, seed: int) -> dict[str, np.ndarray]:
    """Draws appearance factors; row i does not depend on n.

    Args:
        n: number of heads.
        seed: non-negative integer; the same seed gives the same rows.

    Returns:
        float32 columns named as in `APPEARANCE`: `skin`, `hair`, `background`, `iris`, `lip`,
        `brow` [n, 3] RGB in [0, 1]; `moustache` [n] strength in [0, 1]; `light` [n, 2], the x and y
        (right, down) of the direction to the light (x, y, 1), each in [-0.8, 0.8].
    """
    columns = {}
    for stream, name in enumerate(APPEARANCE):
        rng = np.random.default_rng([seed, 0, stream])
        if name == "moustache":
            # Squared, so that most faces have little or none, without a gap in the range.
            column = rng.random(n) ** 2
        elif name == "light":
            column = rng.uniform(*LIGHT_RANGE, (n, 2))
        else:
            column = _colors(rng.random((n, 4)), np.array(COLOR_STOPS[name]))
        columns[name] = column.astype(np.float32)
    return columns


def _colors(uniform: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """RGB [N, 3] from uniform numbers [N, 4]: a place along the stops and a spread around it."""
    place = uniform[:, 0] * (len(stops) - 1)
    along = [np.interp(place, np.arange(len(stops)), stops[:, channel]) for channel in range(3)]
    return np.clip(np.stack(along, 1) + COLOR_SPREAD * (2 * uniform[:, 1:] - 1), 0, 1)


def sample_geometry(n: int, seed: int) -> dict[str, np.ndarray]:
    """Draws geometry factors within their `GEOMETRY_RANGES`; row i does not depend on n.

    Yaw is triangular around 0, as faces in photographs mostly look ahead; the others are uniform.

    Args:
        n: number of heads.
        seed: non-negative integer; the same seed gives the same rows.

    Returns:
        float32 columns [n] named as in `GEOMETRY`: `yaw` (degrees, positive to the image's
        right), `pitch` (degrees, positive down), `width` (factor), `mouth_opening` [0, 1],
        `smile` and `brow_raise` [-1, 1].
    """
    columns = {}
    for stream, name in enumerate(GEOMETRY):
        rng, (low, high) = np.random.default_rng([seed, 1, stream]), GEOMETRY_RANGES[name]
        # Each head takes its own numbers from the stream, whatever n is.
        place = rng.random((n, 2)).mean(1) if name == "yaw" else rng.random(n)
        columns[name] = (low + (high - low) * place).astype(np.float32)
    return columns


def render(
    appearance: Mapping[str, np.ndarray], geometry: Mapping[str, np.ndarray], side: int
) -> np.ndarray:
    """Draws row i of `appearance` with row i of `geometry`; any pairing is allowed.

    Args:
        appearance: columns as from `sample_appearance`.
        geometry: columns as from `sample_geometry`.
        side: side of the square images in pixels.

    Returns:
        uint8 [N, side, side, 3]; the same bytes whatever the batch a row sits in.

    Raises:
        InputError: a column is missing or has another shape than the rest, or side < 1.
    """
    rows = _checked(appearance, APPEARANCE, "appearance") | _checked(geometry, GEOMETRY, "geometry")
    check_side(side)
    lengths = {len(column) for column in rows.values()}
    if len(lengths) > 1:
        raise InputError(
            f"appearance and geometry must have the same number of rows, got {sorted(lengths)}"
        )
    return rendering.render_rows(rows, side)


def landmarks(geometry: Mapping[str, np.ndarray], side: int) -> np.ndarray:
    """Where the five landmarks of each head are in its image (the exact projections).

    Args:
        geometry: columns as from `sample_geometry`.
        side: side of the image in pixels.

    Returns:
        float32 [N, 5, 2], (x, y) in pixels with pixel centers at integers: left eye, right eye,
        nose tip, left mouth corner, right mouth corner; "left" is the left of the image.

    Raises:
        InputError: a column is missing or has a wrong shape, or side < 1.
    """
    rows = _checked(geometry, GEOMETRY, "geometry")
    check_side(side)
    return rendering.project(rendering.feature_points(rows), rows, side)


def _checked(columns: Mapping, sizes: Mapping[str, int], kind: str) -> dict[str, np.ndarray]:
    """The columns named in `sizes` as float32 arrays of equal length."""
    missing = [name for name in sizes if name not in columns]
    if missing:
        raise InputError(f"{kind} lacks the column(s) {', '.join(missing)}")
    rows = {name: np.asarray(columns[name], np.float32) for name in sizes}
    n = np.atleast_1d(next(iter(rows.values()))).shape[0]
    for name, size in sizes.items():
        expected = (n,) if size == 1 else (n, size)
        if rows[name].shape != expected:
            raise InputError(
                f"{kind} column {name!r} must have shape {expected}, got {rows[name].shape}"
            )
    return rows


def check_side(side: int) -> None:
    """Refuses a side of less than one pixel.

    Raises:
        InputError: side < 1.
    """
    if side < 1:
        raise InputError(f"side must be at least 1 pixel, got {side}")


@dataclasses.dataclass
class HeadsConfig(tfds.core.BuilderConfig):
    """Which images `Heads` holds.

    Attributes:
        side: side of the square images in pixels.
        train: number of examples in the split "train".
        test: number of examples in the split "test".
        identities: number of heads in the split "views", each seen from every one of `VIEWS`.

    Raises:
        InputError: side < 1 or a negative number of examples.
    """

    name: str = ""
    side: int = 64
    train: int = 10_000
    test: int = 1_000
    identities: int = 200

    def __post_init__(self):
        """Derives the name, e.g. "side64", or "side16_20_8_2" when the numbers are not usual."""
        check_side(self.side)
        counts = (self.train, self.test, self.identities)
        if min(counts) < 1:
            raise InputError(f"train, test and identities must be at least 1, got {counts}")
        self.name = f"side{self.side}"
        if counts != (10_000, 1_000, 200):
            self.name += "_" + "_".join(map(str, counts))
        self.description = f"Heads of {self.side} x {self.side} pixels."


class Heads(tfds.core.GeneratorBasedBuilder):
    """Synthetic heads with their factors and landmarks; drawn, never downloaded.

    Splits: "train" and "test" (independent heads), "views" (`identities` heads with one
    expression each, seen at the yaw angles `VIEWS`; cf. the views of Section 5 of the paper).
    Features: `image`; `id`, unique over all splits; `landmarks` [5, 2] as from `landmarks`;
    `identity`, the number of the head in "views" (its `id` elsewhere); `view`, the yaw in degrees;
    and every column of `APPEARANCE` and `GEOMETRY`.
    """

    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES = {"1.0.0": "First drawing.", "1.1.0": "Yaw is triangular around 0."}
    BUILDER_CONFIGS = [HeadsConfig(side=side) for side in (64, 32, 128)]
    DEFAULT_BUILDER_CONFIG_NAME = "side64"

    def __init__(self, *, config: str | HeadsConfig | None = None, **options):
        """Takes any side, as `HeadsConfig(side=48)` or by name as "side48".

        Args:
            config: the configuration or its name; "side64" when absent.
            **options: `data_dir` and the other arguments of `tfds.core.GeneratorBasedBuilder`.
        """
        named = re.fullmatch(r"side(\d+)", config) if isinstance(config, str) else None
        if named:
            config = HeadsConfig(side=int(named[1]))
        # A listed configuration may be given to TFDS by its name only.
        listed = [known.name for known in self.BUILDER_CONFIGS if known == config]
        super().__init__(config=listed[0] if listed else config, **options)

    def _info(self) -> tfds.core.DatasetInfo:
        side = self.builder_config.side
        sizes = {**APPEARANCE, **GEOMETRY}
        factors = {
            name: np.float32 if size == 1 else tfds.features.Tensor(shape=(size,), dtype=np.float32)
            for name, size in sizes.items()
        }
        return tfds.core.DatasetInfo(
            builder=self,
            description="Ray-cast synthetic heads with appearance and geometry factors.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(side, side, 3), encoding_format="png"),
                    "id": np.int64,
                    "identity": np.int64,
                    "view": np.float32,
                    "landmarks": tfds.features.Tensor(shape=(5, 2), dtype=np.float32),
                    **factors,
                }
            ),
            # Drawn in the order of the ids, so that the order of the records is the ids' too.
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager) -> dict[str, Iterator]:
        del dl_manager
        config = self.builder_config
        return {
            split: self._generate_examples(factors_of(split, config))
            for split in ("train", "test", "views")
        }

    def _generate_examples(self, columns: dict[str, np.ndarray]) -> Iterator:
        side = self.builder_config.side
        for start in range(0, len(columns["id"]), CHUNK):
            chunk = {name: column[start : start + CHUNK] for name, column in columns.items()}
            chunk["image"] = render(chunk, chunk, side)
            chunk["landmarks"] = landmarks(chunk, side)
            for index in range(len(chunk["id"])):
                example = {name: column[index] for name, column in chunk.items()}
                # A light compression is four times faster and a tenth larger than TFDS's own.
                png = tf.io.encode_png(example["image"], compression=1)
                example["image"] = io.BytesIO(png.numpy())
                yield int(example["id"]), example


def factors_of(split: str, config: HeadsConfig) -> dict[str, np.ndarray]:
    """Every column of a split but the image and its landmarks, in the order of the ids.

    Args:
        split: "train", "test" or "views".
        config: gives the numbers of examples.

    Returns:
        The columns of `APPEARANCE` and `GEOMETRY`, and `id`, `identity` (int64 [N]), `view`
        (float32 [N], degrees).

    Raises:
        InputError: there is no such split.
    """
    firsts = {"train": 0, "test": config.train, "views": config.train + config.test}
    if split not in firsts:
        raise InputError(f"heads has no split {split!r}; it has {', '.join(firsts)}")
    repeats = len(VIEWS) if split == "views" else 1
    heads = {"train": config.train, "test": config.test, "views": config.identities}[split]
    seed = list(firsts).index(split)
    columns = {**sample_appearance(heads, seed), **sample_geometry(heads, seed)}
    columns = {name: np.repeat(column, repeats, axis=0) for name, column in columns.items()}
    columns["id"] = firsts[split] + np.arange(heads * repeats)
    columns["identity"] = columns["id"]
    if split == "views":
        columns["yaw"] = np.tile(np.array(VIEWS, np.float32), heads)
        columns["identity"] = np.repeat(np.arange(heads), repeats)
    columns["view"] = columns["yaw"]
    return columns
