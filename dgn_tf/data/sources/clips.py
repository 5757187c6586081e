"""The source `clips`: video files and folders of frames."""

import functools
import itertools
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from absl import logging
from PIL import Image, ImageSequence

from dgn_tf.config import DataConfig
from dgn_tf.data.examples import Examples, stable_id
from dgn_tf.data.sources.folders import SUFFIXES as IMAGES
from dgn_tf.data.sources.folders import printable, read_square, walk
from dgn_tf.data.sources.source import Source
from dgn_tf.data.sources.windows import cut, name_of, resample
from dgn_tf.data.squares import square
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import user_path
from dgn_tf.utils.progress import Progress

VIDEOS = (".mp4", ".avi", ".mov", ".webm")
SUFFIXES = (*VIDEOS, ".gif")
# Where Pillow refuses an image as a decompression bomb.
MOST_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 89_478_485)
_FRAMES = tuple(suffix for suffix in IMAGES if suffix != ".gif")
# What browsers take for a GIF that says zero.
_GIF_SECONDS = 0.1

# Seconds from the start, and what makes the square image, uint8 [side, side, channels].
Timed = Iterator[tuple[float, Callable[[], np.ndarray]]]


def load_clips(data: DataConfig, path: str, progress: Progress | None = None) -> Examples:
    """Cuts videos into clips of `data.frames` frames that follow each other without overlap.

    A source is a file (MP4, AVI, MOV, WebM, GIF) or a folder of images, which are its frames in
    the order of their names (2 before 10). Under a folder, sources are looked for at any depth;
    hidden ones are skipped. Frames become squares as `square` says, upright where a file asks for
    a rotation. Sources that cannot be read or are too short are left out, named together in one
    warning.

    Args:
        data: side, channels, limit on the clips, and which frames: `fps` takes as many a second,
            those nearest in time, then `stride` every stride-th of them.
        path: a folder, or one video file.
        progress: called with (sources done, sources in all) now and then.

    Returns:
        Clips [N, F, S, S, C], named "a/b.mp4#003": the relative path and the number of the window.
        An id is the first 63 bits of the SHA-256 of the name.

    Raises:
        InputError: there is no source or none gives a clip, `fps` is asked of folders of frames,
            which state no rate, or PyAV is needed and not installed.
    """
    root, sources = _find(path)
    _check(path, root, sources, data.fps)
    clips: list[np.ndarray] = []
    names: list[str] = []
    left_out: list[str] = []
    done = 0
    for source, result in _results(root, sources, data):
        # A folder of frames that is itself what was named has no relative path.
        name = printable(root.resolve().name if source == "." else source)
        done += 1
        if isinstance(result, str):
            left_out.append(f"{name} ({result})")
        else:
            clips.append(result)
            names += [name_of(name, number) for number in range(len(result))]
        if progress:
            progress(done, len(sources))
        if 0 < data.limit <= len(names):
            break
    _tell(path, left_out, done)
    names = names[: data.limit or None]
    ids = np.array([stable_id(name.encode()) for name in names], np.int64)
    return Examples(np.concatenate(clips)[: len(names)], ids, tuple(names))


def _tell(path: str, left_out: list[str], done: int) -> None:
    """Warns of the sources that give no clip; they may not be all there are."""
    if len(left_out) == done:
        raise InputError(
            f"clips {path}: none of its {done} sources gives a clip; the first is {left_out[0]}"
        )
    if left_out:
        summary = f"{len(left_out)} of {done} sources are left out"
        logging.warning("clips %s: %s:\n  %s", path, summary, "\n  ".join(left_out))


def _results(
    root: Path, sources: list[str], data: DataConfig
) -> Iterator[tuple[str, np.ndarray | str]]:
    """Each source with what `_read` makes of it, read a few ahead in threads."""
    cores = os.cpu_count() or 1
    with ThreadPoolExecutor(max_workers=cores) as pool:
        for first in range(0, len(sources), 2 * cores):
            chunk = sources[first : first + 2 * cores]
            paths = [root / source for source in chunk]
            yield from zip(chunk, pool.map(lambda path: _read(path, data), paths), strict=True)


def _find(path: str) -> tuple[Path, list[str]]:
    """The folder, and the sources in it as sorted relative POSIX paths."""
    root = user_path(path)
    known = f"{', '.join(SUFFIXES)} or a folder of images"
    if not root.exists():
        raise InputError(f"clips {path}: does not exist")
    if not root.is_dir():
        if not root.name.lower().endswith(SUFFIXES):
            raise InputError(f"clips {path}: is none of {known}")
        return root.parent, [root.name]
    found: list[str] = []
    ours: list[str] = []
    for folder, files in walk(root, ours):
        inside = Path(folder).relative_to(root)
        found += [(inside / n).as_posix() for n in files if n.lower().endswith(SUFFIXES)]
        if any(name.lower().endswith(_FRAMES) for name in files):
            found.append(inside.as_posix())
    if not found:
        but = f" but {len(ours)} files that this program wrote" if ours else ""
        raise InputError(f"clips {path}: holds no video ({known}){but}")
    if ours:
        logging.warning("clips %s: passed over %d files that this program wrote.", path, len(ours))
    return root, sorted(found)


