"""The source `clips`: video files and folders of frames."""

import functools
import itertools
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np

from dgn_tf.config import DataConfig
from dgn_tf.data.decoding import first_line
from dgn_tf.data.examples import Examples, stable_id
from dgn_tf.data.kinds import HEAD, is_animated, kind_by_content, suffix_of
from dgn_tf.data.sources.folders import read_square, tell_ignored
from dgn_tf.data.sources.numbering import missing_before
from dgn_tf.data.sources.source import Source
from dgn_tf.data.sources.videos import Gap, Timed, open_animation, open_video
from dgn_tf.data.sources.walking import kind_of, left_out, natural, printable, tell_left_out, walk
from dgn_tf.data.sources.windows import cut, name_of, resample, slower_rate
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import user_path
from dgn_tf.utils.painted import is_painted
from dgn_tf.utils.progress import Progress
from dgn_tf.utils.reading import open_regular
from dgn_tf.utils.words import counted

_log = logging.getLogger(__name__)

# A PNG says in front of its pixels that it moves, perhaps behind a color profile.
_SEARCHED = 4096
_NAMED = 10
_KNOWN = "a video, an animated GIF, WebP, PNG or AVIF, or a folder of images"


Opener: TypeAlias = Callable[[Path, int, int], Timed]


class Read(NamedTuple):
    """What a source gives.

    Attributes:
        clips: uint8 [n, F, S, S, C], or None if n is 0.
        reason: why there are none, or why some are missing; empty if all is well.
        ignored: frames of a folder whose metadata could not be read, as "FILE (reason)".
        unclear: the first frame of a folder whose numbers do not tell whether some are missing.
        slower: frames a second of its own where `fps` asks for more; else 0.
    """

    clips: np.ndarray | None
    reason: str = ""
    ignored: tuple[str, ...] = ()
    unclear: tuple[str, ...] = ()
    slower: float = 0.0


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
    root, sources = _find(path)
    _check(path, sources, data.fps)
    clips: list[np.ndarray] = []
    names: list[str] = []
    empty: list[str] = []
    broken: list[str] = []
    ignored: list[str] = []
    unclear: list[str] = []
    slower: list[str] = []
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
        ignored += [f"{name}/{frame}" for frame in found.ignored]
        unclear += [f"{name}/{frame}" for frame in found.unclear]
        if found.slower:
            slower.append(f"{name} ({found.slower:.4g})")
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
    tell_ignored(f"clips {path}", ignored)
    if unclear:
        _log.warning(
            "clips %s: the numbers of frames do not tell whether some are missing, and all are "
            "taken as consecutive (folders: %d; the first is of %s)",
            path,
            len(unclear),
            unclear[0],
        )
    if slower:
        _log.warning(
            "clips %s: `fps=%g` is more than %d of %d sources have, and repeats their frames; the "
            "first, with its own frames a second, is %s",
            path,
            data.fps,
            len(slower),
            done,
            slower[0],
        )
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


def _find(path: str) -> tuple[Path, dict[str, Opener]]:
    """The folder, and the sources in it by sorted relative POSIX path."""
    root = user_path(path)
    if not root.exists():
        raise InputError(f"clips {path}: does not exist")
    if not root.is_dir():
        opener = opener_of(root)
        if opener is None:
            raise InputError(f"clips {path}: is not {_KNOWN}")
        return root.parent, {root.name: opener}
    found: dict[str, Opener] = {}
    beside: list[str] = []
    others: list[str] = []
    ours: list[str] = []
    for folder, files in walk(root, ours):
        inside = Path(folder).relative_to(root)
        openers = {name: opener_of(Path(folder, name)) for name in files}
        moving = {(inside / n).as_posix(): opener for n, opener in openers.items() if opener}
        still = [n for n, opener in openers.items() if not opener]
        frames = [name for name in still if kind_of(Path(folder, name)) == "image"]
        others += [(inside / name).as_posix() for name in still if name not in frames]
        if moving:
            found |= moving
            beside += [(inside / name).as_posix() for name in frames]
        elif frames:
            found[inside.as_posix()] = _open_folder
    if not found:
        holds = f"; it holds {left_out(others)}" if others else ""
        but = f" but {len(ours)} files that this program wrote" if ours else ""
        raise InputError(f"clips {path}: holds no video ({_KNOWN}){but}{holds}")
    if ours:
        _log.warning("clips %s: passed over %d files that this program wrote.", path, len(ours))
    if beside:
        _log.warning(
            "clips %s: images beside videos are passed over (%d, the first is %s): frames of a "
            "clip need a folder of their own",
            path,
            len(beside),
            printable(sorted(beside)[0]),
        )
    tell_left_out(f"clips {path}", "videos or images", root, others)
    folders = [source for source, opener in found.items() if opener is _open_folder]
    if folders and len(folders) < len(found):
        _log.warning(
            "clips %s: beside videos, folders of images are clips too (%d, the first is %s): move "
            "them elsewhere if they hold no frames",
            path,
            len(folders),
            printable(sorted(folders)[0]),
        )
    return root, dict(sorted(found.items()))


