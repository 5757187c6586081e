"""Arrays that a caller gives, checked before any work: shape, type, finite, in range."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dgn_tf.utils.errors import InputError

# Resizing and rounding may leave a range by so much.
ROUNDING = 1e-3
# Of an image, at most: shorter axes may be channels.
_CHANNELS = (1, 3, 4)


def checked_images(
    name: str, images: Any, shape: Sequence[int | None], low: float, high: float
) -> np.ndarray:
    """Images of floating numbers in a range, as float32.

    Args:
        name: of the argument, for the message.
        images: what the caller gives.
        shape: wanted sizes, None for any from 1 up.
        low: of the range, -1 or 0.
        high: of the range, 1.

    Raises:
        InputError: another shape, integers, a NaN, an infinity, or numbers out of range.
    """
    array = as_numbers(name, images)
    wanted = f"{name} must be floating numbers in [{low:g}, {high:g}]"
    if not np.issubdtype(array.dtype, np.floating):
        scale = "images / 255.0" if low == 0 else "images / 127.5 - 1.0"
        raise InputError(f"{wanted}, not {array.dtype}: bytes from 0 to 255 become so by {scale}.")
    array = checked_numbers(name, array, shape)
    least, most = float(array.min()), float(array.max())
    if least < low - ROUNDING or most > high + ROUNDING:
        raise InputError(f"{wanted}; these go from {least:g} to {most:g}.")
    return array


def checked_numbers(name: str, numbers: Any, shape: Sequence[int | None]) -> np.ndarray:
    """Finite numbers of a shape, as float32.

    Args:
        name: of the argument, for the message.
        numbers: what the caller gives.
        shape: wanted sizes, None for any from 1 up.

    Raises:
        InputError: another shape, something else than numbers, a NaN or an infinity.
    """
    array = as_numbers(name, numbers)
    sizes = ["any" if size is None else str(size) for size in shape]
    fits = array.ndim == len(shape) and array.size > 0
    if not fits or any(w not in (None, s) for w, s in zip(shape, array.shape, strict=True)):
        raise InputError(
            f"{name} must have shape [{', '.join(sizes)}]; it has {list(array.shape)}."
            f"{channels_hint(array.shape) if len(shape) > 2 else ''}"
        )
    with np.errstate(over="ignore"):
        array = array.astype(np.float32, copy=False)
    finite = np.isfinite(array)
    if not finite.all():
        place = ", ".join(str(index) for index in np.argwhere(~finite)[0])
        raise InputError(f"{name} must be finite; there is a NaN or an infinity at [{place}].")
    return array


def as_array(values: Any) -> np.ndarray:
    """What NumPy makes of something that holds numbers: a list, a table, a tensor.

    Raises:
        InputError: its parts have different shapes, some of it is masked, or NumPy cannot make an
            array of it; the message is the rest of a sentence that begins with the name.
    """
    if np.ma.is_masked(values):
        raise InputError("has masked values: fill them, as in source.filled(0).")
    try:
        return np.asarray(values)
    except ValueError:
        raise InputError("has parts of different shapes: give them the same.") from None
    except Exception as error:
        # Foreign classes raise nearly anything, such as tensors that are on a GPU.
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"is {type(values).__name__}, of which NumPy makes no array ({reason}): give an array, "
            "of tensors such as that of tensor.detach().cpu().numpy()."
        ) from None


def named_array(name: str, values: Any) -> np.ndarray:
    """`as_array` of an argument.

    Args:
        name: of the argument, which the message begins with.
        values: what the caller gives.

    Raises:
        InputError: as of `as_array`.
    """
    try:
        return as_array(values)
    except InputError as error:
        raise InputError(f"{name} {error}") from None


def as_numbers(name: str, values: Any) -> np.ndarray:
    """What a caller gives as an array of numbers, of whatever shape and type.

    Args:
        name: of the argument, for the message.
        values: what the caller gives.

    Raises:
        InputError: as of `as_array`, or it is something else than numbers.
    """
    array = named_array(name, values)
    if array.dtype.kind not in "fiu":
        raise InputError(f"{name} must be numbers, not {array.dtype}.")
    return array


def channels_hint(shape: Sequence[int]) -> str:
    """The end of a message about images of a shape that is refused: how channels get last.

    Empty where they do not seem to come first, as PyTorch has them.
    """
    for axis in (-3, -4):
        first = len(shape) >= -axis and shape[axis] in (1, 3)
        if first and min(shape[axis + 1 :]) > max(_CHANNELS):
            return f" Channels are wanted last: give np.moveaxis(array, {axis}, -1)."
    return ""


def require_told_apart(shape: Sequence[int]) -> None:
    """Refuses [3, H, W], which may be three gray images or one whose channels come first.

    Raises:
        InputError: it is such a shape; the message is the rest of a sentence that begins with the
            name.
    """
    if len(shape) == 3 and shape[0] == 3 and channels_hint(shape):
        raise InputError(
            f"is {list(shape)}, one image with its channels first or three gray images: give "
            "np.moveaxis(array, 0, -1) of an image, array[..., None] of gray ones."
        )
