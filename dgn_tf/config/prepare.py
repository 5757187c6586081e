"""What dgn_tf.prepare cuts out of photographs."""

import dataclasses

from dgn_tf.config.fields import Typed, require, require_choice, setting
from dgn_tf.utils.errors import InputError

_FOR_FACES = ("align", "margin", "all_faces", "min_face", "min_confidence")
_RANGES = {"side": (8, 2048), "margin": (0, 2), "min_face": (20, 10_000), "min_confidence": (0, 1)}


@dataclasses.dataclass(frozen=True)
class CropSettings(Typed):
    """What is cut out of an image, and how."""

    crop: str = setting(
        "faces",
        "Cut out the faces that are found, or the middle of every image.",
        ("faces", "centre"),
    )
    align: str = setting(
        "none",
        "eyes: turn and scale faces so that the eyes lie level at the same places in all crops.",
        ("none", "eyes"),
    )
    side: int = setting(64, "Side of the crops in pixels.")
    margin: float = setting(0.1, "What to add on each side of a face, in sides of its box.")
    all_faces: bool = setting(False, "All faces of an image, not the largest.")
    min_face: int = setting(
        32,
        "Leave out faces whose box has a side shorter than this many pixels. A larger value makes "
        "large photographs faster.",
    )
    min_confidence: float = setting(0.9, "Leave out less certain faces.")
    format: str = setting("png", "Format of the crops.", ("png", "jpg"))

    def __post_init__(self) -> None:
        """Check the ranges, and that no setting would be ignored."""
        super().__post_init__()
        require_choice(self, "crop", "align", "format")
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            require(low <= value <= high, name, value, f"from {low} to {high}")
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if self.crop == "centre" and field.name in _FOR_FACES and value != field.default:
                raise InputError(
                    f"`{field.name}={value}` is for faces and `crop=centre` looks for none: "
                    "leave one of them out."
                )
