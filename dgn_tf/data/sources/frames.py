"""The frames of one source of clips: which are taken, where some are missing, what to tell."""

import dataclasses
import functools
import logging
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import numpy as np

from dgn_tf.data.decoding import kind_and_line
from dgn_tf.data.sources.folders import tell_ignored
from dgn_tf.data.sources.openers import Opener, open_folder
from dgn_tf.data.sources.videos import Gap
from dgn_tf.data.sources.windows import resample, slower_rate, tell_slower

_log = logging.getLogger(__name__)

# Makes the image of a frame, uint8 [H, W, C].
Draw: TypeAlias = Callable[[], np.ndarray]


@dataclasses.dataclass
class Seen:
    """What was seen of the frames of a source.

    Attributes:
        gaps: why frames are missing.
        times: the seconds of every frame, before any is chosen.
        ignored: frames of a folder whose metadata could not be read, as "FILE (reason)".
        unclear: the first frame of a folder whose numbers do not tell whether some are missing.
    """

    gaps: list[str] = dataclasses.field(default_factory=list)
    times: list[float] = dataclasses.field(default_factory=list)
    ignored: list[str] = dataclasses.field(default_factory=list)
    unclear: list[str] = dataclasses.field(default_factory=list)


def chosen_frames(
    source: Path, opener: Opener, side: int, channels: int, fps: float, stride: int, seen: Seen
) -> Iterator[Draw | None]:
    """The frames that are taken of a source, and a None wherever some are missing.

    Args:
        source: a file or a folder of frames.
        opener: what reads it.
        side: of the squares that are drawn, in pixels; 0 for whole frames.
        channels: 1 or 3.
        fps: frames a second, those nearest in time; 0 for the frames as they are.
        stride: every stride-th of these; it begins anew after a gap.
        seen: what is seen on the way is added to it.
    """
    if opener is open_folder:
        opener = functools.partial(open_folder, ignored=seen.ignored, unclear=seen.unclear)
    timed = opener(source, side, channels)
    ended = False

    # A broken file makes decoders raise nearly anything: each is named, none ends the work.
    def until_gap() -> Iterator[tuple[float, Draw]]:
        nonlocal ended
        try:
            for item in timed:
                if isinstance(item, Gap):
                    seen.gaps.append(item)
                    return
                seen.times.append(item[0])
                yield item
        except Exception as error:
            seen.gaps.append(kind_and_line(error))
        ended = True

    while not ended:
        try:
            yield from islice(resample(until_gap(), fps), 0, None, stride)
        except ValueError as error:
            seen.gaps.append(str(error))
        if not ended:
            yield None


def drawn_frames(
    source: Path, opener: Opener, side: int, channels: int, fps: float, stride: int, seen: Seen
) -> Iterator[np.ndarray | None]:
    """The images of `chosen_frames`; one that cannot be made is missing too.

    Yields:
        uint8 [side, side, channels], or with side 0 [H, W, channels].
    """
    for draw in chosen_frames(source, opener, side, channels, fps, stride, seen):
        image = None
        if draw is not None:
            try:
                image = draw()
            except Exception as error:
                seen.gaps.append(kind_and_line(error))
        yield image


class Notes:
    """What is told of all sources under a path, once they are read.

    Args:
        path: where the sources are, for the messages.
        fps: frames a second that were asked for; 0 for those that there are.
    """

    def __init__(self, path: str, fps: float):
        self._path, self._fps, self._count = f"clips {path}", fps, 0
        self._ignored: list[str] = []
        self._unclear: list[str] = []
        self._slower: list[tuple[str, float]] = []

    def add(self, name: str, seen: Seen) -> None:
        """Keep what is to be told of a source."""
        self._count += 1
        self._ignored += _under(name, seen.ignored)
        self._unclear += _under(name, seen.unclear)
        slower = slower_rate(seen.times, self._fps)
        if slower:
            self._slower.append((name, slower))

    def tell(self) -> None:
        """Log it as warnings."""
        tell_ignored(self._path, self._ignored)
        if self._unclear:
            _log.warning(
                "%s: the numbers of frames do not tell whether some are missing, and all are "
                "taken as consecutive (folders: %d; the first is of %s)",
                self._path,
                len(self._unclear),
                self._unclear[0],
            )
        tell_slower(self._path, self._fps, self._slower, self._count)


def _under(name: str, frames: Sequence[str]) -> list[str]:
    return [f"{name}/{frame}" for frame in frames]
