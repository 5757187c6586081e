"""Latents to what the explorer shows and saves, as PNG and GIF files."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from dgn_tf.data.examples import as_bytes
from dgn_tf.explorer.describe import prior_directions
from dgn_tf.types import LatentArrays, LatentModel, Latents, Parts, Tensor, has_geometry
from dgn_tf.visualize.animation import save_animation, there_and_back
from dgn_tf.visualize.directions import Directions
from dgn_tf.visualize.grids import draw_grid
from dgn_tf.visualize.images import as_images, png_bytes, whole_factor
from dgn_tf.visualize.sheets import recombine
from dgn_tf.visualize.traversals import traverse

# Sliders should answer at once: deflating harder takes five times as long.
_QUICK = 1
_FRAMES = 31


class Painter:
    """Paints latents with a trained model; threads may share it.

    Args:
        model: a model of images.
        directions: along which animations go, for each group that is not one-hot; None takes
            `prior_directions`.
    """

    def __init__(self, model: LatentModel, directions: Mapping[str, Directions] | None):
        self.model = model
        self.directions = directions or prior_directions(model)
        self._make = tf.function(self._parts_and_image, reduce_retracing=True, autograph=False)
        # Tracing takes a second, and the first move of a slider should not wait for it.
        self.paint({name: np.zeros(dim) for name, dim in model.latent_dims.items()})

    def _parts_and_image(self, z: Latents) -> tuple[Parts, Tensor]:
        parts = {name: self.model.part(name, z[name]) for name in self.model.latent_dims}
        return parts, self.model.combine(parts)

    def paint(self, latents: LatentArrays) -> dict[str, bytes]:
        """PNG files of the latents [d] of each group.

        Returns:
            "picture", the image [S, S] under the name that the page knows; of a model with
            geometry also "canonical" [S, S], and "grid", the image with the deformed grid,
            enlarged to at least 128 pixels.
        """
        parts, image = self._make(
            {name: tf.constant(z[None], tf.float32) for name, z in latents.items()}
        )
        image = image.numpy()
        shown = {"picture": as_bytes(image)}
        if has_geometry(self.model):
            field, factor = parts["geometry"].numpy(), whole_factor(image.shape[1])
            shown["grid"] = draw_grid(image, field, factor)
            shown["canonical"] = as_bytes(parts["appearance"].numpy())
        return {name: png_bytes(pixels[0], _QUICK) for name, pixels in shown.items()}

    def board(self, latents: LatentArrays) -> list[list[bytes]]:
        """PNG files [N][N]: at (i, j) the appearance of latents i in the geometry of latents j."""
        images = as_bytes(recombine(self.model, latents))
        return [[png_bytes(image, _QUICK) for image in row] for row in images]

    def animate(self, latents: LatentArrays, group: str, direction: int) -> bytes:
        """A GIF file: from -2.5 to +2.5 standard deviations around latents [d], and back.

        Args:
            latents: [d] of each group.
            group: the group that moves.
            direction: along which principal direction, from 0.
        """
        _, axes, scales, _ = self.directions[group]
        chosen = slice(direction, direction + 1)
        along = Directions(latents[group], axes[chosen], scales[chosen])
        still = {name: z[None] for name, z in latents.items()}
        images = traverse(self.model, still, group, along, columns=_FRAMES)
        frames = as_images(images[0], whole_factor(images.shape[2]))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "traversal.gif")
            save_animation(path, there_and_back(frames))
            return path.read_bytes()
