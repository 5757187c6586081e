"""What dgn_tf.prepare cuts out of photographs and videos."""

import dataclasses

from dgn_tf.config.fields import Typed, require, require_choice, setting
from dgn_tf.utils.errors import InputError

_FOR_FACES = ("align", "margin", "all_faces", "min_face", "min_confidence", "clips")
_FOR_CLIPS = ("follow", "smooth", "fps")
_RANGES = {
    "side": (8, 2048),
    "margin": (0, 2),
    "min_face": (20, 10_000),
    "min_confidence": (0, 1),
    "smooth": (0, 1000),
    "fps": (0, 100),
}


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
    clips: bool = setting(
        False,
        "Follow one face through every video, animation or folder of frames. Its crops become a "
        "folder of frames.",
    )
    follow: str = setting(
        "frame",
        "frame: the square follows the face, so that turns and expressions are left; clip: one "
        "square for the whole clip, in which the head moves.",
        ("frame", "clip"),
    )
    smooth: float = setting(
        1.5,
        "Standard deviation, in frames, of the Gaussian filter over time that keeps the square "
        "from trembling; 0 for none.",
    )
    fps: float = setting(0.0, "Frames a second to take from videos; 0 for those that they have.")

    def __post_init__(self) -> None:
        """Check the ranges, and that no setting would be ignored."""
        super().__post_init__()
        require_choice(self, "crop", "align", "format", "follow")
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
            if not self.clips and field.name in _FOR_CLIPS and value != field.default:
                raise InputError(
                    f"`{field.name}={value}` is for the faces of videos: give `clips` too, or "
                    "leave it out."
                )
        if self.follow == "clip" and self.smooth != 1.5:
            raise InputError(
                f"`smooth={self.smooth}`: `follow=clip` cuts out one square, which does not move: "
                "leave one of them out."
            )
        if self.clips and self.all_faces:
            raise InputError("`clips` follows one face: leave `all_faces` out.")
