"""What a model paints: images and clips that are shown, saved and turned into arrays."""

import base64
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dgn_tf.api.latents import Latents
from dgn_tf.config.data import SIDES
from dgn_tf.config.fields import require_positive, typed
from dgn_tf.config.infer import check_format
from dgn_tf.data.file_names import file_names
from dgn_tf.utils.arrays import channels_hint, named_array
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import atomic_write, user_path
from dgn_tf.utils.words import counted
from dgn_tf.visualize.animation import save_animation
from dgn_tf.visualize.clips import shown_frames
from dgn_tf.visualize.images import (
    as_images,
    in_square,
    lay_out,
    png_bytes,
    save_png,
    save_sheet,
    whole_factor,
)

_MOVING = (".gif", ".mp4")
_STILL = (".png", ".jpg", ".jpeg", ".webp")
# Pixels to which an image is enlarged that is alone, at most.
_ALONE = 384
# Frames a second of clips and of morphs.
_RATE = 10


class Images:
    """Images or clips that a model has made; a notebook shows them.

    Examples:
        >>> import numpy as np
        >>> import dgn_tf as dgn
        >>> images = dgn.Images(np.zeros([3, 32, 32, 3], np.uint8))
        >>> images, images[0]
        (Images(3 images, 32x32x3), Images(1 image, 32x32x3))
        >>> np.asarray(images).dtype
        dtype('uint8')

    Args:
        pixels: uint8 [N, H, W, C] of images, [N, F, H, W, C] of clips; C is 1 or 3.
        names: of the images, for the names of files; none for numbers.
        latents: what they were painted from, or None.
        rate: frames a second of clips, and of images that are played in turn.

    Raises:
        InputError: pixels of another type or shape.
    """

    def __init__(
        self,
        pixels: np.ndarray,
        names: Sequence[str] = (),
        latents: Latents | None = None,
        rate: float = _RATE,
    ):
        pixels = named_array("`pixels`", pixels)
        if pixels.dtype != np.uint8 or pixels.ndim not in (4, 5) or pixels.shape[-1] not in (1, 3):
            raise InputError(
                "`pixels` must be uint8 [N, H, W, 1 or 3] or [N, F, H, W, 1 or 3]; they are "
                f"{pixels.dtype} {list(pixels.shape)}.{channels_hint(pixels.shape)}"
            )
        if len(names) not in (0, len(pixels)):
            raise InputError(f"`names` are {len(names)}, and the images {len(pixels)}.")
        self.pixels, self.names, self.latents = pixels, tuple(names), latents
        self.rate = typed("rate", rate, float)
        require_positive(self, "rate")

    def __len__(self) -> int:
        return len(self.pixels)

    def __repr__(self) -> str:
        *_, height, width, channels = self.pixels.shape
        kind = counted(len(self), "clip" if self.moving else "image")
        kind += f" of {counted(self.pixels.shape[1], 'frame')}" if self.moving else ""
        return f"Images({kind}, {width}x{height}x{channels})"

    def __getitem__(self, key: Any) -> "Images":
        rows = np.atleast_1d(np.arange(len(self))[key])
        names = [self.names[row] for row in rows] if self.names else ()
        latents = None if self.latents is None else self.latents[rows]
        return Images(self.pixels[rows], names, latents, self.rate)

    def __iter__(self) -> Iterator["Images"]:
        return (self[row] for row in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The pixels, uint8 from 0 to 255."""
        return np.array(self.pixels, dtype=dtype, copy=copy)

    @property
    def moving(self) -> bool:
        """Whether these are clips."""
        return self.pixels.ndim == 5

    def sheet(self) -> np.ndarray:
        """All of them as one image, uint8 [H, W, 3], about square: small ones are enlarged.

        Of a clip it shows some frames, a row for each clip.

        Raises:
            InputError: there are none.
        """
        self._require_some()
        if self.moving:
            rows = list(self._enlarged()[:, shown_frames(self.pixels.shape[1])])
        elif len(self) == 1:
            side = self.pixels.shape[2]
            # Photographs and sheets have a size of their own, and are shown and kept so.
            painted = side == self.pixels.shape[1] and side in SIDES
            return as_images(self.pixels, max(1, _ALONE // side) if painted else 1)[0]
        else:
            shown = self._enlarged()
            rows = in_square(shown)
        return lay_out(rows, [""] * len(rows))

    def save(self, path: str | os.PathLike) -> Path:
        """Write them to a file, or to a folder.

        Args:
            path: NAME.png, .jpg or .webp: a single image, small ones enlarged, or several as a
                sheet; NAME.gif or .mp4: an animation of all images in turn, or of the clips
                together; a path without a suffix: a folder with a PNG file of each image at its
                own size, or a GIF of each clip, in place of files of the same names. Such a folder
                can be data; of the others, PNG, GIF and MP4 files have a mark by which data leave
                them out.

        Returns:
            The path.

        Raises:
            InputError: there are none, another suffix, a folder in the place of a file, or what
                writes MP4 is not installed.
        """
        self._require_some()
        target = user_path(path)
        suffix = target.suffix.lower()
        if suffix in (*_MOVING, *_STILL) and target.is_dir():
            raise InputError(f"`path={path}` is a folder: name a file.")
        if suffix in _MOVING:
            check_format(suffix.removeprefix("."))
            save_animation(target, self._frames(), self.rate, shown=True)
        elif suffix in _STILL:
            _save_still(target, self.sheet())
        elif suffix:
            known = ", ".join((*_STILL, *_MOVING))
            raise InputError(f"`path={path}`: must end in one of {known}, or be a folder.")
        else:
            names = file_names(self.names or [f"{row:04d}" for row in range(len(self))])
            for name, image in zip(names, self, strict=True):
                if self.moving:
                    save_animation(target / f"{name}.gif", image._frames(), image.rate)
                else:
                    save_png(target / f"{name}.png", image.pixels[0])
        return target

    def _enlarged(self) -> np.ndarray:
        height, width = self.pixels.shape[-3:-1]
        # Photographs and sheets have a size of their own.
        return as_images(self.pixels, whole_factor(width) if height == width else 1)

    def _frames(self) -> np.ndarray:
        """Frames [T, H, W, 3] of an animation, of an even size, as MP4 needs it."""
        shown = self._enlarged()
        if self.moving:
            shown = shown[0] if len(shown) == 1 else _together(shown)
        odd = [(0, side % 2) for side in shown.shape[1:3]]
        return np.pad(shown, [(0, 0), *odd, (0, 0)], mode="edge")

    def _require_some(self) -> None:
        if not len(self):
            raise InputError(f"{self!r}: there is nothing to show or save: choose at least one.")

    def _repr_png_(self) -> bytes | None:
        return png_bytes(self.sheet()) if len(self) else None

    def _repr_html_(self) -> str | None:
        if not (self.moving and len(self)):
            return None
        with tempfile.TemporaryDirectory() as folder:
            content = self.save(Path(folder, "clips.gif")).read_bytes()
        data = base64.b64encode(content).decode()
        return f'<img src="data:image/gif;base64,{data}" alt="{self!r}">'


def _together(clips: np.ndarray) -> np.ndarray:
    """Frames [T, H, W, 3] of clips [N, T, S, S, 3] that play together, about square."""
    rows = in_square(clips)
    frames = range(clips.shape[1])
    return np.stack([lay_out([row[:, t] for row in rows], [""] * len(rows)) for t in frames])


def _save_still(path: Path, image: np.ndarray) -> None:
    if path.suffix.lower() == ".png":
        save_sheet(path, image)
        return
    pixels = image[..., 0] if image.shape[-1] == 1 else image
    with atomic_write(path) as partial:
        Image.fromarray(np.ascontiguousarray(pixels)).save(partial, quality=95)
