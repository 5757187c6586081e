"""Figures of experiment E6: clips, what moves them and what can be made of them (Fig. 15 to 19)."""

from collections.abc import Iterator

import numpy as np

from dgn_tf.data.examples import Examples
from dgn_tf.evaluation.report import Figure
from dgn_tf.models.dynamic import DynamicDeformableGenerator
from dgn_tf.types import LatentArrays
from dgn_tf.visualize.clips import clip_sheet, decode_clips, frames_sheet, rows_of, video
from dgn_tf.visualize.directions import Directions, principal_directions
from dgn_tf.visualize.grids import draw_grid
from dgn_tf.visualize.images import as_images, whole_factor
from dgn_tf.visualize.traversals import SHOWN, traversal_sheet, traverse

_SHEET_CLIPS = 3
_EDIT_REACH = 2.0
# Frames of a traversal's video, one way.
_VIDEO_COLUMNS = 13


def clip_figures(
    model: DynamicDeformableGenerator,
    test: Examples,
    latents: LatentArrays,
    persons: np.ndarray,
    seed: int = 0,
) -> Iterator[Figure]:
    """Figures 15 to 19 and free generation, each as a sheet and as a video.

    Args:
        model: a trained model.
        test: N clips.
        latents: their packed latents [N, d] by group.
        persons: who is in each clip, [N]: clips of different persons are shown where there are any.
        seed: of the noises of free generation.
    """
    first = np.sort(np.unique(persons, return_index=True)[1])
    shown = np.append(first, np.setdiff1d(np.arange(len(test)), first))[:_SHEET_CLIPS]
    clips, few = test.images[shown], rows_of(latents, shown)
    yield Figure(
        "reconstruction",
        "Held-out clips; canonical images; reconstructions with the deformed grid (Fig. 19).",
        clip_sheet(model, clips, few),
        _reconstruction_video(model, clips, few),
    )
    pair = [0, 1] if len(shown) > 1 else [0, 0]
    yield _figure(
        "recombination",
        "Each clip's appearance with the other's geometry (Fig. 15, 16).",
        _recombined(model, clips[pair], rows_of(few, pair)),
    )
    still = {name: model.unpack(name, z)[0] for name, z in latents.items()}
    directions = principal_directions(model.emission, still)
    for group in still:
        shown = still["appearance"][0] if group == "geometry" else None
        leading = directions[group].leading(SHOWN)
        along = traverse(
            model.emission, still, group, leading, columns=_VIDEO_COLUMNS, appearance=shown
        )
        there_and_back = np.concatenate([along, along[:, -2:0:-1]], axis=1)
        yield Figure(
            f"traversal_{group}",
            f"The first frame along the principal directions of its {group} (Fig. 17).",
            traversal_sheet(model.emission, still, group, leading, appearance=shown),
            video([there_and_back], [""], [str(k + 1) for k in range(len(along))]),
        )
    yield _figure(
        "shape",
        "One clip with its global shape Z^g_0 moved, its motion kept (Fig. 18).",
        _edited(model, latents, directions["geometry"].leading(3)),
    )
    yield _figure(
        "generated",
        "Free generation: the Z_0 of clip 1, moved by new noises of the geometry, for twice as "
        "long as was learned.",
        _generated(model, latents, test.images.shape[1], seed),
    )


def _figure(name: str, caption: str, clips: dict[str, np.ndarray]) -> Figure:
    """Clips [F, S, S, C] by caption, as a sheet and as a video."""
    moving = video([np.stack([as_images(clip) for clip in clips.values()])], [""], list(clips))
    return Figure(name, caption, frames_sheet(clips), moving)


def _reconstruction_video(
    model: DynamicDeformableGenerator, clips: np.ndarray, latents: LatentArrays
) -> np.ndarray:
    made, parts = decode_clips(model, latents)
    factor = whole_factor(clips.shape[2])
    deformed = [
        draw_grid(clip, field, factor) for clip, field in zip(made, parts["geometry"], strict=True)
    ]
    rows = [as_images(clips, factor), as_images(parts["appearance"], factor), deformed]
    return video([np.stack(row) for row in rows], ["data", "canonical", "reconstructed,\ngrid"])


def _recombined(
    model: DynamicDeformableGenerator, clips: np.ndarray, latents: LatentArrays
) -> dict[str, np.ndarray]:
    """Two clips, their reconstructions and their recombinations, by caption."""
    made, _ = decode_clips(model, latents)
    swapped, _ = decode_clips(model, latents | {"geometry": latents["geometry"][::-1]})
    return {
        "clip 1": clips[0],
        "clip 2": clips[1],
        "reconstruction 1": made[0],
        "reconstruction 2": made[1],
        "appearance 1,\ngeometry 2": swapped[0],
        "appearance 2,\ngeometry 1": swapped[1],
    }


def _edited(
    model: DynamicDeformableGenerator, latents: LatentArrays, directions: Directions
) -> dict[str, np.ndarray]:
    """The first clip, moved to both sides along each direction of Z^g_0, by caption."""
    rows = {"reconstruction": decode_clips(model, rows_of(latents, [0]))[0][0]}
    _, axes, scales, names = directions
    for axis, scale, name in zip(axes, scales, names, strict=True):
        for sign, mark in ((-1, "-"), (1, "+")):
            z = rows_of(latents, [0])
            z["geometry"][:, : len(axis)] += sign * _EDIT_REACH * scale * axis
            rows[f"{name}\n{mark}{_EDIT_REACH:g} sd"] = decode_clips(model, z)[0][0]
    return rows


def _generated(
    model: DynamicDeformableGenerator, latents: LatentArrays, frames: int, seed: int
) -> dict[str, np.ndarray]:
    """Clips of twice `frames` frames that new noises make of the first clip's Z_0, by caption."""
    rng = np.random.default_rng(seed)
    rows = {}
    for number in range(3):
        z = {}
        for group, values in latents.items():
            dim = model.emission.latent_dims[group]
            width = model.transitions[group].settings["noise_dim"] * (2 * frames - 1)
            noise = rng.standard_normal((1, width))
            # The appearance of a person does not jump: its noise stays at its mean.
            noise = noise if group == "geometry" else np.zeros_like(noise)
            z[group] = np.concatenate([values[:1, :dim], noise], axis=1).astype(np.float32)
        rows[f"sample {number + 1}"] = decode_clips(model, z)[0][0]
    return rows
