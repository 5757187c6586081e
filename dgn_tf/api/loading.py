"""Images and clips of any kind as `Examples`: paths, data sets by name, arrays."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from dgn_tf.api.arrays import examples_of_clips, examples_of_images, images_of, listed
from dgn_tf.config import DataConfig
from dgn_tf.config.data import faces_text, parse_faces
from dgn_tf.config.fields import typed, whole_number
from dgn_tf.data.cropping.cutting import FaceCutter
from dgn_tf.data.cropping.noted import noted_faces
from dgn_tf.data.examples import Examples, stable_id
from dgn_tf.data.sources import load, paths_of, source_of
from dgn_tf.data.sources.files import load_files
from dgn_tf.data.sources.walking import kind_of
from dgn_tf.utils.arrays import named_array
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import user_path
from dgn_tf.utils.progress import progress_bar

# A path, the name of a data set, arrays, images of Pillow, several of these, or `Examples`.
Source: TypeAlias = Any


def load_images(
    source: Source,
    side: int = 64,
    align: str | None = None,
    *,
    channels: int = 3,
    limit: int = 0,
    labels: Sequence[int] | np.ndarray | None = None,
) -> Examples:
    """Images as a data set to train on or to infer.

    Images of any size become squares: the middle, or with `align` the largest face.

    Examples:
        >>> import numpy as np
        >>> import dgn_tf as dgn
        >>> dgn.load_images(np.random.default_rng(0).random([5, 48, 64, 3]), side=32)
        Examples(5 images, 32x32x3)

    Args:
        source: a folder of images, an image file, an .npz file, a ZIP archive, or whatever else
            `--data` of `dgn train` takes, such as "heads:test"; a list of image files; an array
            [N, H, W], [N, H, W, 1 or 3] or [H, W, 3], uint8 or floats in [0, 1]; a list of such
            images, or of images of Pillow, which are turned as their EXIF orientation says.
        side: of the squares, in pixels: 32, 64, 128 or 256.
        align: "eyes" finds the largest face of each image, and turns and scales it so that the eyes
            lie at the same places in all of them; "eyes:0.2" leaves another margin around it than
            0.1 of its box. Images without a face are left out, which a warning tells, and refused
            where each is named. It needs `pip install "dgn_tf[faces]"`. None takes the middle.
        channels: 1 for gray, 3 for color.
        limit: take the first `limit` images only; 0 takes all.
        labels: the class of each image, whole numbers [N], for a model that is given them.

    Returns:
        N images. They know how faces were cut out of them (`faces`), here or by `dgn prepare`, and
        so does a model that learns from them.

    Raises:
        InputError: an argument cannot be used; the message names it.
    """
    examples = as_images(source, side, channels, _asked_for(align, side, channels), limit)
    return examples if labels is None else _with_labels(examples, labels)


def load_clips(
    source: Source,
    side: int = 64,
    frames: int = 8,
    *,
    stride: int = 1,
    fps: float = 0.0,
    channels: int = 3,
    limit: int = 0,
) -> Examples:
    """Clips of `frames` frames each as a data set to train on or to infer.

    Examples:
        >>> import numpy as np
        >>> import dgn_tf as dgn
        >>> dgn.load_clips(np.zeros([2, 4, 40, 40, 3], np.uint8), side=32, frames=4)
        Examples(2 clips of 4 frames, 32x32x3)

    Args:
        source: a folder of videos, a video, an .npz file, or whatever else `--data` of `dgn train`
            takes with `--frames`; a list of videos; an array [N, F, H, W, C] or, of one clip,
            [F, H, W, C], uint8 or floats in [0, 1].
        side: of the frames, in pixels: 32, 64, 128 or 256.
        frames: of a clip; longer videos give several clips.
        stride: take every `stride`-th frame.
        fps: of videos, frames a second to take; 0 takes all.
        channels: 1 for gray, 3 for color.
        limit: take the first `limit` clips only; 0 takes all.

    Returns:
        N clips.

    Raises:
        InputError: an argument cannot be used; the message names it.
    """
    frames = whole_number("frames", frames, 1)
    data = DataConfig(side=side, channels=channels, frames=frames, stride=stride, fps=fps)
    return as_clips(source, dataclasses.replace(data, limit=limit))


def as_images(
    source: Source, side: int, channels: int, faces: FaceCutter | None = None, limit: int = 0
) -> Examples:
    """The images of a source; arguments and errors as of `load_images`.

    Args:
        source: the images.
        side: of the squares, in pixels.
        channels: 1 or 3.
        faces: what cuts faces out of those that are no crops yet; None takes the middle.
        limit: as many at most; 0 for all.
    """
    data = DataConfig(side=side, channels=channels, limit=limit)
    asked = faces is not None and faces.asked
    if isinstance(source, Examples):
        if asked:
            raise InputError("`align` is for photographs, and Examples are squares already.")
        return _limited(source, data.side, data.channels, None, data.limit)
    try:
        examples = _loaded(source, data, faces)
        how = faces_text(faces.crops) if faces and asked else _noted(source)
    except InputError as error:
        raise InputError(f"`source`: {error}") from None
    return dataclasses.replace(examples, faces=how)


def _asked_for(align: str | None, side: int, channels: int) -> FaceCutter | None:
    """What cuts faces out where `load_images` is asked to; None to take the middle."""
    if align is None or align == "none":
        return None
    try:
        crops = parse_faces(typed("align", align, str))
    except InputError:
        crops = None
    if crops is None or crops.align != "eyes":
        raise InputError(
            f"`align={align}`: must be 'eyes', perhaps with a margin as in 'eyes:0.2', or None."
        )
    return FaceCutter(dataclasses.replace(crops, side=side), channels, align, asked=True)


def _loaded(source: Source, data: DataConfig, faces: FaceCutter | None) -> Examples:
    """The images of what is no `Examples`."""
    if isinstance(source, str | os.PathLike):
        return _read(os.fspath(source), data, faces)
    items = images_of(source)[: data.limit or None]
    if items and all(isinstance(item, str | os.PathLike) for item in items):
        return _of_files([os.fspath(item) for item in items], data, faces)
    # Of an array some may be left out, as of a folder; what is listed is wanted.
    return examples_of_images(items, data, faces, isinstance(source, list | tuple))


def _noted(source: Source) -> str:
    """How `dgn prepare` has cut out the faces of what paths name; empty where it has not."""
    items = source if isinstance(source, list | tuple) else [source]
    if not all(isinstance(item, str | os.PathLike) for item in items):
        return ""
    places = {place for item in items for place in _places(os.fspath(item))}
    found = {noted_faces([place]) for place in places}
    return found.pop() if len(found) == 1 else ""


def _places(path: str) -> list[Path]:
    """Where the images of a path, or of the name of a data set, lie."""
    file = user_path(path)
    is_image = file.is_file() and kind_of(file) == "image"
    return [file.parent] if is_image else paths_of(path)


def _of_files(paths: list[str], data: DataConfig, faces: FaceCutter | None) -> Examples:
    with progress_bar("Reading images") as report:
        return load_files(paths, data.side, data.channels, faces, report)


def as_clips(source: Source, data: DataConfig) -> Examples:
    """The clips of a source, as the settings say; errors as of `load_clips`."""
    if isinstance(source, Examples):
        if data.stride != 1 or data.fps:
            raise InputError("`stride` and `fps` are for videos, and Examples are clips already.")
        return _limited(source, data.side, data.channels, data.frames, data.limit)
    try:
        if isinstance(source, str | os.PathLike):
            return _read(os.fspath(source), data)
        items = listed(source)
        if items is not None and all(isinstance(item, str | os.PathLike) for item in items):
            return _of_videos([os.fspath(item) for item in items], data)
        return examples_of_clips(source, data)
    except InputError as error:
        raise InputError(f"`source`: {error}") from None


def _read(path: str, data: DataConfig, faces: FaceCutter | None = None) -> Examples:
    """What a path or the name of a data set holds."""
    file = user_path(path)
    if file.is_file() and not data.frames and kind_of(file) == "image":
        return _of_files([path], data, faces)
    if file.is_dir() and data.frames and source_of(path)[0].kind == "folder":
        # Images in a folder are the frames of a clip.
        path = f"clips:{path}"
    with progress_bar("Reading clips" if data.frames else "Reading images") as report:
        return load(dataclasses.replace(data, data=path), report, faces)


def _of_videos(paths: Sequence[str], data: DataConfig) -> Examples:
    if not paths:
        raise InputError("is empty: name at least one video.")
    parts = [_read(path, data) for path in paths]
    images = np.concatenate([part.images[:] for part in parts])[: data.limit or None]
    # Videos in several folders may have the same name.
    pairs = zip(paths, parts, strict=True)
    names = [f"{path}#{name}" for path, part in pairs for name in part.names][: len(images)]
    ids = np.array([stable_id(os.fsencode(name)) for name in names], np.int64)
    return Examples(images, ids, tuple(names))


def _limited(
    examples: Examples, side: int, channels: int, frames: int | None, limit: int
) -> Examples:
    """The first examples, if they are of the right size."""
    found = examples.side, examples.channels, examples.frames
    if found != (side, channels, frames):
        kind = "images" if frames is None else f"clips of {frames} frames"
        raise InputError(
            f"`source` is {examples!r}, and {kind} of {side}x{side}x{channels} are needed: load "
            "them so."
        )
    return examples.subset(np.arange(min(limit, len(examples)))) if limit else examples


def _with_labels(examples: Examples, labels: Sequence[int] | np.ndarray) -> Examples:
    values = named_array("`labels`", labels)
    if values.dtype.hasobject:
        # Numbers that a table keeps as objects.
        values = named_array("`labels`", values.tolist())
    if values.shape != (len(examples),) or values.dtype.kind not in "iu":
        raise InputError(
            f"`labels` must be whole numbers [{len(examples)}], one for each image; they are "
            f"{values.dtype} {list(values.shape)}."
        )
    return dataclasses.replace(examples, factors={**examples.factors, "label": values})
