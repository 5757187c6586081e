"""Whether faces are looked for in the photographs that a model is shown."""

import dataclasses
from typing import Any

from dgn_tf.config.data import parse_faces
from dgn_tf.config.fields import setting
from dgn_tf.config.prepare import CropSettings
from dgn_tf.utils.errors import InputError

ALIGNS = ("auto", "eyes", "none")


def align_setting() -> Any:
    """The setting `align` of what shows photographs to a model."""
    return setting(
        "auto",
        "auto: cut faces out of photographs as those that the run has learned from; eyes: of every "
        "image; none: take the middle. With auto the run must know how its faces were cut out "
        "(--faces of dgn_tf.train), the middle is taken where there is no face, and crops, which "
        "have the side of the run or were made by dgn_tf.prepare in the same way, stay as they "
        "are. With eyes images without a face are refused or left out.",
        ALIGNS,
    )


def crops_for(align: str, faces: str, side: int) -> CropSettings | None:
    """How faces are cut out of photographs for a model; None if none are looked for.

    Args:
        align: "auto", as those were that it has learned from; "eyes", by the eyes, with the same
            margin; "none".
        faces: the setting `faces` of the data that it has learned from.
        side: of its images, in pixels.

    Raises:
        InputError: `align` is none of these.
    """
    if align not in ALIGNS:
        raise InputError(f"`align={align}`: must be one of {', '.join(ALIGNS)}.")
    learned = parse_faces(faces)
    if align == "none" or (align == "auto" and learned is None):
        return None
    crops = dataclasses.replace(learned or CropSettings(), side=side)
    return dataclasses.replace(crops, align="eyes") if align == "eyes" else crops
