"""The one way in which image files are read: by their content, upright, whatever else is damaged.

Only pixels and the orientation are used of a file. Metadata that cannot be read (EXIF, XMP, color
profiles, texts) are ignored, and said to be.
"""

import functools
import io
import logging
import os
import threading
import warnings
from collections.abc import Callable
from typing import BinaryIO, NamedTuple, TypeAlias, TypeVar

import numpy as np
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from dgn_tf.data.bare import without_metadata
from dgn_tf.data.kinds import HEAD, is_heif
from dgn_tf.utils.reading import open_regular

FORMATS = "JPEG, PNG, WebP, BMP, GIF, TIFF, AVIF, JPEG 2000, PGM, PPM or HEIC"
# The names of these in Pillow: naming them keeps it from its other decoders. Two are not in every
# build of it, and one comes with a plugin.
_PLUGINS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "JPEG2000", "PPM", "HEIF")
# What turns or mirrors the pixels of each EXIF orientation upright.
ORIENTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# A tag of TIFF, and one of its values.
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0
# Without the name of a file Pillow's warning of large images helps nobody: `decode` tells of them.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
# What Pillow warns of is damage to metadata, which is told here for all files together, or to what
# follows the image that is read. It names a line of its own, and no file.
warnings.filterwarnings("ignore", module=r"PIL\.(Jpeg|Png|Tiff)ImagePlugin")
# Python's filters of warnings belong to all threads.
_WARNINGS = threading.Lock()

# Pixels of an image that is more likely an attack, or a map, than a photograph.
HUGE = 89_478_485

_log = logging.getLogger(__name__)

File: TypeAlias = str | os.PathLike | BinaryIO
Result = TypeVar("Result")


class Decoded(NamedTuple):
    """An image that was read.

    Attributes:
        image: upright, of any mode, its pixels in memory.
        ignored: what of its metadata could not be read, or empty.
    """

    image: Image.Image
    ignored: str


class TooManyPixels(ValueError):
    """An image is larger than its reader takes; the message says how large."""


@functools.cache
def formats() -> tuple[str, ...]:
    """The formats that are read here, by their names in Pillow."""
    try:
        import pillow_heif  # pyright: ignore[reportMissingImports]

        pillow_heif.register_heif_opener()
    except ImportError:
        pass
    Image.init()
    return tuple(name for name in _PLUGINS if name in Image.OPEN)


def decode(file: File, side: int = 0, most_pixels: int = 0, name: str = "") -> Decoded:
    """Reads an image file, of an animation the first frame. A warning tells of one that is huge.

    Args:
        file: its path, or what its bytes are read from, from the beginning on.
        side: if given, the image may be smaller than in the file, yet at least twice this large:
            JPEGs decode several times faster at a fraction of their size.
        most_pixels: if given, larger images are refused before they are decoded.
        name: of the file for the warning; by default its path.

    Raises:
        OSError: the file is missing, not a regular one, or cannot be read.
        TooManyPixels: there are more than `most_pixels`.
        Exception: whatever the decoder raises for a broken file.
    """

    def whole(image: Image.Image, bare: bool) -> Decoded:
        _draft(image, side)
        if most_pixels and image.width * image.height > most_pixels:
            raise TooManyPixels(f"has {image.width} x {image.height} pixels")
        image.load()
        orientation, ignored = (1, "") if bare else _orientation(image)
        if orientation > 1:
            return Decoded(image.transpose(ORIENTATIONS[orientation]), ignored)
        return Decoded(_black_is_zero(image), ignored)

    decoded, ignored = _open(file, whole)
    width, height = decoded.image.size
    if width * height > HUGE:
        shown = name or (os.fspath(file) if isinstance(file, str | os.PathLike) else "an image")
        _log.warning(
            "%s has %d x %d pixels, more than photographs have: it takes long and %.1f GB of "
            "memory to read.",
            shown,
            width,
            height,
            width * height * len(decoded.image.getbands()) / 1e9,
        )
    return decoded._replace(ignored=ignored or decoded.ignored)


