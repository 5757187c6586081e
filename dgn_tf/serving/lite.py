"""A field on a device: .tflite files run and images warped, with NumPy and no TensorFlow."""

import os
from typing import Any

import numpy as np

from dgn_tf.utils.arrays import checked_images, checked_numbers, named_array
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import user_path
from dgn_tf.utils.quiet import quiet_libraries
from dgn_tf.utils.reading import require_regular

BORDERS = ("edge", "zeros")


class LiteModel:
    """A .tflite file that dgn_tf.export wrote, run by the package ai-edge-litert.

    Args:
        path: of the file.

    Raises:
        ImportError: ai-edge-litert is not installed (`pip install "dgn_tf[lite]"`).
        InputError: there is no such file, or it is no .tflite file.
    """

    def __init__(self, path: str | os.PathLike):
        file = user_path(path)
        try:
            require_regular(file)
            with quiet_libraries():
                interpreter = make_interpreter(model_path=str(file))
                # Else it would tell of its delegate at the first call.
                interpreter.allocate_tensors()
        except FileNotFoundError:
            raise InputError(f"`path={path}`: there is no such file.") from None
        except (OSError, ValueError, RuntimeError) as error:
            reason = (isinstance(error, OSError) and error.strerror) or error
            raise InputError(f"`path={path}` cannot be read as a .tflite file: {reason}.") from None
        self._run = interpreter.get_signature_runner()
        # The sizes of each input, in which -1 stands for a free batch.
        self._shapes = {
            name: list(details["shape_signature"])
            for name, details in self._run.get_input_details().items()
        }

    def __call__(self, **inputs: Any) -> dict[str, np.ndarray]:
        """Outputs by name of any number of examples: float32 [B, ...].

        Args:
            **inputs: z_geometry, or z_appearance, or both: [B, d]; of an encoder's file the image,
                floating [B, S, S, C] in [0, 1].

        Raises:
            InputError: other inputs than the file has, different numbers of examples, or wrong
                shapes, types or numbers.
        """
        if set(inputs) != set(self._shapes):
            given = ", ".join(inputs) or "nothing"
            raise InputError(f"the file takes {', '.join(self._shapes)}; it is given {given}.")
        checked = {name: self._checked(name, value) for name, value in inputs.items()}
        sizes = {name: len(value) for name, value in checked.items()}
        if len(set(sizes.values())) > 1:
            raise InputError(f"inputs must have the same number of examples; they have {sizes}.")
        if all(shape[0] == -1 for shape in self._shapes.values()):
            return self._run(**checked)
        # A file of an earlier version takes one example at a time.
        answers = [
            self._run(**{name: value[row : row + 1] for name, value in checked.items()})
            for row in range(next(iter(sizes.values())))
        ]
        return {name: np.concatenate([each[name] for each in answers]) for name in answers[0]}

    def _checked(self, name: str, value: Any) -> np.ndarray:
        shape = [None, *(int(size) for size in self._shapes[name][1:])]
        if name == "image":
            return checked_images(name, value, shape, 0.0, 1.0)
        return checked_numbers(name, value, shape)


def make_interpreter(**source: Any) -> Any:
    """An interpreter of ai-edge-litert that answers every call alike.

    Files with float16 numbers run without XNNPACK. It unpacks them at the first call alone, into
    memory that other tensors share, so that later calls of the same number of examples may compute
    with what these have left there (ai-edge-litert 2.3).

    Args:
        **source: model_path, or model_content.

    Raises:
        ImportError: ai-edge-litert is not installed.
        ValueError, RuntimeError: it is no .tflite file.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(**source)
    if all(tensor["dtype"] != np.float16 for tensor in interpreter.get_tensor_details()):
        return interpreter
    plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    return Interpreter(**source, experimental_op_resolver_type=plain)


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
        InputError: shapes that do not fit, another type, a NaN or an infinity, or an unknown
            border.
    """
    image = named_array("image", image)
    if border not in BORDERS:
        raise InputError(f"border must be one of {', '.join(BORDERS)}; got {border!r}.")
    if image.dtype != np.uint8 and not np.issubdtype(image.dtype, np.floating):
        raise InputError(f"image must be floating or uint8, not {image.dtype}.")
    sizes = [None, None] if image.ndim == 2 else [None, None, None]
    numbers = checked_numbers("image", image, sizes)
    displacement = checked_numbers("displacement", displacement, [*image.shape[:2], 2])
    height, width = image.shape[:2]
    pixels = numbers.reshape(height, width, -1)
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

    Raises:
        InputError: not such a field, or sizes that are no whole numbers from 1 up.
    """
    sizes = (height, width)
    if not all(isinstance(size, int | np.integer) and size >= 1 for size in sizes):
        raise InputError(
            f"height and width must be whole numbers from 1 up, not {height!r} and {width!r}."
        )
    size = np.shape(displacement)[:1] or [None]
    displacement = checked_numbers("displacement", displacement, [*size, *size, 2])
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
