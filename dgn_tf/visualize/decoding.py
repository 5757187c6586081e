"""Latents to arrays: a model run over any number of latents."""

import numpy as np
import tensorflow as tf

from dgn_tf.types import LatentArrays, LatentModel

# One batch size for every call, so that the warp is compiled once.
_BATCH = 32


def decode(model: LatentModel, latents: LatentArrays) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The images of latents, and the parts that they are made from (Eq. 1).

    Args:
        model: a model of images.
        latents: [N, d] for each latent group of the model, N at least 1.

    Returns:
        Images float32 [N, S, S, C] in [-1, 1], and the parts by name: the canonical image
        [N, S, S, C] under "appearance", the displacement [N, S, S, 2] in pixels under "geometry".
    """
    images: list[np.ndarray] = []
    parts: dict[str, list[np.ndarray]] = {name: [] for name in model.latent_dims}
    count = len(next(iter(latents.values())))
    for first in range(0, count, _BATCH):
        # The last batch is filled up with its own latents again.
        rows = np.resize(np.arange(first, min(first + _BATCH, count)), _BATCH)
        made = {
            name: model.part(name, tf.constant(latents[name][rows], tf.float32))
            for name in model.latent_dims
        }
        kept = min(_BATCH, count - first)
        images.append(model.combine(made).numpy()[:kept])
        for name, part in made.items():
            parts[name].append(part.numpy()[:kept])
    return np.concatenate(images), {name: np.concatenate(p) for name, p in parts.items()}
