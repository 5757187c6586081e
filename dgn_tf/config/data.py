"""Settings of the data."""

import dataclasses

from dgn_tf.config.fields import Typed, check_frames, parse_where, require, require_choice, setting
from dgn_tf.config.prepare import CropSettings
from dgn_tf.utils.errors import InputError

SIDES = (32, 64, 128, 256)


@dataclasses.dataclass(frozen=True)
class DataConfig(Typed):
    """What to learn from, and in which size and number of channels."""

    data: str = setting(
        "heads",
        "What to learn from: a folder of images or of videos, an .npz file, a ZIP archive of "
        "images or a video; or heads, which are rendered. All forms: the path of one of these, "
        "heads[:SPLIT], folder:PATH, zip:PATH[:FOLDER], tfds:NAME[:SPLIT], npz:PATH[:KEY] or "
        "shards:PATTERN (written by dgn_tf.pack); clips, with --frames: heads_clips[:SPLIT], "
        "steady_clips[:SPLIT] (heads that hardly sway), clips:PATH, npz:PATH[:KEY] or "
        "shards:PATTERN. A run that goes on knows its data again wherever they are by then.",
        fixed=False,
        reads="data",
    )
    side: int = setting(64, "Height and width of an image in pixels.", SIDES)
    channels: int = setting(3, "1 for gray, 3 for color.", (1, 3))
    frames: int = setting(0, "Frames of a clip, for data of clips; 0 for images.")
    stride: int = setting(1, "Clips: take every STRIDE-th frame.")
    fps: float = setting(0.0, "Videos: frames a second to take; 0 for all of them.")
    where: str = setting(
        "",
        "LABEL=VALUE: use only examples with this value of a label, for example view=0, mood=glad "
        "or, of data with a folder for each class, label=cats.",
    )
    limit: int = setting(0, "Use the first LIMIT of the examples only; 0 for all.")
    label: str = setting(
        "label",
        "Name of the label in the data: z_a itself (--appearance=label), or what the classes that "
        "were found are compared with (--appearance=categorical).",
    )
    data_dir: str = setting(
        "", "Folder of prepared TFDS data sets; empty for the TFDS default.", fixed=False
    )
    stills: int = setting(
        0,
        "For models of images: take data of clips, of STILLS frames each, as single images; 0 for "
        "data of images.",
    )

    mirror: bool = setting(
        False,
        "Learn from the mirror image of every image too, as an example of its own. Not for what "
        "has a left and a right, such as text.",
    )
    validation: float = setting(
        0.0,
        "Part of the data, drawn by --seed, that is held out to measure val_msre on, 20 times in "
        "a run; 0 for none. That is the error of reconstruction, inferred in fewer steps than "
        "those of evaluate.",
    )
    faces: str = setting(
        "",
        "How faces were cut out of photographs for these data: eyes or none, as --align of "
        "prepare, perhaps with its --margin as in eyes:0.1. Photographs that infer, morph, drive, "
        "evaluate and explore are given later are cut like that. By default what prepare has noted "
        "beside its crops.",
        fixed=False,
    )

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        require_choice(self, "side", "channels")
        require(self.limit >= 0, "limit", self.limit, "0 or more")
        require(self.stills >= 0, "stills", self.stills, "0 or more")
        if self.frames and self.stills:
            raise InputError("`frames` makes clips and `stills` images: give one of them.")
        check_frames(self.frames or self.stills, self.stride, self.fps)
        require(0 <= self.validation < 1, "validation", self.validation, "at least 0 and below 1")
        parse_faces(self.faces)
        if self.where:
            parse_where(self.where)


def faces_text(crops: CropSettings) -> str:
    """What `parse_faces` reads as these crops, such as "eyes:0.1"."""
    return f"{crops.align}:{crops.margin:g}"


def parse_faces(text: str) -> CropSettings | None:
    """How faces were cut out, of the setting `faces`; None for empty.

    Raises:
        InputError: it is no such setting.
    """
    if not text:
        return None
    align, _, margin = text.partition(":")
    try:
        crops = CropSettings(align=align)
        return dataclasses.replace(crops, margin=float(margin)) if margin else crops
    except ValueError:
        raise InputError(
            f"`faces={text}`: give eyes or none, perhaps with a margin as in eyes:0.1."
        ) from None
