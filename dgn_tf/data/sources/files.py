"""Image files that are named one by one, or given as bytes."""

import io
import os
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageOps

from dgn_tf.data.examples import Examples, stable_id
from dgn_tf.data.sources.folders import FORMATS, find_images, printable
from dgn_tf.data.squares import eight_bits, square
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import user_path

# More pixels than any camera's image has, once a JPEG is decoded at a fraction of its size.
MOST_SENT_PIXELS = 64_000_000


def load_files(paths: Sequence[str], side: int, channels: int) -> Examples:
    """Reads image files (JPEG, PNG, WebP, BMP or GIF); they become squares as `square` says.

    Args:
        paths: the files, in the order of the examples.
        side: the side of the images, in pixels.
        channels: 1 or 3.

    Returns:
        The examples, named by their paths as given.

    Raises:
        InputError: there is no path, a file cannot be read, or is named twice.
    """
    if not paths:
        raise InputError("no image file is named")
    for path in paths:
        if paths.count(path) > 1:
            raise InputError(f"{path} is named twice: name different images")
    images = np.stack([_read(path, lambda image: square(image, side, channels)) for path in paths])
    ids = np.array([stable_id(os.fsencode(path)) for path in paths], np.int64)
    return Examples(images, ids, tuple(paths))


def load_photograph(path: str) -> np.ndarray:
    """Reads one image file at its own size, upright: uint8 [H, W, 3].

    Raises:
        InputError: the file cannot be read.
    """

    def whole(image: Image.Image) -> np.ndarray:
        return np.asarray(eight_bits(ImageOps.exif_transpose(image)).convert("RGB"))

    return _read(path, whole)


def load_photographs(path: str, most: int) -> dict[str, np.ndarray]:
    """Reads an image file, or all under a folder, each as `load_photograph` does: by name.

    Raises:
        InputError: there is none, there are more than `most`, or one cannot be read.
    """
    root = user_path(path)
    files = find_images(root) if root.is_dir() else [""]
    if len(files) > most:
        raise InputError(f"{path} holds {len(files)} image files: give at most {most}")
    return {printable(file or root.name): load_photograph(str(root / file)) for file in files}


def load_bytes(content: bytes, name: str, side: int, channels: int) -> np.ndarray:
    """The square image, as `square` says, of a file's content: uint8 [side, side, channels].

    Args:
        content: of a JPEG, PNG, WebP, BMP or GIF file, from anyone.
        name: of the file, for messages.
        side: the side of the result, in pixels.
        channels: 1 or 3.

    Raises:
        InputError: it cannot be read, or has more pixels than `MOST_SENT_PIXELS`.
    """

    def small(image: Image.Image) -> np.ndarray:
        image.draft(None, (2 * side, 2 * side))
        if image.width * image.height > MOST_SENT_PIXELS:
            raise InputError(
                f"{name} has {image.width} x {image.height} pixels: give a smaller image"
            )
        return square(image, side, channels)

    return _read(io.BytesIO(content), small, name)


def _read(
    source: str | io.BytesIO, make: Callable[[Image.Image], np.ndarray], name: str = ""
) -> np.ndarray:
    file = user_path(source) if isinstance(source, str) else source
    # A broken file makes decoders raise nearly anything.
    try:
        with Image.open(file, formats=FORMATS) as image:
            return make(image)
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{source} does not exist: name image files") from None
    except Image.DecompressionBombError:
        raise InputError(f"{name or source} has far too many pixels: give a smaller one") from None
    except Exception as error:
        raise InputError(
            f"{name or source} cannot be read as an image ({type(error).__name__}): "
            "give a JPEG, PNG, WebP, BMP or GIF file"
        ) from error
