"""Photographs as the model knows images: the face that is found, or the middle."""

import dataclasses
import threading

import numpy as np
from PIL import Image

from dgn_tf.config.prepare import CropSettings
from dgn_tf.data.cropping import detection
from dgn_tf.data.cropping.cutting import FaceCutter
from dgn_tf.data.sources.files import load_bytes, load_whole

# Detection takes as long as an image has pixels; a face of whom the page is about is larger.
_MOST_SIDE = 1024


class Photographs:
    """Reads photographs for a model; threads may share it.

    Args:
        shape: (side, channels) of the model's images.
        crops: how the faces in the data of the run were cut out, or None where that is not known.

    Attributes:
        finds_faces: "always" as of these data, "asked" where nothing is known of them, "never"
            where no detector is installed.
    """

    def __init__(self, shape: tuple[int, int], crops: CropSettings | None = None):
        self.shape = shape
        side, channels = shape
        wanted = dataclasses.replace(crops or CropSettings(align="eyes"), side=side)
        self._faces = FaceCutter(wanted, channels)
        if not detection.detector_installed():
            self.finds_faces = "never"
        else:
            self.finds_faces = "always" if crops else "asked"
        if self.finds_faces == "always":
            # Its networks take a second to load, which the first photograph should not wait for.
            threading.Thread(target=self._faces.cut, args=(Image.new("RGB", (64, 64)),)).start()

    def read(self, content: bytes, name: str, find_face: bool) -> tuple[np.ndarray, str]:
        """The square image of a file, uint8 [S, S, C], and what is to be said of it.

        Args:
            content: of an image file, from anyone.
            name: of the file, for messages.
            find_face: whether to look for a face in what is no crop yet, and to take the middle
                only where there is none.

        Raises:
            InputError: it cannot be read.
        """
        side, channels = self.shape
        if not find_face or self.finds_faces == "never":
            return load_bytes(content, name, side, channels), ""
        image = Image.fromarray(load_whole(content, name, _MOST_SIDE))
        image.thumbnail((_MOST_SIDE, _MOST_SIDE))
        note = ""
        if self._faces.looks_at(image.size):
            made, reason = self._faces.cut(image)
            if not reason:
                return made, ""
            note = f"{reason}; the middle was taken"
        return load_bytes(content, name, side, channels), note
