"""The source `clips`: video files and folders of frames."""

import itertools
import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dgn_tf.config import DataConfig
from dgn_tf.data.examples import Examples, stable_id
from dgn_tf.data.sources.frames import Notes, Seen, drawn_frames
from dgn_tf.data.sources.openers import Opener, find_sources, holds_videos, open_folder
from dgn_tf.data.sources.source import Source
from dgn_tf.data.sources.videos import open_video
from dgn_tf.data.sources.walking import printable
from dgn_tf.data.sources.windows import cut, name_of
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import user_path
from dgn_tf.utils.progress import Progress

_log = logging.getLogger(__name__)


class Read(NamedTuple):
    """What a source gives.

    Attributes:
        clips: uint8 [n, F, S, S, C], or None if n is 0.
        reason: why there are none, or why some are missing; empty if all is well.
        seen: what else is to be told of its frames.
    """

    clips: np.ndarray | None
    reason: str
    seen: Seen


def load_clips(data: DataConfig, path: str, progress: Progress | None = None) -> Examples:
    """Cuts videos into clips of `data.frames` frames that follow each other without overlap.

    A source is a file (a video in a format that FFmpeg reads, an animated GIF, WebP, PNG or AVIF)
    or a folder of images, which are its frames in the order of their names (2 before 10). Under a
    folder, sources are looked for at any depth, by suffix or else by content; hidden ones are
    skipped. Images that lie beside videos are no frames. Frames become squares as `square` says,
    upright, mirrored and stretched where a file asks for it.

    A source that breaks gives the clips that are whole. What breaks, and what gives no clip or is
    passed over, is told in warnings.

    Args:
        data: side, channels, limit on the clips, and which frames: `fps` takes as many a second,
            those nearest in time, then `stride` every stride-th of them.
        path: a folder, or one video file.
        progress: called with (sources done, sources in all) now and then.

    Returns:
        Clips [N, F, S, S, C], named "a/b.mp4#003": the relative path and the number of the window.
        An id is the first 63 bits of the SHA-256 of the name.

    Raises:
        InputError: there is no source or none gives a clip, a folder cannot be read, `fps` is asked
            of folders of frames, which state no rate, or PyAV is needed and not installed.
    """
    root, sources = find_sources(path)
    check_sources(path, sources, data.fps)
    clips: list[np.ndarray] = []
    names: list[str] = []
    empty: list[str] = []
    broken: list[str] = []
    notes = Notes(path, data.fps)
    done = 0
    for source, found in _results(root, sources, data):
        # A folder of frames that is itself what was named has no relative path.
        name = printable(root.resolve().name if source == "." else source)
        done += 1
        if found.clips is None:
            empty.append(f"{name} ({found.reason})")
        else:
            clips.append(found.clips)
            names += [name_of(name, number) for number in range(len(found.clips))]
            if found.reason:
                broken.append(f"{name} ({len(found.clips)} clips are whole; {found.reason})")
        notes.add(name, found.seen)
        if progress:
            progress(done, len(sources))
        if 0 < data.limit <= len(names):
            break
    # These may not be all the sources that there are.
    if len(empty) == done:
        raise InputError(
            f"clips {path}: none of its {done} sources gives a clip; the first is {empty[0]}"
        )
    for listed, what in ((empty, "left out"), (broken, "damaged, and give only some clips")):
        if listed:
            summary = f"{len(listed)} of {done} sources are {what}"
            _log.warning("clips %s: %s:\n  %s", path, summary, "\n  ".join(listed))
    notes.tell()
    names = names[: data.limit or None]
    ids = np.array([stable_id(name.encode()) for name in names], np.int64)
    return Examples(np.concatenate(clips)[: len(names)], ids, tuple(names))


def _results(
    root: Path, sources: dict[str, Opener], data: DataConfig
) -> Iterator[tuple[str, Read]]:
    """Each source with what `_read` makes of it, read a few ahead in threads."""
    cores, names = os.cpu_count() or 1, list(sources)

    def read(source: str) -> Read:
        return _read(root / source, sources[source], data)

    with ThreadPoolExecutor(max_workers=cores) as pool:
        for first in range(0, len(names), 2 * cores):
            chunk = names[first : first + 2 * cores]
            yield from zip(chunk, pool.map(read, chunk), strict=True)


def check_sources(
    path: str, sources: dict[str, Opener], fps: float, otherwise: str = "use `stride`"
) -> None:
    """Refuses what is known to fail before anything is decoded.

    Args:
        path: where they were looked for, for the message.
        sources: those of `find_sources`.
        fps: frames a second to take; 0 for those that there are.
        otherwise: what to do about folders of frames where `fps` is given, for the message.

    Raises:
        InputError: `fps` is asked of folders of frames, which state no rate, or PyAV is needed and
            not installed.
    """
    still = next((source for source, opener in sources.items() if opener is open_folder), None)
    if fps and still is not None:
        raise InputError(
            f"clips {path}: `fps={fps:g}` needs videos, and {printable(still)} is a "
            f"folder of frames, which states no rate: {otherwise}"
        )
    video = next((source for source, opener in sources.items() if opener is open_video), None)
    if video is not None:
        try:
            import av  # noqa: F401
        except ImportError:
            raise InputError(
                f'clips {path}: reading {printable(video)} needs PyAV: pip install "dgn_tf[video]"'
            ) from None


def _read(source: Path, opener: Opener, data: DataConfig) -> Read:
    """The clips of a source, at most `data.limit`."""
    seen = Seen()
    frames = drawn_frames(source, opener, data.side, data.channels, data.fps, data.stride, seen)
    windows = itertools.islice(cut(frames, data.frames), data.limit or None)
    clips = [np.stack(window) for window in windows]
    reason = seen.gaps[0] if seen.gaps else ""
    if len(seen.gaps) > 1:
        reason += f", and {len(seen.gaps) - 1} more"
    if clips:
        return Read(np.stack(clips), reason, seen)
    return Read(None, reason or f"has fewer than {data.frames} frames{_thinned(data)}", seen)


def _thinned(data: DataConfig) -> str:
    """Says how frames were chosen, if not all were taken."""
    ways = [f"{data.fps:g} frames a second"] * bool(data.fps)
    ways += [f"a stride of {data.stride}"] * (data.stride > 1)
    return f" at {' and '.join(ways)}" if ways else ""


CLIPS = Source(
    kind="clips",
    form="clips:PATH",
    example="clips:videos",
    load=load_clips,
    clips=True,
    timing=("stride", "fps"),
    claims=holds_videos,
    paths=lambda path: [user_path(path)],
    table="labels",
)
