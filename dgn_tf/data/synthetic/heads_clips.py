"""The data set `heads_clips`: short videos of the synthetic heads, one expression in each.

The ground truth for clips (experiment E6): a person, who stays the same through the clip, goes from
a neutral face to one of six expressions and back, as the actors of MUG do, while the head sways.
"""

import dataclasses
import io
import re
from collections.abc import Iterator, Mapping

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from dgn_tf.data.synthetic import heads
from dgn_tf.data.synthetic.motion import EXPRESSIONS, check_frames, sample_motion
from dgn_tf.data.synthetic.rendering import APPEARANCE, GEOMETRY
from dgn_tf.utils.errors import InputError

CHUNK = 16
# The sway of heads that keep as still as the actors of MUG: a degree to each side.
STEADY = 0.125
# Other persons than those of the splits of `heads`, whose seeds are 0 to 2.
_SEEDS = {"train": 3, "test": 4}


def render_clips(
    appearance: Mapping[str, np.ndarray], motion: Mapping[str, np.ndarray], side: int
) -> np.ndarray:
    """Draws the person of row i with the motion of row i; any pairing is allowed.

    With the columns of clip 1 and of clip 2 this is the truth of a recombination: the looks of the
    one (`appearance`) with the head width, sway and expression of the other (`motion`).

    Args:
        appearance: columns [N] or [N, size] as from `heads.sample_appearance`.
        motion: every column of `GEOMETRY`, each [N, F].
        side: side of the square images in pixels.

    Returns:
        uint8 [N, F, side, side, 3]; the same bytes whatever the batch a row sits in.

    Raises:
        InputError: a column is missing or has another shape than the rest, or side < 1.
    """
    missing = [name for name in GEOMETRY if name not in motion]
    if missing:
        raise InputError(f"motion lacks the column(s) {', '.join(missing)}")
    shapes = {name: np.shape(motion[name]) for name in GEOMETRY}
    shape = shapes["yaw"]
    if len(shape) != 2 or set(shapes.values()) != {shape}:
        found = ", ".join(f"{name} {list(size)}" for name, size in shapes.items())
        raise InputError(f"motion columns must be [N, F], all of one shape; found {found}")
    geometry = {name: np.ravel(motion[name]) for name in GEOMETRY}
    person = {n: np.repeat(appearance[n], shape[1], axis=0) for n in APPEARANCE if n in appearance}
    return heads.render(person, geometry, side).reshape(*shape, side, side, 3)


@dataclasses.dataclass
class HeadsClipsConfig(tfds.core.BuilderConfig):
    """Which clips `HeadsClips` holds.

    Attributes:
        side: side of the square frames in pixels.
        frames: frames of each clip.
        train: number of persons in the split "train".
        test: number of persons in the split "test"; they are others.
        repeats: clips of each person with each expression.
        sway: how far the heads are turned and turn, over what `motion.SWAY` says.

    Raises:
        InputError: side < 1, frames < 3, or no persons or clips.
    """

    name: str = ""
    side: int = 64
    frames: int = 16
    train: int = 100
    test: int = 20
    repeats: int = 1
    sway: float = 1.0

    def __post_init__(self):
        """Derives the name: "side64_frames16", with "_4_2_1" or "_sway0.1" for unusual numbers."""
        heads.check_side(self.side)
        check_frames(self.frames)
        counts = (self.train, self.test, self.repeats)
        if min(counts) < 1:
            raise InputError(f"train, test and repeats must be at least 1, got {counts}")
        self.name = f"side{self.side}_frames{self.frames}"
        if counts != (100, 20, 1):
            self.name += "_" + "_".join(map(str, counts))
        if self.sway != 1:
            self.name += f"_sway{self.sway:g}"
        self.description = f"Clips of {self.frames} frames of {self.side} x {self.side} pixels."


