"""Images: model values to bytes, bigger, captioned, side by side, and onto the disk."""

import io
import math
import os
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dgn_tf.data.examples import as_bytes
from dgn_tf.utils.files import atomic_write
from dgn_tf.utils.painted import marked

# Images on a sheet are enlarged until their side is at least this many pixels.
SHOWN_SIDE = 128
_GAP = 4
_MARGIN = 10
_FONT_SIZE = 14
_INK = (40, 40, 40)


def whole_factor(side: int) -> int:
    """By how much images of `side` pixels are enlarged on a sheet: 4 for 32, 2 for 64."""
    return max(1, -(-SHOWN_SIDE // side))


def as_images(images: np.ndarray, factor: int = 1) -> np.ndarray:
    """Model values to RGB images, enlarged smoothly.

    Args:
        images: [..., S, S, C], C 1 or 3: floats in [-1, 1], or uint8 as stored.
        factor: whole number of image pixels for one image pixel.

    Returns:
        uint8 [..., factor * S, factor * S, 3].
    """
    images = np.asarray(images)
    pixels = images if images.dtype == np.uint8 else as_bytes(images)
    pixels = np.broadcast_to(pixels, (*pixels.shape[:-1], 3))
    if factor == 1:
        return pixels.copy()
    side = pixels.shape[-2]
    size = (factor * side, factor * side)
    flat = pixels.reshape(-1, side, side, 3)
    enlarged = [
        np.asarray(Image.fromarray(np.ascontiguousarray(p)).resize(size, Image.Resampling.BICUBIC))
        for p in flat
    ]
    return np.stack(enlarged).reshape(*pixels.shape[:-3], *size, 3)


def in_square(images: np.ndarray, columns: int = 0) -> list[np.ndarray]:
    """Images [N, ...] as rows of `columns` each; 0 makes about as many rows as columns."""
    columns = columns or math.ceil(math.sqrt(len(images)))
    return [images[first : first + columns] for first in range(0, len(images), columns)]


def lay_out(
    rows: Sequence[np.ndarray], labels: Sequence[str], headings: Sequence[str] = ()
) -> np.ndarray:
    """Images in rows on white, with a caption left of each row and above each column.

    Args:
        rows: for each row uint8 [K, H, W, 3]; H and W are the same everywhere, K may differ.
        labels: a caption for each row; may hold line breaks, may be empty.
        headings: a caption for each column, or none at all.

    Returns:
        uint8 [height, width, 3].

    Raises:
        ValueError: not as many labels as rows.
    """
    font = ImageFont.load_default(_FONT_SIZE)
    ruler = ImageDraw.Draw(Image.new("RGB", (1, 1)))

    def extent(texts):
        boxes = [ruler.multiline_textbbox((0, 0), text, font=font) for text in texts if text]
        return max((b[2] for b in boxes), default=0), max((b[3] for b in boxes), default=0)

    height, width = rows[0].shape[1:3]
    label_width, heading_height = extent(labels)[0], extent(headings)[1]
    left = _MARGIN + (label_width + _MARGIN if label_width else 0)
    top = _MARGIN + (heading_height + _GAP if heading_height else 0)
    columns = max(len(row) for row in rows)
    canvas = Image.new(
        "RGB",
        (
            left + columns * (width + _GAP) - _GAP + _MARGIN,
            top + len(rows) * (height + _GAP) - _GAP + _MARGIN,
        ),
        "white",
    )
    draw = ImageDraw.Draw(canvas)
    for column, heading in enumerate(headings):
        middle = left + column * (width + _GAP) + width // 2
        draw.multiline_text((middle, _MARGIN), heading, _INK, font, anchor="ma", align="center")
    for index, (row, label) in enumerate(zip(rows, labels, strict=True)):
        y = top + index * (height + _GAP)
        middle = (left - _MARGIN, y + height // 2)
        draw.multiline_text(middle, label, _INK, font, anchor="rm", align="right")
        for column, image in enumerate(row):
            canvas.paste(Image.fromarray(image), (left + column * (width + _GAP), y))
    return np.asarray(canvas)


def save_png(path: str | os.PathLike, image: np.ndarray) -> None:
    """Writes a PNG, whole or not at all.

    Args:
        path: where to; its folder is made if need be.
        image: uint8 [H, W, 3], or [H, W, 1] for gray.
    """
    with atomic_write(path) as partial:
        partial.write_bytes(png_bytes(image))


def save_sheet(path: str | os.PathLike, image: np.ndarray) -> None:
    """`save_png` of what is made to be looked at: with a mark, by which data leave it out."""
    with atomic_write(path) as partial:
        partial.write_bytes(marked(png_bytes(image), ".png"))


def png_bytes(image: np.ndarray, level: int = 4) -> bytes:
    """The PNG file of an image, uint8 [H, W, 3], or [H, W, 1] for gray, deflated at `level`.

    Sheets of level 4 are a hundredth larger than those of zlib's usual 6, and made in 0.4 of the
    time.
    """
    pixels = image[..., 0] if image.shape[-1] == 1 else image
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, "PNG", compress_level=level)
    return buffer.getvalue()
