"""Photographs as a model knows images: the face that is found, or the middle."""

import logging
import threading
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from dgn_tf.config.alignment import crops_for
from dgn_tf.config.data import parse_faces
from dgn_tf.config.prepare import CropSettings
from dgn_tf.data.cropping import detection
from dgn_tf.data.cropping.detection import Detector
from dgn_tf.data.cropping.faces import NoFace, choose_faces, cut_face
from dgn_tf.data.cropping.noted import noted_faces
from dgn_tf.data.squares import eight_bits, square, square_array
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.ownership import shortened

_log = logging.getLogger(__name__)


class FaceCutter:
    """Makes photographs into squares around the largest face, and remembers which have none.

    Threads may share it. The detector is loaded once an image needs it.

    Args:
        crops: which faces are taken, and how; the side is that of the squares.
        channels: 1 or 3.
        learned: the setting `faces` of the data that the model has learned from; empty where that
            is not known.
        asked: whether somebody has asked for faces: then they are looked for in every image, and
            one without a face is refused. Else crops are left as they are, and of an image without
            a face the middle is taken.

    Raises:
        InputError: faces are asked for, and there is no detector.
    """

    def __init__(self, crops: CropSettings, channels: int, learned: str = "", asked: bool = False):
        self.crops, self.channels, self.asked = crops, channels, asked
        self._learned = parse_faces(learned)
        self._lock, self._warned = threading.Lock(), False
        # Why no face was found in an image, by its name; empty where one was.
        self._seen: dict[str, str] = {}
        if asked:
            self.detector()

    def detector(self) -> Detector | None:
        """What finds faces; None where it is not installed, which one warning tells.

        Raises:
            InputError: faces are asked for, and there is no detector.
        """
        try:
            return detection.load_detector(self.crops.min_face, self.crops.min_confidence)
        except InputError:
            if self.asked:
                raise
        with self._lock:
            warned, self._warned = self._warned, True
        if not warned:
            _log.warning(
                "This model has learned from faces that were cut out of photographs, and there is "
                "no face detector here: images are taken as they are. To have faces found: %s",
                detection.INSTALL,
            )
        return None

    def made(self, places: Iterable[Path]) -> bool:
        """Whether what lies there are crops already, which `prepare` has made in the same way."""
        known = not self.asked and self._learned is not None
        return known and parse_faces(noted_faces(places)) == self._learned

    def looks_at(self, size: tuple[int, int]) -> bool:
        """Whether a face is looked for in an image of (width, height) pixels."""
        crop = size == (self.crops.side, self.crops.side) and not self.asked
        return not crop and self.detector() is not None

    def cut(self, image: Image.Image) -> tuple[np.ndarray, str]:
        """The square around the largest face of an upright image, or its middle.

        Returns:
            uint8 [side, side, channels]; and why it is the middle, or empty.
        """
        side, detect = self.crops.side, self.detector()
        photograph = eight_bits(image).convert("RGB")
        found = choose_faces(detect(photograph), self.crops) if detect else ([], "no face detector")
        faces, reason = found
        if not faces:
            return square(image, side, self.channels), reason
        face = np.asarray(cut_face(photograph, faces[0], self.crops))
        return square_array(face, side, self.channels), ""

    def __call__(self, image: Image.Image, name: str) -> np.ndarray:
        """The square of an upright image, uint8 [side, side, channels].

        Args:
            image: of any mode that `square` takes.
            name: for what is told later.

        Raises:
            NoFace: it has none, and faces are asked for.
        """
        if not self.looks_at(image.size):
            return square(image, self.crops.side, self.channels)
        made, reason = self.cut(image)
        if reason and self.asked:
            raise NoFace(reason)
        self.note(name, reason)
        return made

    def note(self, name: str, reason: str) -> None:
        """Remember what was looked at, and why no face was found in it, or that one was: ""."""
        with self._lock:
            self._seen[name] = reason

    def told(self) -> str:
        """What was done, in a sentence; empty where nothing was looked at."""
        with self._lock:
            count = len(self._seen)
            without = sorted(name for name, reason in self._seen.items() if reason)
        if not count:
            return ""
        if len(without) == count:
            return f"no face was found: the middle was taken of {shortened(without)}"
        how = "as for the training images" if self._learned == self._unsized() else "and leveled"
        line = f"faces were found and cut out {how}"
        if not without:
            return line
        have = "has none: its" if len(without) == 1 else "have none: their"
        return f"{line}; {len(without)} of {count} {have} middle was taken: {shortened(without)}"

    def tell(self) -> None:
        """Log it, as a warning if an image had no face."""
        with self._lock:
            without = any(self._seen.values())
        if self._seen:
            _log.log(logging.WARNING if without else logging.INFO, "%s", self.told())

    def _unsized(self) -> CropSettings:
        return CropSettings(align=self.crops.align, margin=self.crops.margin)


def face_cutter(align: str, faces: str, side: int, channels: int) -> FaceCutter | None:
    """What cuts the faces for a model out of photographs; None if none are looked for.

    Args:
        align: "auto", "eyes" or "none", as of `crops_for`.
        faces: the setting `faces` of the data that the model has learned from.
        side: of its images, in pixels.
        channels: of its images.

    Raises:
        InputError: `align` is none of these, or "eyes" and there is no detector.
    """
    crops = crops_for(align, faces, side)
    return None if crops is None else FaceCutter(crops, channels, faces, align == "eyes")