def _check(path: str, root: Path, sources: list[str], fps: float) -> None:
    """Refuses what is known to fail before anything is decoded."""
    still = next((source for source in sources if (root / source).is_dir()), None)
    if fps and still is not None:
        raise InputError(
            f"clips {path}: `fps={fps:g}` needs videos, and {printable(still)} is a "
            "folder of frames, which states no rate: use `stride`"
        )
    video = next((source for source in sources if source.lower().endswith(VIDEOS)), None)
    if video is not None:
        try:
            import av  # noqa: F401
        except ImportError:
            raise InputError(
                f'clips {path}: reading {printable(video)} needs PyAV: pip install "dgn_tf[video]"'
            ) from None


def _read(source: Path, data: DataConfig) -> np.ndarray | str:
    """The clips [n, F, S, S, C] of a source, n <= `data.limit`, or in words why it has none."""
    # A broken file makes decoders raise nearly anything: each is named, none ends the run.
    try:
        timed = _open(source, data.side, data.channels)
        chosen = itertools.islice(resample(timed, data.fps), 0, None, data.stride)
        squares = (draw() for draw in chosen)
        wanted = itertools.islice(cut(squares, data.frames), data.limit or None)
        clips = [np.stack(clip) for clip in wanted]
    except Exception as error:
        return f"{type(error).__name__}: {error}".replace(str(source.parent) + os.sep, "")
    return np.stack(clips) if clips else f"has fewer than {data.frames} frames{_thinned(data)}"


def _thinned(data: DataConfig) -> str:
    """Says how frames were chosen, if not all were taken."""
    ways = [f"{data.fps:g} frames a second"] * bool(data.fps)
    ways += [f"a stride of {data.stride}"] * (data.stride > 1)
    return f" at {' and '.join(ways)}" if ways else ""


def _open(source: Path, side: int, channels: int) -> Timed:
    """The frames of a source."""
    if source.is_dir():
        return _open_folder(source, side, channels)
    if source.suffix.lower() == ".gif":
        return _open_gif(source, side, channels)
    return _open_video(source, side, channels)


def _open_folder(source: Path, side: int, channels: int) -> Timed:
    files = [
        file
        for file in source.iterdir()
        if not file.name.startswith(".") and file.name.lower().endswith(_FRAMES)
    ]
    for file in sorted(files, key=_by_numbers):
        yield 0.0, functools.partial(read_square, file, side, channels)


def _by_numbers(file: Path) -> tuple[list, str]:
    """A key of the sorting that puts frame2 before frame10; the name settles ties."""
    parts = re.split(r"([0-9]+)", file.name)
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], file.name


def _open_gif(source: Path, side: int, channels: int) -> Timed:
    with Image.open(source, formats=("GIF",)) as image:
        seconds = 0.0
        for frame in ImageSequence.Iterator(image):
            yield seconds, functools.partial(square, frame.copy(), side, channels)
            seconds += frame.info.get("duration", 0) / 1000 or _GIF_SECONDS


def _open_video(source: Path, side: int, channels: int) -> Timed:
    import av

    with av.open(str(source)) as container:
        if not container.streams.video:
            raise ValueError("holds no images")
        stream = container.streams.video[0]
        _require_size(stream.width, stream.height)
        stream.thread_type = "AUTO"
        length = 1 / float(stream.average_rate or 25)
        seconds = -length
        for frame in container.decode(stream):
            # Some files leave time stamps out.
            seconds = seconds + length if frame.time is None else frame.time
            yield seconds, functools.partial(_upright, frame, side, channels)


def _require_size(width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        raise ValueError(
            f"frames of {width} x {height} are more than {MOST_PIXELS / 1e6:.0f} megapixels"
        )


def _upright(frame, side: int, channels: int) -> np.ndarray:
    """The square image of a decoded frame, turned as a telephone's video asks for."""
    # Some formats change it on the way.
    _require_size(frame.width, frame.height)
    image = frame.to_image()
    if frame.rotation:
        image = image.rotate(frame.rotation, expand=True)
    return square(image, side, channels)


def _holds_videos(path: str) -> bool:
    root = user_path(path)
    if root.is_file():
        return root.name.lower().endswith(SUFFIXES)
    return any(name.lower().endswith(VIDEOS) for _, files in walk(root) for name in files)


CLIPS = Source(
    kind="clips",
    form="clips:PATH",
    example="clips:videos",
    load=load_clips,
    clips=True,
    timing=("stride", "fps"),
    claims=_holds_videos,
    paths=lambda path: [user_path(path)],
    table="labels",
)
