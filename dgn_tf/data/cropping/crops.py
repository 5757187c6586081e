"""Squares cut out of photographs, upright or turned."""

import math
from pathlib import Path

import numpy as np
from PIL import Image

from dgn_tf.data.cropping.detection import Face
from dgn_tf.data.decoding import decode
from dgn_tf.data.squares import eight_bits
from dgn_tf.utils.files import atomic_write

# What MTCNN's box is, medians over 200 portraits from all sides but profile: the eyes are this
# many of its longer sides apart, and its center is this many eye distances below them.
_EYE_DISTANCE = 0.35
_BELOW_EYES = 0.33
# Eyes closer than this, in longer sides of the box, would blow the face up.
_CLOSEST_EYES = 0.2


def read_upright(file: Path) -> tuple[Image.Image, str]:
    """Reads an image file as folders of images are read, without cropping.

    Returns:
        An RGB image: orientation applied, transparency on white, 16 bits scaled to 8; and what of
        its metadata was ignored, or empty.

    Raises:
        Exception: whatever the decoder raises for a broken file.
    """
    image, ignored = decode(file)
    return eight_bits(image).convert("RGB"), ignored


def eyes_can_align(face: Face) -> bool:
    """Whether the eyes are far enough apart; in profiles they are not."""
    return math.dist(*face.eyes) >= _CLOSEST_EYES * face.longer


def face_square(face: Face, align: str, margin: float) -> tuple[tuple[float, float], float, float]:
    """The square to cut around a face.

    With `align` "none" it is upright, centered on the face's box, and its edge is the longer side
    of the box times 1 + 2 `margin`. With "eyes" the two eyes come to lie level at the same two
    places in every crop: 0.35 / (1 + 2 margin) of the edge apart, and at the height that they
    have on average with "none", 0.12 / (1 + 2 margin) edges above the middle.

    Returns:
        The center (x, y) and the edge in pixels, and the angle in radians by which the square is
        turned clockwise, as the viewer sees it.
    """
    around = 1 + 2 * margin
    if align == "none":
        left, top, width, height = face.box
        return (left + width / 2, top + height / 2), face.longer * around, 0.0
    (x0, y0), (x1, y1) = face.eyes
    across, down = x1 - x0, y1 - y0
    center = ((x0 + x1) / 2 - _BELOW_EYES * down, (y0 + y1) / 2 + _BELOW_EYES * across)
    return center, math.hypot(across, down) / _EYE_DISTANCE * around, math.atan2(down, across)


def cut(
    image: Image.Image, center: tuple[float, float], edge: float, angle: float, side: int
) -> Image.Image:
    """Cuts a square out of an RGB image; where it reaches outside, border pixels are repeated.

    Args:
        image: the image.
        center: (x, y) in pixels, (0, 0) being the image's upper left corner.
        edge: the length of the square's edges in pixels.
        angle: the square is turned by this clockwise, radians.
        side: the side of the result in pixels.

    Returns:
        RGB, `side` by `side`, antialiased.
    """
    # Sampled at steps of at most one pixel, then reduced, so that no pixel is skipped.
    fine = side * max(1, math.ceil(edge / side))
    along, across = edge / fine * math.cos(angle), edge / fine * math.sin(angle)
    reach = edge / 2 * (abs(math.cos(angle)) + abs(math.sin(angle))) + 2
    region, left, top = _region(image, center, reach)
    x, y = center[0] - left, center[1] - top
    matrix = (
        along,
        -across,
        x - fine / 2 * (along - across),
        across,
        along,
        y - fine / 2 * (across + along),
    )
    square = region.transform(
        (fine, fine), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC
    )
    return square.resize((side, side), Image.Resampling.LANCZOS) if fine > side else square


def _region(
    image: Image.Image, center: tuple[float, float], reach: float
) -> tuple[Image.Image, int, int]:
    """The part of an image around a center, continued by its border, and where it begins."""
    bounds, inside, outside = [], [], []
    for middle, length in zip(center, image.size, strict=True):
        low, high = math.floor(middle - reach), math.ceil(middle + reach)
        first, last = min(max(low, 0), length - 1), max(min(high, length), 1)
        bounds.append(min(low, first))
        inside.append((first, last))
        outside.append((first - bounds[-1], max(high - last, 0)))
    (left, right), (top, bottom) = inside
    pixels = np.asarray(image.crop((left, top, right, bottom)))
    padded = np.pad(pixels, (outside[1], outside[0], (0, 0)), mode="edge")
    return Image.fromarray(padded), bounds[0], bounds[1]


def save(image: Image.Image, path: Path) -> None:
    """Writes a PNG or, with the suffix .jpg, a JPEG file, whole or not at all."""
    # Chroma at full resolution: crops are small, and colors are what appearance is about.
    options = {"quality": 95, "subsampling": 0} if path.suffix == ".jpg" else {}
    with atomic_write(path) as partial:
        image.save(partial, "JPEG" if path.suffix == ".jpg" else "PNG", **options)
