"""Image files that are named one by one, or given as bytes."""

import collections
import io
import os
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from dgn_tf.data.cropping.cutting import FaceCutter
from dgn_tf.data.cropping.faces import NoFace
from dgn_tf.data.decoding import FORMATS, TooManyPixels, decode, kind_and_line
from dgn_tf.data.examples import Examples, stable_id
from dgn_tf.data.masks import tell_masks
from dgn_tf.data.sources.folders import find_images, tell_ignored, tell_unreadable
from dgn_tf.data.sources.walking import printable
from dgn_tf.data.squares import eight_bits, square
from dgn_tf.utils.errors import InputError, telling_closed
from dgn_tf.utils.files import user_path
from dgn_tf.utils.progress import Progress

# More pixels than any camera's image has, once a JPEG is decoded at a fraction of its size.
MOST_SENT_PIXELS = 64_000_000


def load_files(
    paths: Sequence[str],
    side: int,
    channels: int,
    faces: FaceCutter | None = None,
    progress: Progress | None = None,
) -> Examples:
    """Reads image files, of the formats that folders may hold; they become squares as there.

    Args:
        paths: the files, in the order of the examples.
        side: the side of the images, in pixels.
        channels: 1 or 3.
        faces: what cuts faces out of those that are no crops yet; None takes the middle.
        progress: called with (files done, files in all) now and then.

    Returns:
        The examples, named by their paths as given.

    Raises:
        InputError: there is no path, a file cannot be read, or is named twice, or it has no face
            and `faces` refuses that.
    """
    if not paths:
        raise InputError("no image file is named")
    if "" in paths:
        raise InputError("the name of an image file is empty: leave it out, or name one")
    for path, count in collections.Counter(paths).items():
        if count > 1:
            raise InputError(f"{path} is named twice: name different images")
    images = []
    for path in paths:
        images.append(_square(path, side, channels, faces))
        if progress:
            progress(len(images), len(paths))
    ids = np.array([stable_id(os.fsencode(path)) for path in paths], np.int64)
    squares = np.stack(images)
    tell_masks(squares, paths[0] if len(paths) == 1 else f"{len(paths)} image files")
    return Examples(squares, ids, tuple(paths))


def _square(path: str, side: int, channels: int, faces: FaceCutter | None) -> np.ndarray:
    if faces is None or faces.made([user_path(path).parent]):
        return _read(path, path, lambda image: square(image, side, channels))
    try:
        return _read(path, path, lambda image: faces(image, path))
    except NoFace as error:
        raise InputError(
            f"no face for `align=eyes` in {path}: {error}; `align=none` takes its middle."
        ) from None


def load_photograph(path: str) -> np.ndarray:
    """Reads one image file at its own size, upright: uint8 [H, W, 3].

    Raises:
        InputError: the file cannot be read.
    """
    return _read(path, path, _whole)


def load_photographs(path: str, most: int) -> dict[str, np.ndarray]:
    """Reads an image file, or all under a folder, each as `load_photograph` does: by name.

    Of a folder, files that cannot be read are left out, named in a warning.

    Raises:
        InputError: there is none, there are more than `most`, or none can be read.
    """
    root = user_path(path)
    if not root.is_dir():
        return {printable(root.name): load_photograph(path)}
    files = find_images(root)
    if len(files) > most:
        raise InputError(f"{path} holds {len(files)} image files: give at most {most}")
    read, unreadable, ignored = {}, [], []
    for file in files:
        shown = printable(file)
        # A broken file makes decoders raise nearly anything: each is named, none ends the run.
        try:
            image, damage = decode(root / file, name=shown)
            read[shown] = _whole(image)
        except Exception as error:
            unreadable.append(f"{shown} ({kind_and_line(error)})")
            continue
        if damage:
            ignored.append(f"{shown} ({damage})")
    tell_unreadable(f"folder {path}", unreadable, len(files))
    tell_ignored(f"folder {path}", ignored)
    return read


def load_bytes(content: bytes, name: str, side: int, channels: int) -> np.ndarray:
    """The square image, as `square` says, of a file's content: uint8 [side, side, channels].

    Args:
        content: of an image file, from anyone.
        name: of the file, for messages.
        side: the side of the result, in pixels.
        channels: 1 or 3.

    Raises:
        InputError: it cannot be read, or has more pixels than `MOST_SENT_PIXELS`.
    """
    source = io.BytesIO(content)
    return _read(source, name, lambda i: square(i, side, channels), side, MOST_SENT_PIXELS)


def load_whole(content: bytes, name: str, side: int) -> np.ndarray:
    """The upright image of a file's content, not cropped: uint8 [H, W, 3].

    Args:
        content: of an image file, from anyone.
        name: of the file, for messages.
        side: what the shorter side must still have in pixels where large files are read smaller.

    Raises:
        InputError: as of `load_bytes`.
    """
    return _read(io.BytesIO(content), name, _whole, side, MOST_SENT_PIXELS)


def _whole(image: Image.Image) -> np.ndarray:
    return np.asarray(eight_bits(image).convert("RGB"))


@telling_closed()
def _read(
    source: str | io.BytesIO,
    name: str,
    make: Callable[[Image.Image], np.ndarray],
    side: int = 0,
    most_pixels: int = 0,
) -> np.ndarray:
    """What `make` makes of an upright image; `side` and `most_pixels` are those of `decode`."""
    file = user_path(source) if isinstance(source, str) else source
    # A broken file makes decoders raise nearly anything.
    try:
        image, ignored = decode(file, side, most_pixels, name)
        made = make(image)
    except TooManyPixels as error:
        raise InputError(f"{name} {error}: give a smaller image") from None
    except FileNotFoundError:
        raise InputError(f"{name} does not exist: name image files") from None
    except Image.DecompressionBombError:
        raise InputError(f"{name} has far too many pixels: give a smaller one") from None
    except (NoFace, PermissionError):
        raise
    except Exception as error:
        raise InputError(
            f"{name} cannot be read as an image ({kind_and_line(error)}): "
            f"give a file in one of the formats {FORMATS}"
        ) from error
    if ignored and isinstance(source, str):
        tell_ignored(name, [f"{name} ({ignored})"])
    return made
