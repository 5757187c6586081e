"""Cutting one face out of every frame of a clip."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from dgn_tf.config.prepare import CropSettings
from dgn_tf.data.cropping import crops
from dgn_tf.data.cropping.detection import Detector
from dgn_tf.data.cropping.faces import NoFace
from dgn_tf.data.cropping.tracking import cut_squares, follow, steadied
from dgn_tf.data.sources.frames import chosen_frames, drawn_frames
from dgn_tf.data.sources.openers import Opener
from dgn_tf.utils.progress import progress_bar


def cut_clip(
    source: Path,
    opener: Opener,
    folder: Path,
    settings: CropSettings,
    detector: Detector,
    label: str,
) -> tuple[int, list[str]]:
    """Writes a crop for every frame of a clip into a folder: frame-000001.png and so on.

    The largest face of the first frame that has one is followed (`tracking.follow`). Where frames
    are missing or cannot be read a number is left out, so that who reads the folder sees the gap.

    Args:
        source: a video, an animation or a folder of frames.
        opener: what reads it.
        folder: for the crops; it is made if need be.
        settings: which frames are taken, and how the face is cut out.
        detector: what finds faces.
        label: in front of the progress.

    Returns:
        How many crops there are, and why frames are missing.

    Raises:
        NoFace: too few frames have a face, or none can be read.
    """
    gaps: list[str] = []
    numbers: list[int] = []

    # Whole frames are too many to keep: they are read once to find faces, once to cut them.
    def frames(gaps: list[str], numbers: list[int]) -> Iterator[np.ndarray]:
        timed = opener(source, 0, 3)
        for number, frame in enumerate(drawn_frames(timed, settings.fps, 1, gaps, []), 1):
            if frame is not None:
                numbers.append(number)
                yield frame

    count = sum(1 for _ in chosen_frames(opener(source, 0, 3), settings.fps, 1, [], []))
    try:
        with progress_bar(label) as report:
            found = follow(frames(gaps, numbers), settings, detector, lambda n: report(n, count))
    except NoFace as error:
        raise NoFace(f"{error} {gaps[0]}" if gaps else str(error)) from None
    squares = steadied(found, settings.smooth, settings.follow == "clip")
    folder.mkdir(exist_ok=True)
    made = cut_squares(frames([], []), squares, settings.side, 3)
    for number, crop in zip(numbers, made, strict=True):
        crops.save(Image.fromarray(crop), folder / f"frame-{number:06d}.{settings.format}")
    return len(numbers), gaps
