"""The frames of one video from its first to its last, to be painted again in the same time."""

import logging
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np

from dgn_tf.config.drive import FASTEST
from dgn_tf.data.decoding import kind_and_line
from dgn_tf.data.sources.openers import opener_of
from dgn_tf.data.sources.videos import Gap
from dgn_tf.data.sources.windows import own_rate, resample, slower_rate, tell_slower
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import user_path

_log = logging.getLogger(__name__)

# Of a single frame, and of one that says nothing of time.
RATE = 25.0


class Film(NamedTuple):
    """A video as images.

    Attributes:
        frames: uint8 [T, S, S, C].
        rate: frames a second.
    """

    frames: np.ndarray
    rate: float


def read_frames(
    path: str, side: int, channels: int, fps: float = 0.0, limit: int = 0, again: bool = False
) -> Iterator[tuple[float, np.ndarray]]:
    """The frames of a video or an animation, one after the other.

    Frames that cannot be decoded are left out, and frames are repeated where `fps` is more than the
    file has: a warning tells each.

    Args:
        path: a video in a format that FFmpeg reads, or an animated GIF, WebP, PNG or AVIF.
        side: of the center squares in pixels; 0 for whole frames at their own size.
        channels: 1 or 3.
        fps: frames a second, those nearest in time; 0 for the frames as they are.
        limit: as many at most; 0 for all.
        again: whether they were read before, and what is damaged was told.

    Yields:
        Seconds, and uint8 [side, side, channels] or [H, W, channels].

    Raises:
        InputError: the file is no video, has no frame that can be read, or needs PyAV, which is not
            installed.
    """
    file = user_path(path)
    opener = opener_of(file) if file.is_file() else None
    if opener is None:
        raise InputError(f"{path}: is not a video, nor an animated GIF, WebP, PNG or AVIF.")
    damage: list[str] = []
    times: list[float] = []
    found = False
    for frame in islice(_drawn(opener(file, side, channels), fps, damage, times), limit or None):
        found = True
        yield frame
    if not found:
        raise InputError(f"{path}: no frame can be read: {damage[0] if damage else 'it has none'}.")
    if damage and not again:
        _log.warning("%s: frames that cannot be read are left out: %s", path, damage[0])
    slower = slower_rate(times, fps)
    if slower and not again:
        tell_slower(path, fps, [("it", slower)])


def _drawn(
    timed: Iterator, fps: float, damage: list[str], times: list[float]
) -> Iterator[tuple[float, np.ndarray]]:
    """The frames that can be read.

    To `damage` is added why others cannot, to `times` the seconds of each before `fps` chooses.
    """

    def readable() -> Iterator[tuple[float, Callable[[], np.ndarray]]]:
        # A broken file makes decoders raise nearly anything.
        try:
            for item in timed:
                if isinstance(item, Gap):
                    damage.append(item)
                else:
                    times.append(item[0])
                    yield item
        except ImportError as error:
            raise InputError(
                f'reading videos needs PyAV ({error}): pip install "dgn_tf[video]".'
            ) from None
        except Exception as error:
            damage.append(kind_and_line(error))

    def chosen() -> Iterator[tuple[float, Callable[[], np.ndarray]]]:
        if not fps:
            yield from readable()
            return
        try:
            for number, draw in enumerate(resample(readable(), fps)):
                yield number / fps, draw
        except ValueError as error:
            damage.append(str(error))

    for seconds, draw in chosen():
        try:
            image = draw()
        except Exception as error:
            damage.append(kind_and_line(error))
            continue
        yield seconds, image


def rate_of(seconds: list[float], fps: float = 0.0) -> float:
    """Frames a second of frames at these times, from 1 to 100; `fps` where that is given."""
    return min(max(fps or own_rate(seconds) or RATE, 1.0), FASTEST)


def load_film(
    path: str, side: int, channels: int, fps: float = 0.0, limit: int = 0, again: bool = False
) -> Film:
    """The center squares of a video; arguments and errors as of `read_frames`."""
    seconds, frames = zip(*read_frames(path, side, channels, fps, limit, again), strict=True)
    return Film(np.stack(frames), rate_of(list(seconds), fps))
