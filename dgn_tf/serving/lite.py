"""A field on a device: .tflite files run and images warped, with NumPy and no TensorFlow."""

import os
from typing import Any

import numpy as np

from dgn_tf.utils.files import user_path

BORDERS = ("edge", "zeros")


class LiteModel:
    """A .tflite file that dgn_tf.export wrote, run by the package ai-edge-litert.

    Args:
        path: of the file.

    Raises:
        ImportError: ai-edge-litert is not installed (`pip install "dgn_tf[lite]"`).
        ValueError: not a .tflite file.
    """

    def __init__(self, path: str | os.PathLike):
        from ai_edge_litert.interpreter import Interpreter

        interpreter = Interpreter(model_path=str(user_path(path)))
        self._run = interpreter.get_signature_runner()

    def __call__(self, **inputs: Any) -> dict[str, np.ndarray]:
        """Outputs by name of one example: float32 [1, ...].

        Args:
            **inputs: z_geometry, or z_appearance, or both: float32 [1, d].
        """
        return self._run(**{name: np.asarray(z, np.float32) for name, z in inputs.items()})


def warp(image: np.ndarray, displacement: np.ndarray, border: str = "edge") -> np.ndarray:
    """Eq. 2 to 4 in NumPy: output(x, y) = image(x + dx, y + dy), bilinear.

    Args:
        image: [H, W, C] or [H, W], floating or uint8, of any range.
        displacement: [H, W, 2], (dx, dy) in pixels; x points right, y down. `enlarge` makes it for
            an image larger than the field.
        border: outside the image, "edge" repeats its border, "zeros" is 0.

    Returns:
        The shape of `image`: float32, or uint8 for uint8.

    Raises:
        ValueError: shapes that do not fit, or an unknown border.
    """
    image, displacement = np.asarray(image), np.asarray(displacement, np.float32)
    if border not in BORDERS:
        raise ValueError(f"border must be one of {', '.join(BORDERS)}; got {border!r}.")
    if image.ndim not in (2, 3) or displacement.shape != (*image.shape[:2], 2):
        raise ValueError(
            f"displacement must have shape [H, W, 2] with the H, W of image {image.shape}; got "
            f"{displacement.shape}."
        )
    height, width = image.shape[:2]
    pixels = image.reshape(height, width, -1).astype(np.float32)
    x = np.arange(width, dtype=np.float32) + displacement[..., 0]
    y = np.arange(height, dtype=np.float32)[:, None] + displacement[..., 1]
    if border == "edge":
        x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    else:
        # A frame of zeros, wide enough for the pixel in which a sample fades.
        pixels = np.pad(pixels, ((2, 2), (2, 2), (0, 0)))
        x, y = np.clip(x, -2, width + 1) + 2, np.clip(y, -2, height + 1) + 2
    warped = _bilinear(pixels, x, y).reshape(image.shape)
    return np.rint(warped).astype(np.uint8) if image.dtype == np.uint8 else warped


def enlarge(displacement: np.ndarray, height: int, width: int) -> np.ndarray:
    """A field for an image of another size than the model's.

    The field lies on the center square of the image, and goes on beyond it as at its border.

    Args:
        displacement: [S, S, 2], (dx, dy) in pixels of the model's images.
        height: of the image in pixels.
        width: likewise.

    Returns:
        float32 [height, width, 2], (dx, dy) in pixels of the image.
    """
    displacement = np.asarray(displacement, np.float32)
    side, edge = displacement.shape[0], min(height, width)

    def places(size: int) -> np.ndarray:
        # A pixel's center is half a pixel from its corner, before and after.
        inside = np.clip(np.arange(size) - (size - edge) // 2, 0, edge - 1)
        return np.clip((inside + 0.5) * side / edge - 0.5, 0, side - 1)

    x, y = np.meshgrid(places(width), places(height))
    return _bilinear(displacement, x, y) * np.float32(edge / side)


def _bilinear(pixels: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Pixels [H, W, C] at the places x and y [h, w] in the image: float32 [h, w, C]."""
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    right = np.minimum(left + 1, pixels.shape[1] - 1)
    bottom = np.minimum(top + 1, pixels.shape[0] - 1)
    a, b = ((x - left)[..., None], (y - top)[..., None])
    upper = (1 - a) * pixels[top, left] + a * pixels[top, right]
    lower = (1 - a) * pixels[bottom, left] + a * pixels[bottom, right]
    return ((1 - b) * upper + b * lower).astype(np.float32)
