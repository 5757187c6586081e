"""Faces that are found in a photograph, chosen and cut out as squares."""

from collections.abc import Sequence

from PIL import Image

from dgn_tf.config.prepare import CropSettings
from dgn_tf.data.cropping import crops
from dgn_tf.data.cropping.detection import Face
from dgn_tf.utils.errors import InputError


class NoFace(InputError):
    """There is no face that can be cut out; the message says why."""


def choose_faces(faces: Sequence[Face], settings: CropSettings) -> tuple[list[Face], str]:
    """The faces to cut out, largest first; if there are none, the reason."""
    faces = [face for face in faces if face.confidence >= settings.min_confidence]
    if not faces:
        return [], f"no face found (`min_confidence={settings.min_confidence}`)"
    large = [face for face in faces if face.shorter >= settings.min_face]
    if not large:
        shorter = max(face.shorter for face in faces)
        return [], f"face of {shorter:.0f} pixels is too small (`min_face={settings.min_face}`)"
    chosen = large if settings.all_faces else large[:1]
    if settings.align == "eyes":
        chosen = [face for face in chosen if crops.eyes_can_align(face)]
    return chosen, "eyes are too close together for `align=eyes`: a face from the side"


def cut_face(image: Image.Image, face: Face, settings: CropSettings) -> Image.Image:
    """The square around a face, `settings.side` by `settings.side`."""
    center, edge, angle = crops.face_square(face, settings.align, settings.margin)
    return crops.cut(image, center, edge, angle, settings.side)
