"""Arrays, tables and images of Pillow as `Examples`."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from dgn_tf.config import DataConfig
from dgn_tf.data.cropping.cutting import FaceCutter
from dgn_tf.data.cropping.faces import NoFace
from dgn_tf.data.decoding import upright
from dgn_tf.data.examples import Examples
from dgn_tf.data.masks import tell_masks
from dgn_tf.data.sources.arrays import stored_bytes
from dgn_tf.data.squares import eight_bits, square_array
from dgn_tf.utils.arrays import as_array, channels_hint, require_told_apart
from dgn_tf.utils.errors import InputError

_log = logging.getLogger(__name__)


def images_of(source: Any) -> list[Any]:
    """The images of a list or an array, one by one.

    Raises:
        InputError: there is none, or the array has another shape.
    """
    if isinstance(source, Image.Image):
        return [source]
    items = listed(source)
    if items is not None:
        if not items:
            raise InputError("is empty: give at least one image.")
        return items
    values = as_array(source)
    if values.dtype.kind not in "uif":
        raise InputError(
            f"must be a path, a list of paths, or an array of images; it is {_kind_of(source)}."
        )
    require_told_apart(values.shape)
    single = values.ndim == 2 or (values.ndim == 3 and values.shape[-1] in (1, 3))
    if single:
        values = values[None]
    if values.ndim not in (3, 4) or (values.ndim == 4 and values.shape[-1] not in (1, 3)):
        raise InputError(
            f"images must have shape [N, H, W], [N, H, W, 1 or 3] or [H, W, 3]; it is "
            f"{list(values.shape)}.{channels_hint(values.shape)}"
        )
    if 0 in values.shape:
        raise InputError(f"holds no image: its shape is {list(values.shape)}.")
    # As a whole: a dark image alone would not show that the range is another.
    return list(stored_bytes(values, "its values"))


def listed(source: Any) -> list[Any] | None:
    """A list, or a column of a table that holds something else than numbers; None for others."""
    if isinstance(source, list | tuple):
        return list(source)
    values = as_array(source)
    return values.tolist() if values.ndim == 1 and values.dtype.kind in "OU" else None


def _kind_of(source: Any) -> str:
    """What something is that holds no images, for a message."""
    name = type(source).__name__
    return f"{name} of {source.dtype}" if isinstance(source, np.ndarray) else name


def _pixels(item: Any) -> np.ndarray:
    """An image of an array or of Pillow, uint8 [H, W] or [H, W, C]."""
    if isinstance(item, Image.Image):
        try:
            return np.asarray(eight_bits(upright(item)))
        except ValueError as error:
            raise InputError(f"{error}: give an array of floats in [0, 1].") from None
    image = as_array(item)
    shaped = image.ndim == 2 or (image.ndim == 3 and image.shape[-1] in (1, 3))
    if not shaped or image.size == 0:
        raise InputError(
            f"an image must have shape [H, W] or [H, W, 1 or 3]; there is one of type "
            f"{type(item).__name__} and shape {list(image.shape)}.{channels_hint(image.shape)}"
        )
    return stored_bytes(image, "its values")


def examples_of_images(
    items: Sequence[Any], data: DataConfig, faces: FaceCutter | None, all_needed: bool
) -> Examples:
    """Images, arrays or of Pillow, as squares, named by their rows.

    Args:
        items: as of `images_of`.
        data: side and channels.
        faces: what cuts the faces out; None takes the middle.
        all_needed: whether an image without a face is an error; else it is left out.

    Raises:
        InputError: one of them is no image, or has no face where it is needed.
    """
    images: dict[int, np.ndarray] = {}
    without: dict[int, str] = {}
    for row, item in enumerate(items):
        pixels = _pixels(item)
        if faces is None:
            images[row] = square_array(pixels, data.side, data.channels)
            continue
        try:
            gray = pixels.ndim == 3 and pixels.shape[-1] == 1
            images[row] = faces(Image.fromarray(pixels[..., 0] if gray else pixels), f"image {row}")
        except NoFace as error:
            without[row] = f"image {row}: {error}"
    if without and (all_needed or not images):
        raise InputError(f"no face for `align=eyes` in {next(iter(without.values()))}.")
    if without:
        _log.warning(
            "%d of %d images are left out, which have no face that can be aligned; the first is %s",
            len(without),
            len(items),
            next(iter(without.values())),
        )
    names = tuple(str(row) for row in images)
    stacked = np.stack(list(images.values()))
    tell_masks(stacked, "`source`")
    return Examples(stacked, np.array(list(images), np.int64), names)


def examples_of_clips(source: Any, data: DataConfig) -> Examples:
    """An array of clips as squares, named by their rows; `data` says which frames.

    Raises:
        InputError: it is no array of clips, or they are too short.
    """
    values = as_array(source)
    if values.dtype.kind not in "uif":
        raise InputError(
            f"must be a path, a list of paths, or an array of clips; it is {_kind_of(source)}."
        )
    if data.fps:
        raise InputError(f"is an array, which states no rate: leave `fps={data.fps:g}` out.")
    if values.ndim == 4:
        values = values[None]
    if values.ndim != 5 or values.shape[-1] not in (1, 3) or 0 in values.shape:
        raise InputError(
            f"clips must have shape [N, F, H, W, 1 or 3]; it is {list(values.shape)}."
            f"{channels_hint(values.shape)}"
        )
    values = values[:, :: data.stride][: data.limit or None]
    if values.shape[1] < data.frames:
        raise InputError(
            f"its clips have {values.shape[1]} frames, and `frames={data.frames}` are wanted."
        )
    values = stored_bytes(values[:, : data.frames], "its values")
    squares = [square_array(image, data.side, data.channels) for clip in values for image in clip]
    clips = np.stack(squares).reshape(len(values), data.frames, *squares[0].shape)
    tell_masks(clips, "`source`")
    names = tuple(str(row) for row in range(len(clips)))
    return Examples(clips, np.arange(len(clips), dtype=np.int64), names)