def upright_size(file: File, side: int = 0) -> tuple[int, int, float]:
    """What `decode` makes of a file, told by its header alone.

    Returns:
        Width and height of the upright image in pixels, and how many of them a pixel of the file
        becomes: below 1 for a JPEG that is read at a fraction of its size.

    Raises:
        Exception: as `decode`.
    """

    def header(image: Image.Image, bare: bool) -> tuple[int, int, float]:
        full = image.width
        drafted = _draft(image, side)
        if image.format == "TIFF":
            # Turned by its decoder.
            image.load()
        width, height = image.size
        if not bare and _orientation(image)[0] >= 5:
            width, height = height, width
        return width, height, drafted[1][2] / full if drafted else 1.0

    return _open(file, header)[0]


def _open(file: File, use: Callable[[Image.Image, bool], Result]) -> tuple[Result, str]:
    """What `use` makes of an image file; where metadata spoil that, of the file without them.

    Returns:
        The result, and why metadata were ignored, or empty.
    """

    def attempt(content: BinaryIO, bare: bool) -> Result:
        with open_image(content) as image:
            if bare:
                # Some decoders ask for it on their own.
                image.getexif = Image.Exif
            return use(image, bare)

    with open_regular(file) if isinstance(file, str | os.PathLike) else file as source:
        try:
            return attempt(source, False), ""
        except (Image.DecompressionBombError, TooManyPixels):
            raise
        except Exception as error:
            source.seek(0)
            content = source.read()
            if is_heif(content[:HEAD]) and "HEIF" not in formats():
                raise ValueError('HEIC needs a plugin: pip install "dgn_tf[heic]"') from None
            unknown = isinstance(error, UnidentifiedImageError)
            ignored = "a block of them is damaged" if unknown else first_line(error)
            try:
                return attempt(io.BytesIO(without_metadata(content)), True), ignored
            except Exception:
                raise error from None


def open_image(content: BinaryIO) -> ImageFile.ImageFile:
    """Opens the content of an image file as `Image.open` does, in one of `formats` only."""
    try:
        return Image.open(content, formats=formats())
    except UnidentifiedImageError:
        # Pillow's own text names an object of Python.
        raise UnidentifiedImageError("is no image, or its header is damaged") from None


def upright(image: Image.Image) -> Image.Image:
    """An image that a program has opened, turned as its EXIF orientation says."""
    # Some decoders turn it themselves.
    image.load()
    orientation = _orientation(image)[0]
    return image.transpose(ORIENTATIONS[orientation]) if orientation > 1 else image


def turn_of(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """What makes upright copies of the frames of an animation, which have one EXIF orientation."""
    # Some decoders turn it themselves, others tell the orientation behind the pixels.
    image.load()
    orientation = _orientation(image)[0]
    if orientation > 1:
        return lambda frame: frame.transpose(ORIENTATIONS[orientation])
    return lambda frame: frame.copy()


def _black_is_zero(image: Image.Image) -> Image.Image:
    """A copy of an image; of a gray TIFF of 16 bits whose zero is white, its negative.

    Pillow does so for 8 bits alone.
    """
    if image.format == "TIFF" and image.mode.startswith("I;16"):
        if getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
            # Of 16 bits still: 32 bits may be others in less.
            return Image.fromarray(65535 - np.asarray(image).astype(np.uint16))
    return image.copy()


def _draft(image: Image.Image, side: int) -> tuple | None:
    """Has a JPEG decoded at a fraction of its size, at least twice as large as `side`."""
    return image.draft("", (2 * side, 2 * side)) if side else None


def _orientation(image: Image.Image) -> tuple[int, str]:
    """The EXIF orientation, 1 to 8, and why it is not known, if something is damaged."""
    with _WARNINGS, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            # Decoders may have asked before, and then the same is not said again.
            Image.Exif().load(image.info.get("exif", b""))
            found = image.getexif().get(ExifTags.Base.Orientation, 1)
        except Exception as error:
            return 1, first_line(error)
    ignored = next((first_line(w.message) for w in told if "EXIF" in str(w.message)), "")
    return (found if found in ORIENTATIONS else 1), ignored


def kind_and_line(error: Exception) -> str:
    """The class of an error of a decoder, which may be of nearly any, and its `first_line`."""
    return f"{type(error).__name__}: {first_line(error)}"


def first_line(error: Exception | Warning | str) -> str:
    """What an error says, in one line and without the path that the system adds."""
    # Errors of FFmpeg have a number and a text too, and are of other classes.
    text = str(getattr(error, "strerror", None) or error).strip()
    return (text.splitlines()[0] if text else type(error).__name__)[:200]
