"""What a data source is: a kind of data that the setting `data` can name."""

import dataclasses
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeAlias

from dgn_tf.config import DataConfig
from dgn_tf.data.cropping.cutting import FaceCutter
from dgn_tf.data.decoding import File
from dgn_tf.data.examples import Examples
from dgn_tf.utils.progress import Progress

# (settings, what follows the kind, reporter of the progress) to the examples. Of the settings,
# `data` has its kind in front, `where` is empty and `limit` is what the source may stop at.
Loader: TypeAlias = Callable[[DataConfig, str, Progress | None], Examples]
# Likewise, with what cuts the faces out of the images.
FaceLoader: TypeAlias = Callable[[DataConfig, str, Progress | None, FaceCutter | None], Examples]


def _nothing(path: str) -> bool:
    del path
    return False


def _whole(rest: str) -> str:
    del rest
    return ""


def _nowhere(rest: str) -> list[Path]:
    del rest
    return []


@dataclasses.dataclass(frozen=True)
class Source:
    """A kind of data, named KIND or KIND:REST.

    Attributes:
        kind: what stands before the colon.
        form: how the data are named, such as "folder:PATH".
        example: of such a name.
        load: reads the examples in the order that every call repeats; raises an `InputError` for
            data that cannot be used.
        images: whether it can hold images.
        clips: whether it can hold clips, of `frames` frames.
        alone: whether KIND without a colon is a name too.
        timing: which of the settings `stride` and `fps` choose among its frames.
        refusal: of the other ones, as the rest of a sentence that begins with the name.
        paths: of the files and folders that are read, given what follows the kind.
        part: which part of a file is read, given what follows the kind; empty for all of it.
        claims: whether the data at a path, given without a kind, are of this kind.
        drawn: whether its factors are the truth that the images were drawn from.
        held_out: name of the examples that a model trained on this kind is measured on by default.
        class_folders: whether the label of an image is the folder that it lies in.
        table: the setting that names a CSV file of what files do not say themselves, "landmarks" or
            "labels".
        landmarks: whether it can bring landmarks, in pixels of its images.
        files: opens what finds the image file of an example by its name, given what follows the
            kind; None where images are no files.
        moving: of clips, the factors that every frame has its own of, where their shape does not
            tell; None where it does.
        photographs: reads the examples with their faces cut out; None where images are no files.
        stored_size: (width, height) of the images before they became squares, given what follows
            the kind; None where that is not known.
    """

    kind: str
    form: str
    example: str
    load: Loader
    images: bool = False
    clips: bool = False
    alone: bool = False
    timing: tuple[str, ...] = ()
    refusal: str = ""
    claims: Callable[[str], bool] = _nothing
    paths: Callable[[str], list[Path]] = _nowhere
    part: Callable[[str], str] = _whole
    drawn: bool = False
    held_out: str = ""
    class_folders: bool = False
    table: str = ""
    landmarks: bool = False
    files: Callable[[str], AbstractContextManager[Callable[[str], File]]] | None = None
    moving: tuple[str, ...] | None = None
    photographs: FaceLoader | None = None
    stored_size: Callable[[str], tuple[int, int]] | None = None