def opener_of(file: Path) -> Opener | None:
    """What reads the frames of a video or animation; None for any other file."""
    kind = kind_of(file)
    if kind is None:
        return None
    try:
        with open_regular(file) as content:
            head = content.read(_SEARCHED)
    except OSError:
        # Named, with the reason, when it is read.
        head = b""
    # What a file holds goes before its suffix, which goes before nothing.
    kind = kind_by_content(file.name, head[:HEAD]) or kind
    if kind == "image":
        moves = is_animated(head) or suffix_of(file.name) == ".gif"
        return open_animation if moves else None
    return open_video


def _check(path: str, sources: dict[str, Opener], fps: float) -> None:
    """Refuses what is known to fail before anything is decoded."""
    still = next((source for source, opener in sources.items() if opener is _open_folder), None)
    if fps and still is not None:
        raise InputError(
            f"clips {path}: `fps={fps:g}` needs videos, and {printable(still)} is a "
            "folder of frames, which states no rate: use `stride`"
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
    gaps: list[str] = []
    ignored: list[str] = []
    unclear: list[str] = []
    if opener is _open_folder:
        opener = functools.partial(_open_folder, ignored=ignored, unclear=unclear)
    times: list[float] = []
    timed = opener(source, data.side, data.channels)
    windows = itertools.islice(_windows(timed, data, gaps, times), data.limit or None)
    clips = [np.stack(window) for window in windows]
    reason = gaps[0] if gaps else ""
    if len(gaps) > 1:
        reason += f", and {len(gaps) - 1} more"
    if clips:
        slower = slower_rate(times, data.fps)
        return Read(np.stack(clips), reason, tuple(ignored), tuple(unclear), slower)
    return Read(None, reason or f"has fewer than {data.frames} frames{_thinned(data)}")


def _windows(
    timed: Timed, data: DataConfig, gaps: list[str], times: list[float]
) -> Iterator[list[np.ndarray]]:
    """The windows of a source, none over a gap.

    To `gaps` is added why there are gaps, to `times` the seconds of every frame.
    """
    ended = False

    # A broken file makes decoders raise nearly anything: each is named, none ends the run.
    def until_gap() -> Iterator[tuple[float, Callable[[], np.ndarray]]]:
        nonlocal ended
        try:
            for item in timed:
                if isinstance(item, Gap):
                    gaps.append(item)
                    return
                times.append(item[0])
                yield item
        except Exception as error:
            gaps.append(f"{type(error).__name__}: {first_line(error)}")
        ended = True

    def drawn(chosen: Iterable[Callable[[], np.ndarray]]) -> Iterator[np.ndarray | None]:
        for draw in chosen:
            try:
                image = draw()
            except Exception as error:
                gaps.append(f"{type(error).__name__}: {first_line(error)}")
                image = None
            yield image

    while not ended:
        try:
            chosen = itertools.islice(resample(until_gap(), data.fps), 0, None, data.stride)
            yield from cut(drawn(chosen), data.frames)
        except ValueError as error:
            gaps.append(str(error))


def _thinned(data: DataConfig) -> str:
    """Says how frames were chosen, if not all were taken."""
    ways = [f"{data.fps:g} frames a second"] * bool(data.fps)
    ways += [f"a stride of {data.stride}"] * (data.stride > 1)
    return f" at {' and '.join(ways)}" if ways else ""


def _open_folder(
    source: Path,
    side: int,
    channels: int,
    ignored: list[str] | None = None,
    unclear: list[str] | None = None,
) -> Timed:
    """The images of a folder, in the order of their names; missing numbers are a gap.

    To `ignored` are added those whose metadata cannot be read, as "FILE (reason)"; to `unclear` the
    first image where the numbers do not tell what is missing.
    """

    def draw(file: Path) -> np.ndarray:
        image, damage = read_square(file, side, channels)
        if damage and ignored is not None:
            ignored.append(f"{printable(file.name)} ({damage})")
        return image

    files = [file for file in source.iterdir() if not file.name.startswith(".")]
    frames = [file for file in files if not file.is_dir() and kind_of(file) == "image"]
    frames = [file for file in frames if not is_painted(file)]
    frames.sort(key=lambda file: natural(file.name))
    missing = missing_before([file.name for file in frames])
    if missing is None and unclear is not None:
        unclear.append(printable(frames[0].name))
    for file in frames:
        if missing and file.name in missing:
            yield Gap(f"{counted(missing[file.name], 'frame')} missing before {file.name}")
        yield 0.0, functools.partial(draw, file)


def _holds_videos(path: str) -> bool:
    root = user_path(path)
    if not root.is_dir():
        return root.is_file() and opener_of(root) is not None
    files = (Path(folder, name) for folder, names in walk(root) for name in names)
    return any(kind_of(file) == "video" for file in files)


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
