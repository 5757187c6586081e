"""Faces that are turned and scaled so that their eyes lie at the same places."""

import functools
import importlib.util
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from PIL import Image

from dgn_tf.config.prepare import CropSettings
from dgn_tf.data.cropping.crops import read_upright
from dgn_tf.data.cropping.detection import Detector, load_detector
from dgn_tf.data.cropping.faces import faces_of
from dgn_tf.data.decoding import first_line
from dgn_tf.data.examples import Examples, stable_id
from dgn_tf.data.squares import square_array
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.progress import progress_bar

_log = logging.getLogger(__name__)

# The name of an image with its file or its pixels.
Picture: TypeAlias = tuple[str, Path | np.ndarray | Image.Image]


def load_aligned(
    pictures: Sequence[Picture], side: int, channels: int, all_needed: bool
) -> Examples:
    """The largest face of each image, with the eyes at the same places in all of them.

    Args:
        pictures: the images, at least one.
        side: of the squares, in pixels.
        channels: 1 for gray, 3 for color.
        all_needed: whether an image without a face is an error; else it is left out, which a
            warning tells.

    Raises:
        InputError: there is no detector, or no face.
    """
    settings = CropSettings(align="eyes", side=side)
    detector = _detector(settings.min_face, settings.min_confidence)
    with progress_bar("Finding faces") as report:
        found, reasons = faces_of(_upright(pictures), len(pictures), settings, detector, report)
    # Whoever gives images has no flags.
    told = [
        f"{name} ({why.partition(' (--')[0].replace('--', '')})" for name, why in reasons.items()
    ]
    if reasons and (all_needed or not found):
        raise InputError(f"no face for `align=eyes` in {told[0]}: use `align=None` for it.")
    if told:
        _log.warning(
            "%d of %d images are left out, which have no face that can be aligned; the first is %s",
            len(told),
            len(pictures),
            told[0],
        )
    images = np.stack([square_array(face, side, channels) for face in found.values()])
    ids = np.array([stable_id(name.encode(errors="surrogateescape")) for name in found], np.int64)
    return Examples(images, ids, tuple(found))


@functools.lru_cache(maxsize=1)
def _detector(min_face: int, min_confidence: float) -> Detector:
    # One for all calls: its networks take seconds to load.
    if importlib.util.find_spec("mtcnn") is None:
        raise InputError('`align=eyes` needs a face detector: pip install "dgn_tf[faces]".')
    return load_detector(min_face, min_confidence)


def _upright(pictures: Sequence[Picture]) -> Iterator[tuple[str, Image.Image | str]]:
    for name, source in pictures:
        if isinstance(source, Path):
            # A broken file makes decoders raise nearly anything.
            try:
                yield name, read_upright(source)[0]
            except Exception as error:
                yield name, f"cannot be read: {type(error).__name__}: {first_line(error)}"
        else:
            pixels = np.asarray(source)
            gray = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels
            yield name, Image.fromarray(gray).convert("RGB")
