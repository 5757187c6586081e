"""Cutting one face out of every frame of a clip."""

import itertools
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from dgn_tf.config.prepare import CropSettings
from dgn_tf.data.cropping import crops
from dgn_tf.data.cropping.detection import Detector
from dgn_tf.data.cropping.faces import NoFace
from dgn_tf.data.cropping.tracking import follow, steadied
from dgn_tf.data.sources.frames import Seen, chosen_frames, drawn_frames
from dgn_tf.data.sources.openers import Opener
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import partial_path

_FRAME = re.compile(r"frame-\d{6,}\.(png|jpg)")


class Unreadable(InputError):
    """Nothing of a clip can be read, or not twice the same; the message says why."""


def count_frames(source: Path, opener: Opener, fps: float) -> int:
    """How many frames of a clip are taken; a video is decoded for it, and no image made."""
    frames = chosen_frames(source, opener, 0, 3, fps, 1, Seen())
    return sum(draw is not None for draw in frames)


def cut_clip(
    source: Path,
    opener: Opener,
    folder: Path,
    settings: CropSettings,
    detector: Detector,
    seen: Seen,
    tell: Callable[[int], None],
) -> list[tuple[Path, int]]:
    """Writes a crop for every frame of a clip into a folder: frame-000001.png and so on.

    The largest face of the first frame that has one is followed (`tracking.follow`). Where frames
    are missing or cannot be read a clip ends: what comes after the gap is a clip of its own, in
    FOLDER+2, FOLDER+3 and so on. A folder has its name once it is whole.

    Args:
        source: a video, an animation or a folder of frames.
        opener: what reads it.
        folder: for the crops; one of that name with nothing but frames is replaced.
        settings: which frames are taken, and how the face is cut out.
        detector: what finds faces.
        seen: what is to be told of the clip, which is added to it.
        tell: called with the number of frames that were searched.

    Returns:
        The folders, and how many crops each has.

    Raises:
        NoFace: too few frames have a face.
        Unreadable: no frame can be read, or those of the second time are not those of the first.
        InputError: a folder of that name holds other files.
        OSError: the crops cannot be written.
    """
    # Whole frames are too many to keep: they are read once to find faces, once to cut them.
    squares: list[np.ndarray | None] = []
    reasons: list[str] = []
    searched = itertools.count(1)
    for run in _runs(source, opener, settings.fps, seen):
        try:
            found = follow(run, settings, detector, lambda _: tell(next(searched)))
            squares.append(steadied(found, settings.smooth, settings.follow == "clip"))
        except NoFace as error:
            squares.append(None)
            reasons.append(str(error))
    if not squares:
        why = f": {seen.gaps[0]}" if seen.gaps else ""
        raise Unreadable(f"no frame can be read{why}")
    if not any(found is not None for found in squares):
        raise NoFace(reasons[0])
    partial = partial_path(folder)
    made: list[tuple[Path, int]] = []
    try:
        again = _runs(source, opener, settings.fps, Seen())
        for found in squares:
            run = next(again, ())
            if found is None:
                continue
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            _cut(run, found, partial, settings)
            place = folder if not made else folder.with_name(f"{folder.name}+{len(made) + 1}")
            _remove_frames(place)
            partial.rename(place)
            made.append((place, len(found)))
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return made


def _runs(source: Path, opener: Opener, fps: float, seen: Seen) -> Iterator[Iterable[np.ndarray]]:
    """The frames between gaps, uint8 [H, W, 3]; each run ends before the next one begins."""
    frames = drawn_frames(source, opener, 0, 3, fps, 1, seen)
    for missing, run in itertools.groupby(frames, lambda frame: frame is None):
        if not missing:
            yield (frame for frame in run if frame is not None)


def _cut(
    frames: Iterable[np.ndarray], squares: np.ndarray, folder: Path, settings: CropSettings
) -> None:
    """Writes the crops of one run.

    Raises:
        Unreadable: there are more frames than squares, or fewer.
    """
    pairs = itertools.zip_longest(frames, squares)
    for number, (frame, square) in enumerate(pairs, 1):
        if frame is None or square is None:
            raise Unreadable("it reads differently the second time: it changes, or is damaged")
        x, y, edge, angle = square
        crop = crops.cut(Image.fromarray(frame), (x, y), edge, angle, settings.side)
        crops.save(crop, folder / f"frame-{number:06d}.{settings.format}")


def _remove_frames(folder: Path) -> None:
    """Makes room for a clip that is made again.

    Raises:
        InputError: the folder holds something that is no crop of a frame.
    """
    if folder.is_dir():
        strange = sorted(p.name for p in folder.iterdir() if not _FRAME.fullmatch(p.name))
        if strange:
            raise InputError(
                f"{folder} is in the way of crops, and holds {strange[0]}, which is none: move it "
                "elsewhere."
            )
        shutil.rmtree(folder)
