"""Which files and folders under a path are videos, animations or frames, and what opens each."""

import functools
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np

from dgn_tf.data.kinds import HEAD, is_animated, kind_by_content, kind_by_suffix, suffix_of
from dgn_tf.data.sources.folders import read_square, tell_crops
from dgn_tf.data.sources.numbering import missing_before
from dgn_tf.data.sources.videos import Gap, Timed, open_animation, open_video
from dgn_tf.data.sources.walking import kind_of, left_out, natural, printable, tell_left_out, walk
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import user_path
from dgn_tf.utils.painted import is_painted
from dgn_tf.utils.reading import open_regular
from dgn_tf.utils.words import counted

_log = logging.getLogger(__name__)

# A PNG says in front of its pixels that it moves, perhaps behind a color profile.
_SEARCHED = 4096
_KNOWN = "a video, an animated GIF, WebP, PNG or AVIF, or a folder of images"

# Gives the frames of a file or folder: arguments are its path, the side and the channels.
Opener: TypeAlias = Callable[[Path, int, int], Timed]


def find_sources(path: str) -> tuple[Path, dict[str, Opener]]:
    """The sources of clips under a path: videos, animations and folders of frames.

    Images beside videos are no frames, and of files that differ in their suffix alone one is a
    source, a video before an animation. What is left out is told in warnings.

    Args:
        path: a folder, or one video file.

    Returns:
        The folder, and what opens each source in it by sorted relative POSIX path.

    Raises:
        InputError: there is no source, or a folder cannot be read.
    """
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
    again: list[str] = []
    others: list[str] = []
    ours: list[str] = []
    for folder, files in walk(root, ours):
        inside = Path(folder).relative_to(root)
        openers = {name: opener_of(Path(folder, name)) for name in files}
        twins = _twins([name for name, opener in openers.items() if opener])
        again += [(inside / name).as_posix() for name in twins]
        moving = {
            (inside / name).as_posix(): opener
            for name, opener in openers.items()
            if opener and name not in twins
        }
        still = [n for n, opener in openers.items() if not opener]
        frames = [name for name in still if kind_of(Path(folder, name)) == "image"]
        others += [(inside / name).as_posix() for name in still if name not in frames]
        if moving:
            found |= moving
            beside += [(inside / name).as_posix() for name in frames]
        elif frames:
            found[inside.as_posix()] = open_folder
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
    if again:
        _log.warning(
            "clips %s: files of the same name as another but for the suffix are passed over as the "
            "same clip (%d, the first is %s): rename them if they are others",
            path,
            len(again),
            printable(sorted(again)[0]),
        )
    tell_left_out(f"clips {path}", "videos or images", root, others)
    tell_crops(f"clips {path}", root, list(found), others)
    folders = [source for source, opener in found.items() if opener is open_folder]
    if folders and len(folders) < len(found):
        _log.warning(
            "clips %s: beside videos, folders of images are clips too (%d, the first is %s): move "
            "them elsewhere if they hold no frames",
            path,
            len(folders),
            printable(sorted(folders)[0]),
        )
    return root, dict(sorted(found.items()))


def _twins(names: list[str]) -> set[str]:
    """Those that differ from another in a known suffix alone: all but the first, videos first."""
    known = [name for name in names if kind_by_suffix(name)]
    kept: dict[str, str] = {}
    for name in sorted(known, key=lambda name: (kind_by_suffix(name) != "video", name)):
        kept.setdefault(os.path.splitext(name)[0], name)
    return set(known) - set(kept.values())


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


def open_folder(
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
            name = printable(file.name)
            yield Gap(f"{counted(missing[file.name], 'frame')} missing before {name}")
        yield 0.0, functools.partial(draw, file)


def holds_videos(path: str) -> bool:
    """Whether a path is a video or animation, or a folder that holds a video."""
    root = user_path(path)
    if not root.is_dir():
        return root.is_file() and opener_of(root) is not None
    files = (Path(folder, name) for folder, names in walk(root) for name in names)
    return any(kind_of(file) == "video" for file in files)
