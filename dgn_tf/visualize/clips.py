"""Clips as images: sheets of frames (Fig. 15 to 19)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from dgn_tf.models.dynamic import DynamicDeformableGenerator
from dgn_tf.types import ClipModel, LatentArrays, LatentModel, has_geometry
from dgn_tf.visualize.grids import draw_grid
from dgn_tf.visualize.images import as_images, lay_out, whole_factor

# At most this many frames of a clip are shown on a sheet.
SHOWN_FRAMES = 8


def decode_clips(
    model: ClipModel, latents: LatentArrays
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Clips of packed latents, and the parts that they are made from.

    Args:
        model: a model of clips.
        latents: packed latents [N, d] for each group, of clips of any length.

    Returns:
        Clips float32 [N, T + 1, S, S, C] in [-1, 1]; of a `DynamicDeformableGenerator` canonical
        images under "appearance" and displacements [N, T + 1, S, S, 2] in pixels under
        "geometry".
    """
    clips: list[np.ndarray] = []
    parts: dict[str, list[np.ndarray]] = {name: [] for name in latents}
    for row in range(len(next(iter(latents.values())))):
        made = {
            name: model.part(name, tf.constant(z[row : row + 1], tf.float32))
            for name, z in latents.items()
        }
        clips.append(model.combine(made).numpy())
        for name, part in made.items():
            parts[name].append(part.numpy())
    return np.concatenate(clips), {name: np.concatenate(rows) for name, rows in parts.items()}


def rows_of(latents: LatentArrays, rows: Any) -> LatentArrays:
    """The latents of some clips, copied: `rows` are a list or an array of their numbers."""
    return {name: z[rows] for name, z in latents.items()}


def of_first_frames(
    model: LatentModel, latents: LatentArrays
) -> tuple[LatentModel, LatentArrays] | None:
    """What can be shown of clips as of images: their first frame, Z_0 (Fig. 17).

    Args:
        model: a model of clips or of images.
        latents: its latents [N, d] for each group; of clips, packed.

    Returns:
        The model of single images and its latents: of images, those that were given; None for a
        model of clips that has no model of single images, because it does not deform them.
    """
    if not isinstance(model, ClipModel):
        return model, latents
    if not isinstance(model, DynamicDeformableGenerator):
        return None
    return model.emission, {
        name: np.asarray(model.unpack(name, z)[0]) for name, z in latents.items()
    }


def shown_frames(count: int) -> np.ndarray:
    """Places of at most eight frames of `count`, evenly spread, with the first and the last."""
    return np.unique(np.linspace(0, count - 1, min(count, SHOWN_FRAMES)).round().astype(int))


def clip_sheet(model: ClipModel, clips: np.ndarray, latents: LatentArrays) -> np.ndarray:
    """Frames of clips, of their canonical images and of their reconstructions with the grid.

    Args:
        model: a `DynamicDeformableGenerator`, or a model of clips without geometry, whose
            reconstructions are shown alone.
        clips: the data, [N, T + 1, S, S, C], uint8 or floats in [-1, 1].
        latents: their packed latents.

    Returns:
        uint8 [height, width, 3]: rows for each clip, a column for each frame shown.
    """
    frames = shown_frames(clips.shape[1])
    made, parts = decode_clips(model, latents)
    factor = whole_factor(clips.shape[2])
    rows, labels = [], []
    for index, clip in enumerate(clips):
        rows.append(as_images(clip[frames], factor))
        labels.append(f"data {index + 1}")
        if has_geometry(model):
            rows.append(as_images(parts["appearance"][index, frames], factor))
            rows.append(draw_grid(made[index, frames], parts["geometry"][index, frames], factor))
            labels += ["canonical", "reconstructed,\ngrid"]
        else:
            rows.append(as_images(made[index, frames], factor))
            labels.append("reconstructed")
    return lay_out(rows, labels, [f"frame {frame + 1}" for frame in frames])


def video(
    rows: Sequence[np.ndarray], labels: Sequence[str], headings: Sequence[str] = ()
) -> np.ndarray:
    """Clips that play together.

    Args:
        rows: for each row its clips [K, F, S, S, C], uint8 or floats in [-1, 1].
        labels: a caption for each row, may be empty.
        headings: a caption for each column, or none at all.

    Returns:
        uint8 [F, height, width, 3].
    """
    shown = [as_images(row, whole_factor(row.shape[2])) for row in rows]
    return np.stack(
        [lay_out([row[:, t] for row in shown], labels, headings) for t in range(shown[0].shape[1])]
    )


def frames_sheet(rows: dict[str, np.ndarray]) -> np.ndarray:
    """Frames of clips with a caption for each clip.

    Args:
        rows: clips [F, S, S, C] by caption, uint8 or floats in [-1, 1], all as long.

    Returns:
        uint8 [height, width, 3].
    """
    clips = list(rows.values())
    frames, factor = shown_frames(len(clips[0])), whole_factor(clips[0].shape[1])
    images = [as_images(clip[frames], factor) for clip in clips]
    return lay_out(images, list(rows), [f"frame {frame + 1}" for frame in frames])
