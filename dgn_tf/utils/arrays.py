"""Arrays that a caller gives, checked before any work: shape, type, finite, in range."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dgn_tf.utils.errors import InputError

# Resizing and rounding may leave a range by so much.
ROUNDING = 1e-3


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
    array = np.asarray(images)
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
    array = np.asarray(numbers)
    if array.dtype.kind not in "fiu":
        raise InputError(f"{name} must be numbers, not {array.dtype}.")
    sizes = ["any" if size is None else str(size) for size in shape]
    fits = array.ndim == len(shape) and array.size > 0
    if not fits or any(w not in (None, s) for w, s in zip(shape, array.shape, strict=True)):
        raise InputError(
            f"{name} must have shape [{', '.join(sizes)}]; it has {list(array.shape)}."
        )
    with np.errstate(over="ignore"):
        array = array.astype(np.float32, copy=False)
    finite = np.isfinite(array)
    if not finite.all():
        place = ", ".join(str(index) for index in np.argwhere(~finite)[0])
        raise InputError(f"{name} must be finite; there is a NaN or an infinity at [{place}].")
    return array
