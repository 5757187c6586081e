"""The one way in which any image, and points in it, become those of a square."""

import numpy as np
from PIL import Image

from dgn_tf.utils.arrays import ROUNDING


def square(image: Image.Image, side: int, channels: int, pixel_aspect: float = 1) -> np.ndarray:
    """Turns any upright image into a square one of the wanted size.

    Gray of more bits is scaled to 8; transparency is composited on white; the center is cropped to
    a square and resized with an antialiasing Lanczos filter. An image whose shorter side is `side`
    already keeps its pixels exactly.

    Args:
        image: a Pillow image of any mode and size, its orientation applied.
        side: the side of the result, in pixels.
        channels: 1 (ITU-R 601 luma) or 3 (RGB).
        pixel_aspect: how many times as wide as high a pixel of the image is shown.

    Returns:
        uint8 [side, side, channels].

    Raises:
        ValueError: as `eight_bits`.
    """
    image = eight_bits(image)
    if pixel_aspect == 1:
        edge = min(image.size)
        left, top = (image.width - edge) // 2, (image.height - edge) // 2
        if image.size != (edge, edge):
            image = image.crop((left, top, left + edge, top + edge))
        if edge != side:
            image = image.resize((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    else:
        edge = min(image.width * pixel_aspect, image.height)
        across, down = edge / pixel_aspect, edge
        # Rounding must not lead out of the image.
        left, top = max(0.0, (image.width - across) / 2), max(0.0, (image.height - down) / 2)
        box = (left, top, min(left + across, image.width), min(top + down, image.height))
        image = image.resize((side, side), Image.Resampling.LANCZOS, box, reducing_gap=3.0)
    pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return pixels.reshape(side, side, channels)


def whole(image: Image.Image, channels: int, pixel_aspect: float = 1) -> np.ndarray:
    """Turns any upright image into pixels at its own size; arguments as of `square`.

    Returns:
        uint8 [H, W, channels]; pixels that are not shown as squares are made so along the width.

    Raises:
        ValueError: as `eight_bits`.
    """
    image = eight_bits(image)
    if pixel_aspect != 1:
        width = max(1, round(image.width * pixel_aspect))
        image = image.resize((width, image.height), Image.Resampling.LANCZOS)
    pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return pixels.reshape(image.height, image.width, channels)


def eight_bits(image: Image.Image) -> Image.Image:
    """Returns the opaque 8-bit image, "L" or "RGB"; what shows through is white.

    Whole numbers of 32 bits are taken for 8 bits if none is above 255, else for 16 bits;
    floating-point numbers lie in [0, 1], as those of arrays.

    Raises:
        ValueError: the numbers of an image have another range.
    """
    if image.mode == "F":
        values = np.asarray(image)
        low, high = float(values.min()), float(values.max())
        if not (low >= -ROUNDING and high <= 1 + ROUNDING):
            raise ValueError(
                f"floating-point values from {low:g} to {high:g} state no range: give [0, 1], or "
                "8 or 16 bits"
            )
        return Image.fromarray(np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8))
    if image.mode == "I" or image.mode.startswith("I;16"):
        # Pillow's own conversion clips at 255; 65535 / 257 is exactly 255.
        values = np.asarray(image.convert("I"))
        low, high = int(values.min()), int(values.max())
        if low < 0 or high > 65535:
            raise ValueError(
                f"whole numbers from {low} to {high} state no range: give 0 to 255 or to 65535"
            )
        scale = 1 if image.mode == "I" and high <= 255 else 257
        return Image.fromarray(np.rint(values / scale).astype(np.uint8))
    if image.has_transparency_data:
        color = image.convert("RGBA")
        white = Image.new("RGBA", color.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, color).convert("RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def square_array(pixels: np.ndarray, side: int, channels: int) -> np.ndarray:
    """Makes one array [H, W] or [H, W, C] of uint8 or uint16 a square, as `square` does.

    Raises:
        ValueError: for any other array.
    """
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim not in (2, 3) or pixels.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"an image is {pixels.dtype} {list(pixels.shape)}, not 8- or 16-bit")
    if pixels.dtype == np.uint16 and pixels.ndim == 3:
        pixels = np.rint(pixels / 257).astype(np.uint8)
    return square(Image.fromarray(pixels), side, channels)


def to_square(points: np.ndarray, width: int, height: int, side: int) -> np.ndarray:
    """Moves points as `square` moves pixels: center crop, then resize.

    Args:
        points: [..., 2], (x, y) in pixels of an image.
        width: of that image, in pixels.
        height: likewise.
        side: the side of the square image made from it.

    Returns:
        float32 [..., 2], (x, y) in pixels of the square image.
    """
    edge = min(width, height)
    corner = np.array([(width - edge) // 2, (height - edge) // 2])
    # A pixel's center is half a pixel from its corner, before and after.
    moved = (np.asarray(points, np.float64) - corner + 0.5) * (side / edge) - 0.5
    return moved.astype(np.float32)
