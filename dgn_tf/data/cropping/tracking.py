"""The face of a video: found in every frame, followed, and cut out without a tremble."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter1d

from dgn_tf.config.prepare import CropSettings
from dgn_tf.data.cropping.crops import cut, face_square
from dgn_tf.data.cropping.detection import Detector, Face
from dgn_tf.data.cropping.faces import NoFace, choose_faces
from dgn_tf.data.squares import square_array

# With less, most squares would be guesses.
_LEAST_FOUND = 0.5


def follow(
    frames: Iterable[np.ndarray],
    settings: CropSettings,
    detector: Detector,
    tell: Callable[[int], None],
) -> np.ndarray:
    """The squares around one face in every frame.

    The largest face of the first frame that has one is followed: in every other frame it is the
    one nearest to where it was.

    Args:
        frames: uint8 [H, W, 3] each.
        settings: which faces are taken, and how.
        detector: what finds them.
        tell: called with the number of frames that were searched.

    Returns:
        float64 [T, 4]: x and y of the center and the edge in pixels, and the angle in radians, as
        of `face_square`. Where no face is found they lie between those before and after.

    Raises:
        NoFace: there is no face in half of the frames or more, or no frame.
    """
    rows: list[tuple[float, ...]] = []
    last, reason = None, ""
    wanted = CropSettings(
        align=settings.align,
        min_face=settings.min_face,
        min_confidence=settings.min_confidence,
        all_faces=True,
    )
    for number, frame in enumerate(frames, 1):
        faces, why = choose_faces(detector(Image.fromarray(frame)), wanted)
        if faces:
            last = _nearest(faces, last)
            center, edge, angle = face_square(last, settings.align, settings.margin)
            rows.append((*center, edge, angle))
        else:
            reason = reason or f"frame {number}: {why}"
            rows.append((math.nan,) * 4)
        tell(number)
    if not rows:
        raise NoFace("no frame can be read.")
    squares = np.array(rows)
    known = np.isfinite(squares[:, 0])
    if known.mean() < _LEAST_FOUND:
        raise NoFace(
            f"a face is found in {known.sum()} of {len(known)} frames, too few to follow it; "
            f"{reason}."
        )
    at = np.arange(len(squares))
    columns = [np.interp(at, at[known], column[known]) for column in squares.T]
    return np.stack(columns, 1)


def _nearest(faces: Sequence[Face], last: Face | None) -> Face:
    """The face whose box is nearest to that of `last`; the largest if there is none."""
    if last is None:
        return faces[0]
    return min(faces, key=lambda face: math.dist(_middle(face), _middle(last)))


def _middle(face: Face) -> tuple[float, float]:
    left, top, width, height = face.box
    return left + width / 2, top + height / 2


def steadied(squares: np.ndarray, smooth: float, whole_clip: bool) -> np.ndarray:
    """Squares that do not tremble as what is found does.

    Args:
        squares: [T, 4] of `follow`.
        smooth: standard deviation, in frames, of a Gaussian filter over time; 0 for none.
        whole_clip: whether all become the same, their median.

    Returns:
        float64 [T, 4].
    """
    if whole_clip:
        return np.repeat(np.median(squares, axis=0, keepdims=True), len(squares), 0)
    return gaussian_filter1d(squares, smooth, axis=0, mode="nearest") if smooth else squares


def cut_squares(
    frames: Iterable[np.ndarray], squares: np.ndarray, side: int, channels: int
) -> Iterator[np.ndarray]:
    """The squares [T, 4] cut out of frames uint8 [H, W, 3]: uint8 [side, side, channels] each."""
    for frame, (x, y, edge, angle) in zip(frames, squares, strict=True):
        crop = cut(Image.fromarray(frame), (x, y), edge, angle, side)
        yield square_array(np.asarray(crop), side, channels)
