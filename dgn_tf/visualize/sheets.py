"""Sheets: reconstructions (Fig. 2), samples from the prior, recombinations (Fig. 11)."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dgn_tf.inference.statistics import prior_latents
from dgn_tf.types import LatentArrays, LatentModel, has_geometry, one_hot_groups
from dgn_tf.visualize.decoding import decode
from dgn_tf.visualize.grids import draw_grid
from dgn_tf.visualize.images import as_images, lay_out, whole_factor

_INK = (40, 40, 40)


def sample_sheet(model: LatentModel, images: np.ndarray, latents: LatentArrays) -> np.ndarray:
    """The sheet of Fig. 2: data, canonical images and reconstructions, with and without the grid.

    Args:
        model: a model of images; without a group "geometry" the sheet has data and
            reconstructions alone.
        images: the data, [N, S, S, C], uint8 or floats in [-1, 1].
        latents: their latents, [N, d] for each group.

    Returns:
        uint8 [height, width, 3], a column for each image.
    """
    factor = whole_factor(images.shape[1])
    reconstructed, parts = decode(model, latents)
    rows = {"data": as_images(images, factor)}
    if has_geometry(model):
        rows["canonical,\ngrid"] = draw_grid(parts["appearance"], None, factor)
        rows["canonical"] = as_images(parts["appearance"], factor)
        rows["reconstructed,\ngrid"] = draw_grid(reconstructed, parts["geometry"], factor)
    rows["reconstructed"] = as_images(reconstructed, factor)
    return lay_out(list(rows.values()), list(rows))


def prior_sheet(model: LatentModel, side: int = 8, seed: int = 0) -> np.ndarray:
    """Samples F(z), z ~ N(0, I); beside them, for a model with geometry, their canonical images.

    The classes of a one-hot group come in turn.

    Args:
        model: as for `sample_sheet`.
        side: the samples stand in side x side.
        seed: of the latents.

    Returns:
        uint8 [height, width, 3].
    """
    latents = prior_latents(model.latent_dims, one_hot_groups(model), side * side, seed)
    images, parts = decode(model, latents)
    panels = {"samples of the prior": images}
    if has_geometry(model):
        panels["their canonical images"] = parts["appearance"]
    sheets = []
    for heading, panel in panels.items():
        panel = as_images(panel, whole_factor(panel.shape[1]))
        rows = panel.reshape(side, side, *panel.shape[1:])
        headings = [""] * side
        headings[side // 2] = heading
        sheets.append(lay_out(list(rows), [""] * side, headings))
    return np.concatenate(sheets, axis=1)


def recombine(model: LatentModel, latents: LatentArrays) -> np.ndarray:
    """Every appearance with every geometry.

    Args:
        model: a model with the groups "appearance" and "geometry".
        latents: [N, d] for each group.

    Returns:
        float32 [N, N, S, S, C] in [-1, 1]: at (i, j) the appearance of example i in the
        geometry of example j.
    """
    count = len(latents["appearance"])
    i, j = np.divmod(np.arange(count * count), count)
    images, _ = decode(
        model, {"appearance": latents["appearance"][i], "geometry": latents["geometry"][j]}
    )
    return images.reshape(count, count, *images.shape[1:])


def recombination_board(
    model: LatentModel, images: np.ndarray, latents: LatentArrays
) -> np.ndarray:
    """The recombinations of a few examples, the examples themselves in the first row and column.

    Args:
        model: a model with the groups "appearance" and "geometry".
        images: the data, [N, S, S, C], uint8 or floats in [-1, 1].
        latents: their latents, [N, d] for each group.

    Returns:
        uint8 [height, width, 3]; a row keeps the appearance of its first image, a column the
        geometry of its first.
    """
    factor = whole_factor(images.shape[1])
    originals = as_images(images, factor)
    board = as_images(recombine(model, latents), factor)
    corner = corner_of_axes(originals.shape[1])[None]
    rows = [np.concatenate([corner, originals])]
    rows += [np.concatenate([originals[i : i + 1], row]) for i, row in enumerate(board)]
    return lay_out(rows, [""] * len(rows))


def corner_of_axes(side: int) -> np.ndarray:
    """The upper left cell of a board: the first row gives geometries, the first column appearances.

    Args:
        side: of the cell in pixels.

    Returns:
        uint8 [side, side, 3]: "geometry of" with an arrow to the right, at the top, and "appearance
        of" with an arrow down, below it.
    """
    image = Image.new("RGB", (side, side), "white")
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(max(8, side // 9))
    right, low, tip = side - 2, side - 2, max(3, side // 24)
    # The font has no arrows.
    draw.text((right - 4 * tip, side // 6), "geometry of", _INK, font, anchor="rm")
    draw.line([(right - 3 * tip, side // 6), (right, side // 6)], _INK)
    draw.polygon(
        [(right, side // 6), (right - tip, side // 6 - tip), (right - tip, side // 6 + tip)], _INK
    )
    draw.text((side // 2, low - 5 * tip), "appearance of", _INK, font, anchor="mm")
    draw.line([(side // 2, low - 3 * tip), (side // 2, low)], _INK)
    draw.polygon(
        [(side // 2, low), (side // 2 - tip, low - tip), (side // 2 + tip, low - tip)], _INK
    )
    return np.asarray(image)