class HeadsClips(tfds.core.GeneratorBasedBuilder):
    """Synthetic heads that perform expressions, with all factors; drawn, never downloaded.

    Splits: "train" and "test", of different persons. Features: `video` [F, S, S, 3]; `id`, unique
    over both splits; `person`, a number unique over both splits; `expression`, an index into
    `EXPRESSIONS`; `strength` and `apex` as from `sample_motion`; every column of `APPEARANCE`,
    which a clip has once, and every column of `GEOMETRY`, which it has for each frame.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}
    BUILDER_CONFIGS = [HeadsClipsConfig(side=side) for side in (64, 32)]
    DEFAULT_BUILDER_CONFIG_NAME = "side64_frames16"

    def __init__(self, *, config: str | HeadsClipsConfig | None = None, **options):
        """Takes any side and length, as `HeadsClipsConfig(side=48)` or as "side48_frames16".

        Args:
            config: the configuration or its name; "side64_frames16" when absent.
            **options: `data_dir` and the other arguments of `tfds.core.GeneratorBasedBuilder`.
        """
        form = r"side(\d+)_frames(\d+)(?:_sway([\d.]+))?"
        named = re.fullmatch(form, config) if isinstance(config, str) else None
        if named:
            side, frames, sway = int(named[1]), int(named[2]), float(named[3] or 1)
            config = HeadsClipsConfig(side=side, frames=frames, sway=sway)
        # A listed configuration may be given to TFDS by its name only.
        listed = [known.name for known in self.BUILDER_CONFIGS if known == config]
        super().__init__(config=listed[0] if listed else config, **options)

    def _info(self) -> tfds.core.DatasetInfo:
        side, frames = self.builder_config.side, self.builder_config.frames
        columns = {
            name: np.float32 if size == 1 else tfds.features.Tensor(shape=(size,), dtype=np.float32)
            for name, size in APPEARANCE.items()
        }
        for name in GEOMETRY:
            columns[name] = tfds.features.Tensor(shape=(frames,), dtype=np.float32)
        names = [expression.name for expression in EXPRESSIONS]
        video = tfds.features.Video(shape=(frames, side, side, 3), encoding_format="png")
        return tfds.core.DatasetInfo(
            builder=self,
            description="Ray-cast synthetic heads that perform one of six expressions.",
            features=tfds.features.FeaturesDict(
                {
                    "video": video,
                    "id": np.int64,
                    "person": np.int64,
                    "expression": tfds.features.ClassLabel(names=names),
                    "strength": np.float32,
                    "apex": np.int64,
                    **columns,
                }
            ),
            # Drawn in the order of the ids, so that the order of the records is the ids' too.
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager) -> dict[str, Iterator]:
        del dl_manager
        config = self.builder_config
        return {split: self._generate_examples(factors_of(split, config)) for split in _SEEDS}

    def _generate_examples(self, columns: dict[str, np.ndarray]) -> Iterator:
        for start in range(0, len(columns["id"]), CHUNK):
            chunk = {name: column[start : start + CHUNK] for name, column in columns.items()}
            clips = render_clips(chunk, chunk, self.builder_config.side)
            for index, clip in enumerate(clips):
                example = {name: column[index] for name, column in chunk.items()}
                # A light compression is four times faster and a tenth larger than TFDS's own.
                frames = [tf.io.encode_png(frame, compression=1).numpy() for frame in clip]
                yield int(example["id"]), example | {"video": [io.BytesIO(png) for png in frames]}


def factors_of(split: str, config: HeadsClipsConfig) -> dict[str, np.ndarray]:
    """Every column of a split but the clips themselves, in the order of the ids.

    Row by row come the repeats, the expressions and then the persons: more persons change no row.

    Args:
        split: "train" or "test".
        config: gives the numbers of persons, clips and frames.

    Returns:
        The columns of `APPEARANCE` ([N] or [N, size]), those of `GEOMETRY` ([N, F]), `strength`,
        `apex`, and `id`, `person`, `expression` (int64 [N]).

    Raises:
        InputError: there is no such split.
    """
    if split not in _SEEDS:
        raise InputError(f"heads_clips has no split {split!r}; it has {', '.join(_SEEDS)}")
    first, persons = (0, config.train) if split == "train" else (config.train, config.test)
    seed, each = _SEEDS[split], len(EXPRESSIONS) * config.repeats
    rows = np.arange(persons * each)
    expression = rows // config.repeats % len(EXPRESSIONS)
    person = heads.sample_appearance(persons, seed)
    person["width"] = heads.sample_geometry(persons, seed)["width"]
    columns = {name: np.repeat(column, each, axis=0) for name, column in person.items()}
    columns["width"] = np.repeat(columns["width"][:, None], config.frames, axis=1)
    columns |= sample_motion(expression, config.frames, seed, config.sway)
    columns |= {"id": first * each + rows, "person": first + rows // each, "expression": expression}
    return columns


def clip_names(factors: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    """Names for people, such as "person7-anger-0", from `id`, `person` and `expression` [N]."""
    rows = zip(factors["id"], factors["person"], factors["expression"], strict=True)
    seen: dict[str, int] = {}
    names = []
    for _, person, expression in rows:
        name = f"person{person}-{EXPRESSIONS[expression].name}"
        seen[name] = seen.get(name, -1) + 1
        names.append(f"{name}-{seen[name]}")
    return tuple(names)
