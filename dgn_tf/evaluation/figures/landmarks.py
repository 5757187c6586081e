"""The figure of experiment E5: landmarks, and the grids that the field bends (Fig. 14)."""

import numpy as np
from PIL import Image, ImageDraw

from dgn_tf.data.examples import Examples
from dgn_tf.evaluation.report import Figure
from dgn_tf.types import LatentArrays, LatentModel
from dgn_tf.visualize.decoding import decode
from dgn_tf.visualize.grids import draw_grid
from dgn_tf.visualize.images import as_images, lay_out, whole_factor

_SHOWN = 8
_GREEN, _RED = (0, 200, 0), (230, 0, 0)


def landmark_figure(
    model: LatentModel,
    test: Examples,
    latents: LatentArrays,
    truth: np.ndarray,
    predicted: np.ndarray,
) -> Figure:
    """Fig. 14, of the first held-out examples.

    Args:
        model: a trained model with the groups "appearance" and "geometry".
        test: N held-out examples.
        latents: their inferred latents, [N, d] for each group.
        truth: their landmarks [N, 5, 2], (x, y) in pixels.
        predicted: landmarks likewise.
    """
    images = test.images[:_SHOWN]
    _, parts = decode(model, {name: z[:_SHOWN] for name, z in latents.items()})
    factor = whole_factor(test.side)
    rows = {
        "image": as_images(images, factor),
        "deformed\ngrid": draw_grid(images, parts["geometry"], factor),
        "canonical\nface, grid": draw_grid(parts["appearance"], None, factor),
        "landmarks": draw_points(images, (truth[:_SHOWN], predicted[:_SHOWN]), factor),
    }
    caption = (
        "Held-out images, the deformed grid on them, the canonical grid on their canonical faces,"
        " and landmarks: truth green, prediction of the network red (Fig. 14)"
    )
    return Figure("landmarks", caption, lay_out(list(rows.values()), list(rows)))


def draw_points(
    images: np.ndarray, points: tuple[np.ndarray, np.ndarray], factor: int
) -> np.ndarray:
    """Enlarged images with the true landmarks as green discs and the predicted ones as red dots.

    Args:
        images: [N, S, S, C], uint8 or floats in [-1, 1].
        points: truth and prediction, each [N, 5, 2], (x, y) in pixels of `images`.
        factor: whole number of image pixels for one image pixel.

    Returns:
        uint8 [N, factor * S, factor * S, 3].
    """
    drawn = []
    for index, image in enumerate(as_images(images, factor)):
        canvas = Image.fromarray(image)
        draw = ImageDraw.Draw(canvas)
        for marks, color, radius in zip(points, (_GREEN, _RED), (3.5, 1.5), strict=True):
            for x, y in (marks[index] + 0.5) * factor - 0.5:
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)
        drawn.append(np.asarray(canvas))
    return np.stack(drawn)
