"""Animations: traversals as GIF or MP4."""

import os
import re
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from dgn_tf.types import LatentArrays, LatentModel
from dgn_tf.utils.files import atomic_write
from dgn_tf.utils.painted import marked
from dgn_tf.visualize.directions import Directions
from dgn_tf.visualize.images import as_images, whole_factor
from dgn_tf.visualize.traversals import SHOWN, traverse

# GIF counts in hundredths of a second: 25 images a second is exact.
_RATE = 25
# From one end to the other in 1.2 seconds.
_COLUMNS = 31


def write_animations(
    folder: Path,
    model: LatentModel,
    latents: LatentArrays,
    directions: Mapping[str, Directions],
    appearance: np.ndarray,
    kind: str,
    count: int = SHOWN,
) -> None:
    """Writes GROUP-NUMBER[-NAME].KIND: from -2.5 to +2.5 standard deviations and back.

    Args:
        folder: where to.
        model: a model of images.
        latents: [N, d] for each group: the groups that do not change stay at their means.
        directions: those of each group that is animated.
        appearance: z_a [d_a] to show while the geometry changes.
        kind: "gif" or "mp4".
        count: how many directions of each group at most.
    """
    for group, of_group in directions.items():
        leading = of_group.leading(count)
        titles = [f"{group}-{k + 1}" for k in range(len(leading.axes))]
        if leading.names:
            # People name directions as they like.
            names = [re.sub(r"[\s/\\]", "_", name) for name in leading.names]
            titles = [f"{title}-{name}" for title, name in zip(titles, names, strict=True)]
        shown = appearance if group == "geometry" else None
        images = traverse(model, latents, group, leading, columns=_COLUMNS, appearance=shown)
        for title, row in zip(titles, images, strict=True):
            frames = as_images(row, whole_factor(row.shape[1]))
            save_animation(folder / f"{title}.{kind}", there_and_back(frames), shown=True)


def there_and_back(frames: np.ndarray) -> np.ndarray:
    """Frames [T, ...] and then those between the ends again, backwards, for a seamless loop."""
    return np.concatenate([frames, frames[-2:0:-1]])


def save_animation(
    path: str | os.PathLike, frames: np.ndarray, rate: float = _RATE, shown: bool = False
) -> None:
    """Writes an animation, whole or not at all; a GIF repeats forever.

    Args:
        path: where to, named .gif or .mp4 (H.264); its folder is made if need be.
        frames: uint8 [T, H, W, 3]; H and W even for MP4.
        rate: frames a second; a GIF has whole hundredths of a second for each.
        shown: whether it is made to be looked at, and gets the mark by which data leave it out.
    """
    suffix = Path(path).suffix.lower()
    write = {".gif": _write_gif, ".mp4": _write_mp4}[suffix]
    with atomic_write(path) as partial:
        write(str(partial), np.ascontiguousarray(frames), rate)
        if shown:
            partial.write_bytes(marked(partial.read_bytes(), suffix))


def _write_gif(path: str, frames: np.ndarray, rate: float) -> None:
    first, *rest = (Image.fromarray(frame) for frame in frames)
    first.save(path, save_all=True, append_images=rest, duration=round(1000 / rate), loop=0)


def _write_mp4(path: str, frames: np.ndarray, rate: float) -> None:
    import av

    # FFmpeg takes what stands before a colon for a protocol: "12:30.mp4".
    with av.open(os.path.abspath(path), "w") as container:
        # 30000/1001, as television has it, is such a fraction.
        exact = Fraction(rate).limit_denominator(1001)
        stream = container.add_stream("libx264", rate=exact, options={"crf": "20"})
        stream.height, stream.width = frames.shape[1:3]
        # The one layout of colors that every player knows.
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
