"""The sources `heads`, `heads_clips` and `steady_clips`: synthetic heads, drawn at first use."""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence

from google.protobuf.json_format import ParseError

from dgn_tf.config import DataConfig
from dgn_tf.data.examples import Examples
from dgn_tf.data.sources.source import Source
from dgn_tf.data.synthetic.motion import MOVED, SWAY
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.progress import Progress
from dgn_tf.utils.quiet import quiet_logs


def _load_heads(data: DataConfig, rest: str, progress: Progress | None) -> Examples:
    """Heads of a split, "train" by default, with all their factors and landmarks."""
    split = _known_split(data.data, rest or "train", ("train", "test", "views"))
    # TensorFlow Datasets takes seconds to import: only once data are read.
    from dgn_tf.data.sources.builders import read_builder
    from dgn_tf.data.synthetic.heads import Heads, HeadsConfig

    with quiet_logs():
        with _told_if_damaged("heads", data.data_dir):
            builder = Heads(config=HeadsConfig(side=data.side), data_dir=data.data_dir or None)
        images, tfds_ids, factors = read_builder(builder, split, "image", data, progress)
    ids = factors.pop("id")
    return Examples(images, ids, tuple(name.decode() for name in tfds_ids), factors)


def _load_heads_clips(data: DataConfig, rest: str, progress: Progress | None) -> Examples:
    """Clips of heads with expressions, of a split, "train" by default, with all their factors."""
    return _load_clips(data, rest, progress, steady=False)


def _load_steady_clips(data: DataConfig, rest: str, progress: Progress | None) -> Examples:
    """The same clips of heads that hardly move."""
    return _load_clips(data, rest, progress, steady=True)


def _load_clips(data: DataConfig, rest: str, progress: Progress | None, steady: bool) -> Examples:
    split = _known_split(data.data, rest or "train", ("train", "test"))
    from dgn_tf.data.sources.builders import read_builder
    from dgn_tf.data.synthetic.heads_clips import STEADY, HeadsClips, HeadsClipsConfig, clip_names

    with quiet_logs():
        with _told_if_damaged("heads_clips", data.data_dir):
            sway = STEADY if steady else 1.0
            config = HeadsClipsConfig(side=data.side, frames=data.frames, sway=sway)
            builder = HeadsClips(config=config, data_dir=data.data_dir or None)
        clips, _, factors = read_builder(builder, split, "video", data, progress)
    names = clip_names(factors)
    ids = factors.pop("id")
    return Examples(clips, ids, names, factors)


def _known_split(spec: str, split: str, known: Sequence[str]) -> str:
    """`split`; an unknown one is refused before heads are drawn, which takes a while."""
    for part in split.split("+"):
        if part.partition("[")[0].strip() not in known:
            raise InputError(f"{spec}: no split {split!r}; it has {', '.join(known)}")
    return split


@contextlib.contextmanager
def _told_if_damaged(kind: str, data_dir: str) -> Iterator[None]:
    """Builders read what an earlier run prepared."""
    try:
        yield
    except ParseError as error:
        from dgn_tf.data.sources.builders import damaged

        raise InputError(f"{kind}: {damaged(error, data_dir)}") from error


HEADS = Source(
    kind="heads",
    form="heads[:SPLIT]",
    example="heads:test",
    load=_load_heads,
    images=True,
    alone=True,
    drawn=True,
    held_out="heads:test",
    landmarks=True,
)
HEADS_CLIPS = Source(
    kind="heads_clips",
    form="heads_clips[:SPLIT]",
    example="heads_clips:test",
    load=_load_heads_clips,
    clips=True,
    alone=True,
    refusal="is drawn frame by frame: leave out `stride` and `fps`",
    drawn=True,
    held_out="heads_clips:test",
    moving=("width", *SWAY, *MOVED),
)
# Heads whose expressions are not drowned by the sway of the head.
STEADY_CLIPS = dataclasses.replace(
    HEADS_CLIPS,
    kind="steady_clips",
    form="steady_clips[:SPLIT]",
    example="steady_clips:test",
    load=_load_steady_clips,
    held_out="steady_clips:test",
)
