"""How dgn_tf.drive moves a photograph as a video moves."""

import dataclasses

from dgn_tf.config.alignment import align_setting
from dgn_tf.config.fields import Typed, require, require_choice, require_not_negative, setting
from dgn_tf.utils.errors import InputError

CROPS = ("frame", "clip")
# Of a driven animation: those of a morph without the still.
SUFFIXES = (".gif", ".mp4")
# More than a display shows, and than a GIF can.
FASTEST = 100.0
# Longer than the scenes of a video: all of its motion is gone.
_SMOOTHEST = 1000.0


@dataclasses.dataclass(frozen=True)
class MotionSettings(Typed):
    """How the geometry of a video becomes that of a photograph."""

    steps: int | None = setting(
        None,
        "Langevin steps for each frame, rounded up to tens. By default 20 from the guess of an "
        "encoder, 100 without one.",
    )
    smooth: float = setting(
        1.5,
        "Standard deviation, in frames, of the Gaussian filter over time that smooths the "
        "motion; 0 for none. It smooths the latents of the geometry, and the place of a face that "
        "is found.",
    )
    relative: bool = setting(
        False,
        "Keep the shape of the photograph: add to its geometry what has changed since the first "
        "frame, in place of the geometry of each frame as it is.",
    )
    align: str = align_setting()
    crop: str = setting(
        "frame",
        "Where faces are found: frame, a square that follows the face; clip, one square for the "
        "whole video, in which the head moves.",
        CROPS,
    )
    fps: float = setting(0.0, "Frames a second to take from the video; 0 for those that it has.")
    limit: int = setting(0, "Take the first LIMIT frames; 0 for all.")

    def __post_init__(self) -> None:
        """Check the ranges, and that no setting would be ignored."""
        super().__post_init__()
        require(self.steps is None or self.steps >= 1, "steps", self.steps, "at least 1")
        require_not_negative(self, "limit")
        require(0 <= self.smooth <= _SMOOTHEST, "smooth", self.smooth, f"from 0 to {_SMOOTHEST:g}")
        require_choice(self, "align", "crop")
        require(0 <= self.fps <= FASTEST, "fps", self.fps, f"from 0 to {FASTEST:g}")
        if self.crop != "frame" and self.align == "none":
            raise InputError(
                f"`crop={self.crop}` is for faces that are found, and `align=none` finds none."
            )


@dataclasses.dataclass(frozen=True)
class DriveSettings(Typed):
    """Which photograph is driven by which video, and into which file."""

    face: str = setting("", "The photograph that gets the motion.", reads="path")
    video: str = setting("", "The video, or GIF, that it gets the motion of.", reads="path")
    output: str = setting("driven.gif", "File to write: .gif or .mp4.")
    overwrite: bool = setting(False, "Replace the file of --output, if there is one.")
    beside: bool = setting(False, "Show the frame of the video at the left of each painted image.")

    def __post_init__(self) -> None:
        """Check that both are named."""
        super().__post_init__()
        for name in ("face", "video"):
            if not getattr(self, name):
                raise InputError(f"`{name}` is not given: name a file.")
