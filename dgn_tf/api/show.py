"""Sheets of what a generator does: boards of recombinations, traversals and morphs.

Examples:
    >>> import numpy as np
    >>> import dgn_tf as dgn
    >>> model = dgn.DeformableGenerator.from_preset("debug", alpha=0.1)
    >>> z = dgn.Latents({"appearance": np.eye(8)[:2], "geometry": np.eye(8)[:2]})
    >>> dgn.show.morph(model, z[0], z[1], frames=3)
    Images(3 images, 32x32x3)
    >>> sheet = dgn.show.board(model, z)

The sheets are `Images`: a notebook shows them, and `save` writes them.
"""

import numpy as np

from dgn_tf.api.asking import mean_latents, paint, require_latents
from dgn_tf.api.generator import Generator
from dgn_tf.api.images import Images
from dgn_tf.api.latents import Latents, joined
from dgn_tf.config.fields import whole_number
from dgn_tf.types import LatentArrays, LatentModel, has_geometry
from dgn_tf.utils.errors import InputError
from dgn_tf.visualize.morphing import interpolate
from dgn_tf.visualize.sheets import recombination_board, sample_sheet
from dgn_tf.visualize.traversals import SHOWN, traversal_sheet


def board(model: Generator, z: Latents) -> Images:
    """Every appearance in every geometry of a few images; of clips, of their first frames.

    Args:
        model: a generator with geometry.
        z: latents of two or more images.

    Returns:
        A sheet: a row keeps the appearance of its first image, a column the geometry of its first.

    Raises:
        InputError: there are none, or the model has no geometry.
    """
    require_latents(z)
    still = _still(model, "board")
    if not has_geometry(still):
        raise InputError("`board`: the model has no geometry.")
    images = z.images if z.images is not None else paint(model.network, z).pixels
    first = images[:, 0] if images.ndim == 5 else images
    return Images(recombination_board(still, first, _first(model, z.groups))[None])


def parts(model: Generator, z: Latents) -> Images:
    """What images are made of; of clips, their first frames.

    Args:
        model: a generator.
        z: latents of some images.

    Returns:
        A sheet, a column for each image: the image that was inferred (where there is one), its
        canonical image, the reconstruction, and both under the grid that the geometry bends.

    Raises:
        InputError: there are none.
    """
    require_latents(z)
    still = _still(model, "parts")
    images = z.images if z.images is not None else paint(model.network, z).pixels
    first = images[:, 0] if images.ndim == 5 else images
    return Images(sample_sheet(still, first, _first(model, z.groups))[None])


def traversal(
    model: Generator,
    group: str = "geometry",
    direction: int | str | None = None,
    z: Latents | None = None,
) -> Images:
    """What changes along a principal direction, from -2.5 to +2.5 standard deviations.

    Args:
        model: a trained generator.
        group: the latent group that changes.
        direction: its number or name; None for the six strongest.
        z: latents whose first is shown while the geometry changes; None for a typical appearance.

    Returns:
        A sheet, a row for each direction.

    Raises:
        InputError: there is no such group or direction, or there are no latents.
    """
    if z is not None:
        require_latents(z)
    still = _still(model, "traversal")
    table = model.directions
    of_group = table[group]
    shown_all = range(min(SHOWN, len(of_group.axes)))
    rows = list(shown_all) if direction is None else [table.index(group, direction)]
    names = of_group.names or ("",) * len(of_group.axes)
    chosen = of_group._replace(
        axes=of_group.axes[rows],
        scales=of_group.scales[rows],
        names=tuple(names[row] for row in rows),
    )
    titles = [f"{group} {row + 1}\n{names[row]}".rstrip() for row in rows]
    shown = _first(model, mean_latents(model) if z is None else z[0].groups)
    appearance = shown["appearance"][0] if group != "appearance" else None
    if z is None and appearance is not None and model.known.statistics is not None:
        # The mean appearance is blurred, and shows deformations badly.
        appearance = _first(model, model.known.statistics.sample(1))["appearance"][0]
    sheet = traversal_sheet(still, shown, group, chosen, titles=titles, appearance=appearance)
    return Images(sheet[None])


def morph(model: Generator, start: Latents, end: Latents, frames: int = 16) -> Images:
    """Images on the way from one to another, on a straight line between their latents.

    Args:
        model: the generator of both.
        start: latents of one image or clip.
        end: likewise.
        frames: how many, with both ends.

    Returns:
        The images in turn; `save("morph.gif")` makes an animation.

    Raises:
        InputError: latents of several, or fewer than two frames.
    """
    require_latents(start, "start")
    require_latents(end, "end")
    if len(start) != 1 or len(end) != 1:
        raise InputError("`start` and `end` must be latents of one image each, such as z[0].")
    frames = whole_number("frames", frames, 2)
    pair = joined([start.moved(start.groups), end.moved(end.groups)])
    return paint(model.network, Latents(interpolate(pair.groups, frames - 1)))


def _still(model: Generator, what: str) -> LatentModel:
    still = model.still()
    if still is None:
        raise InputError(f"`{what}` shows what deforms, and this model does not.")
    return still


def _first(model: Generator, groups: LatentArrays) -> LatentArrays:
    """Latents of images; of clips, those of their first frames."""
    if not model.clips:
        return groups
    return {name: np.asarray(model.network.unpack(name, z)[0]) for name, z in groups.items()}
