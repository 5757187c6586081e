"""Latents to what the explorer shows and saves, as PNG and GIF files."""

import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf

from dgn_tf.data.examples import as_bytes
from dgn_tf.types import LatentArrays, LatentModel, Latents, Parts, Tensor, has_geometry
from dgn_tf.visualize.animation import save_animation, there_and_back
from dgn_tf.visualize.decoding import decode
from dgn_tf.visualize.grids import draw_grid
from dgn_tf.visualize.images import as_images, png_bytes, whole_factor

# Sliders should answer at once: deflating harder takes five times as long.
_QUICK = 1
# Side in pixels that the image with the grid has at least: lines are drawn, not enlarged.
_GRID_SIDE = 256


class Painter:
    """Paints latents with a trained model; threads may share it.

    Args:
        model: a model of images.
    """

    def __init__(self, model: LatentModel):
        self.model = model
        self._make = tf.function(self._parts_and_image, reduce_retracing=True, autograph=False)
        # Tracing takes a second, and the first move of a slider should not wait for it.
        zero = {name: np.zeros((1, dim)) for name, dim in model.latent_dims.items()}
        self.paint({name: z[0] for name, z in zero.items()})
        self.images(zero)

    def _parts_and_image(self, z: Latents) -> tuple[Parts, Tensor]:
        parts = {name: self.model.part(name, z[name]) for name in self.model.latent_dims}
        return parts, self.model.combine(parts)

    def paint(self, latents: LatentArrays) -> dict[str, bytes]:
        """PNG files of the latents [d] of each group.

        Returns:
            "picture", the image [S, S] under the name that the page knows; of a model with
            geometry also "canonical" [S, S], and "grid", the image with the deformed grid,
            enlarged to at least 256 pixels.
        """
        parts, image = self._make(
            {name: tf.constant(z[None], tf.float32) for name, z in latents.items()}
        )
        image = image.numpy()
        shown = {"picture": as_bytes(image)}
        if has_geometry(self.model):
            field, factor = parts["geometry"].numpy(), -(-_GRID_SIDE // image.shape[1])
            shown["grid"] = draw_grid(image, field, factor)
            shown["canonical"] = as_bytes(parts["appearance"].numpy())
        return {name: png_bytes(pixels[0], _QUICK) for name, pixels in shown.items()}

    def images(self, latents: LatentArrays) -> bytes:
        """A PNG file of the images of latents [N, d] of each group, one below the other."""
        images, _ = decode(self.model, latents)
        pixels = as_bytes(images)
        return png_bytes(pixels.reshape(-1, *pixels.shape[2:]), _QUICK)

    def animate(self, latents: LatentArrays) -> bytes:
        """A GIF file of the images of latents [N, d] of each group, there and back."""
        images, _ = decode(self.model, latents)
        frames = as_images(images, whole_factor(images.shape[1]))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "animation.gif")
            save_animation(path, there_and_back(frames))
            return path.read_bytes()
