"""The frames of one source of clips: which are taken, and where some are missing."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TypeAlias

import numpy as np

from dgn_tf.data.decoding import kind_and_line
from dgn_tf.data.sources.videos import Gap, Timed
from dgn_tf.data.sources.windows import resample

# Makes the image of a frame, uint8 [H, W, C].
Draw: TypeAlias = Callable[[], np.ndarray]


def chosen_frames(
    timed: Timed, fps: float, stride: int, gaps: list[str], times: list[float]
) -> Iterator[Draw | None]:
    """The frames that are taken, and a None wherever some are missing.

    Args:
        timed: what the file or folder holds.
        fps: frames a second, those nearest in time; 0 for the frames as they are.
        stride: every stride-th of these; it begins anew after a gap.
        gaps: to which is added why there are gaps.
        times: to which the seconds of every frame are added, before any is chosen.
    """
    ended = False

    # A broken file makes decoders raise nearly anything: each is named, none ends the work.
    def until_gap() -> Iterator[tuple[float, Draw]]:
        nonlocal ended
        try:
            for item in timed:
                if isinstance(item, Gap):
                    gaps.append(item)
                    return
                times.append(item[0])
                yield item
        except Exception as error:
            gaps.append(kind_and_line(error))
        ended = True

    while not ended:
        try:
            yield from islice(resample(until_gap(), fps), 0, None, stride)
        except ValueError as error:
            gaps.append(str(error))
        if not ended:
            yield None


def drawn_frames(
    timed: Timed, fps: float, stride: int, gaps: list[str], times: list[float]
) -> Iterator[np.ndarray | None]:
    """The images of `chosen_frames`, uint8 [H, W, C]; one that cannot be made is missing too."""
    for draw in chosen_frames(timed, fps, stride, gaps, times):
        image = None
        if draw is not None:
            try:
                image = draw()
            except Exception as error:
                gaps.append(kind_and_line(error))
        yield image
