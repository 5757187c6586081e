"""The sample sheet as a figure of a report."""

from dgn_tf.data.examples import Examples
from dgn_tf.evaluation.report import Figure
from dgn_tf.types import LatentArrays, LatentModel, has_geometry
from dgn_tf.visualize.sheets import sample_sheet

_COLUMNS = 10


def sample_figure(model: LatentModel, test: Examples, latents: LatentArrays) -> Figure:
    """The sample sheet of Fig. 2, of the first held-out examples and their latents."""
    caption = "Held-out images and their reconstructions"
    if has_geometry(model):
        caption += ", by way of the canonical images, with the grid that the field bends (Fig. 2)"
    first = {name: z[:_COLUMNS] for name, z in latents.items()}
    return Figure("samples", caption, sample_sheet(model, test.images[:_COLUMNS], first))
