"""Faces that are found in a photograph, chosen and cut out as squares."""

from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image

from dgn_tf.config.prepare import CropSettings
from dgn_tf.data.cropping import crops
from dgn_tf.data.cropping.detection import Detector, Face
from dgn_tf.utils.progress import Progress


def choose_faces(faces: Sequence[Face], settings: CropSettings) -> tuple[list[Face], str]:
    """The faces to cut out, largest first; if there are none, the reason."""
    faces = [face for face in faces if face.confidence >= settings.min_confidence]
    if not faces:
        return [], f"no face found (--min_confidence={settings.min_confidence})"
    large = [face for face in faces if face.shorter >= settings.min_face]
    if not large:
        shorter = max(face.shorter for face in faces)
        return [], f"face of {shorter:.0f} pixels is too small (--min_face={settings.min_face})"
    chosen = large if settings.all_faces else large[:1]
    if settings.align == "eyes":
        chosen = [face for face in chosen if crops.eyes_can_align(face)]
    return chosen, "eyes are too close together for --align=eyes: a face from the side"


def cut_face(image: Image.Image, face: Face, settings: CropSettings) -> Image.Image:
    """The square around a face, `settings.side` by `settings.side`."""
    center, edge, angle = crops.face_square(face, settings.align, settings.margin)
    return crops.cut(image, center, edge, angle, settings.side)


def faces_of(
    images: Iterable[tuple[str, Image.Image | str]],
    count: int,
    settings: CropSettings,
    detector: Detector,
    progress: Progress | None = None,
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The largest face of each photograph.

    Args:
        images: the name of each photograph, and the RGB image or why it cannot be read.
        count: how many there are.
        settings: which faces are taken, and how.
        detector: what finds them.
        progress: called with (photographs done, photographs in all), or None.

    Returns:
        uint8 [side, side, 3] by name, in the order of the photographs; and by the names of those
        that give none, why.
    """
    found, reasons = {}, {}
    for done, (name, image) in enumerate(images, 1):
        faces, reason = (
            ([], image) if isinstance(image, str) else (choose_faces(detector(image), settings))
        )
        if faces and not isinstance(image, str):
            found[name] = np.asarray(cut_face(image, faces[0], settings))
        else:
            reasons[name] = reason
        if progress:
            progress(done, count)
    return found, reasons
