"""What dgn_tf.sample and dgn_tf.morph paint, and into which file."""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

from dgn_tf.config.alignment import align_setting
from dgn_tf.config.fields import Typed, require, require_choice, setting
from dgn_tf.config.infer import check_format
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import user_path

SUFFIXES = (".png", ".gif", ".mp4")
SOURCES = ("", "training", "prior")
MORPHED = ("all", "appearance", "geometry")
# More images than a sheet can show.
_MOST_SEEDS = 1024
_SPAN = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")


@dataclasses.dataclass(frozen=True)
class SampleSettings(Typed):
    """Which samples are painted, and into which file."""

    seeds: str = setting("0-15", "Numbers of the samples, as in 0-15 or 3,5,8-10: one image each.")
    output: str = setting(
        "samples.png",
        "File to write: .png, all samples in a grid; .gif or .mp4, a walk from each to the next.",
    )
    overwrite: bool = setting(False, "Replace the file of --output, if there is one.")
    source: str = setting(
        "",
        "Where samples come from: training, the distribution of the latents of the training "
        "images; prior, N(0, I). By default training, where it is known.",
        SOURCES,
    )
    columns: int = setting(0, "PNG: samples in a row; 0 for about as many as there are rows.")
    frames: int = setting(24, "GIF and MP4: frames from one sample to the next; 25 are a second.")

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        parse_seeds(self.seeds)
        require_choice(self, "source")
        require(0 <= self.columns <= _MOST_SEEDS, "columns", self.columns, "0 or more")
        require(1 <= self.frames <= 1000, "frames", self.frames, "from 1 to 1000")


@dataclasses.dataclass(frozen=True)
class MorphSettings(Typed):
    """How images become each other, and in which file."""

    output: str = setting(
        "morph.gif",
        "File to write: .png, a strip; .gif or .mp4, an animation there and back again.",
    )
    overwrite: bool = setting(False, "Replace the file of --output, if there is one.")
    group: str = setting(
        "all",
        "What changes: all; appearance, in the geometry of the first image; geometry, with the "
        "appearance of the first.",
        MORPHED,
    )
    columns: int = setting(7, "PNG: images from one to the next, both counted.")
    frames: int = setting(24, "GIF and MP4: frames from one image to the next; 25 are a second.")
    align: str = align_setting()

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        require_choice(self, "group", "align")
        require(2 <= self.columns <= 100, "columns", self.columns, "from 2 to 100")
        require(1 <= self.frames <= 1000, "frames", self.frames, "from 1 to 1000")


def parse_seeds(text: str) -> list[int]:
    """The numbers that "0-15" or "3,5,8-10" stand for.

    Raises:
        InputError: anything else, or more than 1,024 numbers.
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = _SPAN.fullmatch(part.strip())
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if last < first:
            raise InputError(f"`seeds={text}`: must be numbers such as 0-15 or 3,5,8-10.")
        if len(seeds) + last - first >= _MOST_SEEDS:
            raise InputError(f"`seeds={text}`: must be at most {_MOST_SEEDS} numbers.")
        seeds += range(first, last + 1)
    return seeds


def check_output(output: str, overwrite: bool, suffixes: Sequence[str] = SUFFIXES) -> None:
    """Check that a file can be painted: its suffix, and that none is lost.

    Raises:
        InputError: another suffix, a folder or file that is there, or MP4 without what writes it.
    """
    path = user_path(output)
    if path.suffix.lower() not in suffixes:
        raise InputError(f"`output={output}`: must end in one of {', '.join(suffixes)}.")
    if path.is_dir():
        raise InputError(f"`output={output}` is a folder: name a file.")
    if path.exists() and not path.is_file():
        raise InputError(f"`output={output}` is a pipe or device: name a file.")
    if path.exists() and not overwrite:
        raise InputError(f"`output={output}` exists: name another file, or give `overwrite`.")
    check_format(path.suffix.lower().removeprefix("."), "output")


def is_animation(output: str) -> bool:
    """Whether a file that `check_output` let pass moves."""
    return Path(output).suffix.lower() != ".png"
