"""From one image to the next in latent space: samples, strips and animations."""

from collections.abc import Sequence

import numpy as np

from dgn_tf.inference.statistics import LatentStatistics, prior_latents
from dgn_tf.types import ClipModel, LatentArrays, LatentModel, one_hot_groups
from dgn_tf.utils.errors import InputError
from dgn_tf.visualize.clips import decode_clips, frames_sheet, video
from dgn_tf.visualize.decoding import decode
from dgn_tf.visualize.images import as_images, in_square, lay_out, whole_factor


def sample_latents(
    model: LatentModel,
    statistics: LatentStatistics | None,
    seeds: Sequence[int],
    source: str = "training",
) -> LatentArrays:
    """Latents drawn at random, those of a seed the same whatever the other seeds are.

    Args:
        model: whose latents they are.
        statistics: of its training latents, or None where they are not known.
        seeds: N numbers, 0 or more.
        source: as of `LatentStatistics.sample`.

    Returns:
        float32 [N, d] by group.

    Raises:
        InputError: the training latents are wanted and not known, there are no seeds, or one is
            negative.
    """
    if not seeds:
        raise InputError("`seeds`: at least one is needed.")
    if source == "training" and statistics is None:
        raise InputError(
            "`source=training`: nothing is known of the latents of the training examples of this "
            "model: give `source=prior`."
        )
    dims, one_hot = model.latent_dims, one_hot_groups(model)
    drawn = [
        prior_latents(dims, one_hot, 1, seed)
        if statistics is None
        else statistics.sample(1, seed, source)
        for seed in seeds
    ]
    return {name: np.concatenate([z[name] for z in drawn]) for name in dims}


def interpolate(latents: LatentArrays, between: int, closed: bool = False) -> LatentArrays:
    """Latents on straight lines from each to the next, slow where they start and arrive.

    Args:
        latents: N keys, [N, d] by group.
        between: steps from one key to the next, at least 1.
        closed: whether the last goes on to the first.

    Returns:
        float32 [(N - 1) * between + 1, d] by group, with the keys themselves; closed, for a loop
        without an end, [N * between, d].
    """
    fractions = (1 - np.cos(np.pi * np.arange(between) / between)) / 2
    found = {}
    for name, z in latents.items():
        ends = np.roll(z, -1, axis=0) if closed else z[1:]
        starts = z if closed else z[:-1]
        way = (ends - starts)[:, None] * fractions[None, :, None]
        path = (starts[:, None] + way).reshape(-1, z.shape[1])
        found[name] = np.float32(path if closed else np.concatenate([path, z[-1:]]))
    return found


def only_group(latents: LatentArrays, group: str) -> LatentArrays:
    """The latents [N, d], of which all but one group are those of the first example."""
    return {
        name: z if name == group else np.repeat(z[:1], len(z), 0) for name, z in latents.items()
    }


def image_grid(model: LatentModel, latents: LatentArrays, columns: int = 0) -> np.ndarray:
    """Images of latents in rows; of a model of clips a row of frames each.

    Args:
        model: a model of images or of clips.
        latents: [N, d] by group.
        columns: images in a row; 0 makes the grid about square. Clips have rows of their own.

    Returns:
        uint8 [height, width, 3].
    """
    if isinstance(model, ClipModel):
        clips, _ = decode_clips(model, latents)
        return frames_sheet({f"{number}": clip for number, clip in enumerate(clips, 1)})
    images, _ = decode(model, latents)
    shown = as_images(images, whole_factor(images.shape[1]))
    rows = in_square(shown, columns)
    return lay_out(rows, [""] * len(rows))


def strip(model: LatentModel, latents: LatentArrays, columns: int = 7) -> np.ndarray:
    """A row of images from each example to the next, both ends among them.

    Args:
        model: a model of images.
        latents: N at least 2 examples, [N, d] by group.
        columns: images in a row.

    Returns:
        uint8 [height, width, 3].
    """
    rows = []
    for first in range(len(next(iter(latents.values()))) - 1):
        pair = {name: z[first : first + 2] for name, z in latents.items()}
        images, _ = decode(model, interpolate(pair, columns - 1))
        rows.append(as_images(images, whole_factor(images.shape[1])))
    return lay_out(rows, [""] * len(rows))


def path_frames(
    model: LatentModel, latents: LatentArrays, between: int, closed: bool
) -> np.ndarray:
    """The frames of an animation from each example to the next.

    Args:
        model: a model of images; of a model of clips, the clips play side by side instead.
        latents: N examples, [N, d] by group.
        between: frames from one to the next.
        closed: whether the last goes on to the first.

    Returns:
        uint8 [T, height, width, 3], height and width even.
    """
    if isinstance(model, ClipModel):
        clips, _ = decode_clips(model, latents)
        rows = in_square(clips)
        frames = video(rows, [""] * len(rows))
        return frames[:, : frames.shape[1] // 2 * 2, : frames.shape[2] // 2 * 2]
    images, _ = decode(model, interpolate(latents, between, closed))
    return as_images(images, whole_factor(images.shape[1]))
