"""Finding faces in photographs."""

import dataclasses
import functools
import importlib.util
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from dgn_tf.utils.errors import InputError

# The smallest face that the network looks for, and its pyramid of scales is only right for this:
# mtcnn 1.0.0 takes any other `min_face_size` too, but above 20 the last scale can be smaller than
# the network's window, and that error is reported as an image without faces.
_SMALLEST = 20
INSTALL = 'pip install "dgn_tf[faces]"'
# The networks are no thread's own: one loads them or asks them at a time.
_NETWORKS = threading.Lock()


@dataclasses.dataclass(frozen=True)
class Face:
    """A face that was found; coordinates are pixels of the upright image.

    Attributes:
        box: left, top, width, height.
        confidence: in [0, 1].
        eyes: (x, y) of the eye at the left of an upright face as the viewer sees it, then of the
            other one.
    """

    box: tuple[float, float, float, float]
    confidence: float
    eyes: tuple[tuple[float, float], tuple[float, float]]

    @property
    def longer(self) -> float:
        """The longer side of the box."""
        return max(self.box[2:])

    @property
    def shorter(self) -> float:
        """The shorter side of the box."""
        return min(self.box[2:])


Detector = Callable[[Image.Image], list[Face]]


def detector_installed() -> bool:
    """Whether the package of the detector is there."""
    return importlib.util.find_spec("mtcnn") is not None


def load_detector(
    min_face: int,
    min_confidence: float,
    setting: str = "align=eyes",
    instead: str = "align=none",
) -> Detector:
    """MTCNN (Zhang et al., 2016), whose weights come with the package and are read once.

    Args:
        min_face: faces smaller than this many pixels need not be found. Images are searched at
            20 / `min_face` of their size, so a larger value takes less time.
        min_confidence: in [0, 1]; less certain faces are not returned.
        setting: that asks for it, for the message.
        instead: the setting that does without, likewise; empty if there is none.

    Returns:
        A function from an RGB image to its faces, the largest first, which threads may share.

    Raises:
        InputError: the package is not installed.
    """
    try:
        from mtcnn import MTCNN
    except ImportError as error:
        otherwise = f", or give `{instead}`" if instead else ""
        raise InputError(
            f"`{setting}` needs a face detector, and there is none ({error}): {INSTALL}{otherwise}."
        ) from error
    with _NETWORKS:
        network = _network(MTCNN)

    def detect(image: Image.Image) -> list[Face]:
        shrink = min(1.0, _SMALLEST / min_face)
        size = max(1, round(shrink * image.width)), max(1, round(shrink * image.height))
        searched = image.resize(size, Image.Resampling.LANCZOS) if shrink < 1 else image
        # Its dictionaries round to whole pixels, which turns eyes 20 pixels apart by 2 degrees.
        with _NETWORKS:
            rows = network.detect_faces(
                np.asarray(searched),
                output_type="numpy",
                box_format="xyxy",
                min_face_size=_SMALLEST,
                threshold_onet=min_confidence,
            )
        faces = [_face(row, image.width / size[0], image.height / size[1]) for row in rows]
        return sorted(faces, key=lambda face: face.box[2] * face.box[3], reverse=True)

    return detect


@functools.cache
def _network(kind: type) -> Any:
    """The one network of this process, which all settings share: it takes seconds to load."""
    return kind()


def _face(row: np.ndarray, across: float, down: float) -> Face:
    """A row: image, box (left, top, right, bottom), confidence, x and y of five landmarks."""
    left, right, top, bottom = row[1] * across, row[3] * across, row[2] * down, row[4] * down
    return Face(
        box=(float(left), float(top), float(right - left), float(bottom - top)),
        confidence=float(row[5]),
        eyes=(
            (float(row[6] * across), float(row[11] * down)),
            (float(row[7] * across), float(row[12] * down)),
        ),
    )
