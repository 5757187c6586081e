"""Photographs as the model knows images: the face that is found, or the middle."""

import importlib.util
import threading

import numpy as np
from PIL import Image

from dgn_tf.config.prepare import CropSettings
from dgn_tf.data.cropping.detection import load_detector
from dgn_tf.data.cropping.faces import choose_faces, cut_face
from dgn_tf.data.sources.files import load_bytes, load_whole
from dgn_tf.data.squares import square_array

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
        self._crops = crops or CropSettings(align="eyes", side=shape[0])
        if importlib.util.find_spec("mtcnn") is None:
            self.finds_faces = "never"
        else:
            self.finds_faces = "always" if crops else "asked"
        self._lock, self._detector = threading.Lock(), None
        if self.finds_faces == "always":
            # Its networks take a second to load, which the first photograph should not wait for.
            threading.Thread(target=self._faces, args=(Image.new("RGB", (64, 64)),)).start()

    def read(self, content: bytes, name: str, find_face: bool) -> tuple[np.ndarray, str]:
        """The square image of a file, uint8 [S, S, C], and what is to be said of it.

        Args:
            content: of an image file, from anyone.
            name: of the file, for messages.
            find_face: whether to look for a face, and to take the middle only where there is none.

        Raises:
            InputError: it cannot be read.
        """
        side, channels = self.shape
        if not find_face or self.finds_faces == "never":
            return load_bytes(content, name, side, channels), ""
        image = Image.fromarray(load_whole(content, name, _MOST_SIDE))
        image.thumbnail((_MOST_SIDE, _MOST_SIDE))
        faces, reason = choose_faces(self._faces(image), self._crops)
        if not faces:
            why = reason.partition(" (--")[0].replace("--align", "align")
            return load_bytes(content, name, side, channels), f"{why}; the middle was taken"
        cut = np.asarray(cut_face(image, faces[0], self._crops))
        return square_array(cut, side, channels), ""

    def _faces(self, image: Image.Image) -> list:
        # The detector's networks are no thread's own.
        with self._lock:
            if self._detector is None:
                settings = self._crops
                self._detector = load_detector(settings.min_face, settings.min_confidence)
            return self._detector(image)
