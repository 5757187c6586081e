"""Windows: how sources of any length become clips of as many frames each."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

_log = logging.getLogger(__name__)

Frame = TypeVar("Frame")
# Time stamps are rounded, to milliseconds in some files.
_TOLERANCE = 1e-6
# Above a source's own rate by this factor, frames are repeated beyond what rounded rates explain.
_ROUNDED = 1.02
# Seconds that a frame may last, more than a GIF can say.
_LONGEST = 700.0


def name_of(source: str, number: int) -> str:
    """The name of window `number`, from 0, of a source: "a/b.mp4#003"."""
    return f"{source}#{number:03d}"


def resample(timed: Iterable[tuple[float, Frame]], fps: float) -> Iterator[Frame]:
    """The frame nearest to each multiple of 1 / fps seconds, counted from the first frame.

    Frames are dropped where the source has more a second than `fps`, and repeated where it has
    fewer; the last one lasts half as long as the one before it.

    Args:
        timed: (seconds, frame), in the order of time.
        fps: frames a second wanted; 0 gives the frames as they are.

    Raises:
        ValueError: a frame lasts longer than 700 seconds, as no video has it.
    """
    if not fps:
        yield from (frame for _, frame in timed)
        return
    start, previous, gap, made = 0.0, None, 0.0, 0
    for time, frame in timed:
        if previous is None:
            start = time
        else:
            last, shown = previous
            gap = time - last
            if not gap <= _LONGEST:
                raise ValueError(f"a time stamp is damaged: a frame lasts {gap:.0f} seconds")
            while made / fps <= (last + time) / 2 - start + _TOLERANCE:
                yield shown
                made += 1
        previous = time, frame
    if previous is not None:
        last, shown = previous
        while made / fps <= last + gap / 2 - start + _TOLERANCE:
            yield shown
            made += 1


def own_rate(times: list[float]) -> float:
    """Frames a second of frames at these seconds, rising; 0 where they do not tell it."""
    span = times[-1] - times[0] if times else 0.0
    return (len(times) - 1) / span if span > 0 else 0.0


def slower_rate(times: list[float], fps: float) -> float:
    """The frames a second of a source, where `fps` asks for more and so repeats them; else 0.

    Args:
        times: seconds of the source's own frames, rising.
        fps: frames a second wanted; 0 for the frames as they are.
    """
    rate = own_rate(times)
    return rate if fps > _ROUNDED * rate else 0.0


def tell_slower(name: str, fps: float, slower: Sequence[tuple[str, float]], count: int = 1) -> None:
    """Warns that frames are repeated.

    Args:
        name: of what is read, for the message.
        fps: frames a second wanted.
        slower: sources, each with its own frames a second, where `slower_rate` gives them.
        count: how many sources there are.
    """
    if slower:
        first, rate = slower[0]
        more = f" (as have {len(slower)} of {count} sources)" if count > 1 else ""
        told = "%s: `fps=%g` repeats frames: %s has fewer a second of its own, %.4g%s"
        _log.warning(told, name, fps, first, rate, more)


def cut(sequence: Iterable[Frame | None], frames: int) -> Iterator[list[Frame]]:
    """Windows of `frames` frames, one after the other; none goes over a gap, which is a None.

    What is left before a gap and at the end is dropped.
    """
    window: list[Frame] = []
    for frame in sequence:
        if frame is None:
            window = []
            continue
        window.append(frame)
        if len(window) == frames:
            yield window
            window = []
