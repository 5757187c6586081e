"""What an inference leaves in its folder: latents, images and animations."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from dgn_tf.config.edits import Edit
from dgn_tf.data.examples import Examples, as_bytes, as_float
from dgn_tf.data.file_names import file_names
from dgn_tf.evaluation.metrics.errors import squared_errors
from dgn_tf.types import LatentArrays, LatentModel, has_geometry
from dgn_tf.utils.errors import naming
from dgn_tf.utils.progress import progress_bar
from dgn_tf.visualize import sheets
from dgn_tf.visualize.decoding import decode
from dgn_tf.visualize.directions import Directions
from dgn_tf.visualize.editing import apply_edits
from dgn_tf.visualize.grids import draw_grid
from dgn_tf.visualize.images import save_png, save_sheet, whole_factor

_SHEET_COLUMNS = 10
_BATCH = 128


def write_reconstructions(
    folder: Path,
    model: LatentModel,
    examples: Examples,
    latents: LatentArrays,
    files: Sequence[str],
) -> np.ndarray:
    """Writes the images of each example: reconstructions/, canonical/ and grids/.

    Args:
        folder: where to.
        model: a model of images; without geometry it has reconstructions alone.
        examples: N examples.
        latents: theirs, [N, d] for each group.
        files: a file name without suffix for each example.

    Returns:
        The squared reconstruction error of each example, [N]: the sum over its pixels, on the
        [0, 1] scale.
    """
    factor = whole_factor(examples.side)
    errors = []
    with progress_bar("Images") as report:
        for first in range(0, len(examples), _BATCH):
            rows = slice(first, first + _BATCH)
            images, parts = decode(model, {name: z[rows] for name, z in latents.items()})
            errors.append(squared_errors(as_float(examples.images[rows]), images))
            made = {"reconstructions": as_bytes(images)}
            if has_geometry(model):
                made["canonical"] = as_bytes(parts["appearance"])
                made["grids"] = draw_grid(images, parts["geometry"], factor)
            for kind, batch in made.items():
                save = save_sheet if kind == "grids" else save_png
                for file, image in zip(files[rows], batch, strict=True):
                    save(folder / kind / f"{file}.png", image)
            report(first + len(images), len(examples))
    return np.concatenate(errors)


def write_overviews(
    folder: Path, model: LatentModel, examples: Examples, latents: LatentArrays, board: int
) -> None:
    """Writes sheet.png and, for a model with geometry, board.png, of the first examples.

    Args:
        folder: where to.
        model: a model of images.
        examples: N examples.
        latents: theirs, [N, d] for each group.
        board: how many examples the board of recombinations shows; 0 for no board.
    """

    def first(count: int) -> tuple[np.ndarray, LatentArrays]:
        return examples.images[:count], {name: z[:count] for name, z in latents.items()}

    save_sheet(folder / "sheet.png", sheets.sample_sheet(model, *first(_SHEET_COLUMNS)))
    if board and has_geometry(model):
        save_sheet(folder / "board.png", sheets.recombination_board(model, *first(board)))


def write_recombinations(
    folder: Path, model: LatentModel, latents: LatentArrays, files: Sequence[str]
) -> None:
    """Writes recombinations/A+B.png, the appearance of A in the geometry of B, for all A != B.

    Args:
        folder: where to.
        model: a model of images with geometry.
        latents: [N, d] for each group.
        files: a file name without suffix for each example.
    """
    # Two names together must fit into the 255 bytes of a file name.
    short = file_names(files, longest=120)
    for first, row in zip(short, as_bytes(sheets.recombine(model, latents)), strict=True):
        for second, image in zip(short, row, strict=True):
            if first != second:
                save_png(folder / "recombinations" / f"{first}+{second}.png", image)


def write_edited(
    folder: Path,
    model: LatentModel,
    latents: LatentArrays,
    edits: Sequence[Edit],
    directions: Mapping[str, Directions],
    files: Sequence[str],
) -> None:
    """Writes edited/: every image after the edits.

    Args:
        folder: where to.
        model: a model of images.
        latents: [N, d] for each group.
        edits: steps along the directions.
        directions: of each group that the edits move.
        files: a file name without suffix for each example.
    """
    images, _ = decode(model, apply_edits(latents, edits, directions))
    for file, image in zip(files, as_bytes(images), strict=True):
        save_png(folder / "edited" / f"{file}.png", image)


def write_latents(folder: Path, examples: Examples, latents: LatentArrays) -> None:
    """Writes latents.npz: z_GROUP [N, d] for each group, ids [N] and names [N]."""
    arrays = {f"z_{name}": z for name, z in latents.items()}
    arrays |= {"ids": examples.ids, "names": np.array(examples.names)}
    path = folder / "latents.npz"
    with naming(path):
        np.savez(path, allow_pickle=False, **arrays)


def errors_report(
    examples: Examples,
    files: Sequence[str],
    errors: np.ndarray,
    unlike: Sequence[Sequence[str]] | None,
) -> dict:
    """The part of the report that names examples and their errors.

    Args:
        examples: N examples.
        files: a file name without suffix for each.
        errors: `write_reconstructions` has returned.
        unlike: by what each is unlike the images that the model has learned from; None where
            nothing is known of that.

    Returns:
        "msre", the mean squared reconstruction error, and "examples" with the name, id, file and
        error of each, whether it is typical (None where that is not known), and by what it is
        unlike those learned from.
    """
    known = [None] * len(errors) if unlike is None else unlike
    rows = zip(examples.names, examples.ids, files, errors, known, strict=True)
    return {
        "msre": float(np.mean(errors)),
        "examples": [
            {
                "name": name,
                "id": int(i),
                "file": f"{file}.png",
                "msre": float(error),
                "typical": None if other is None else not other,
                "unlike": list(other or ()),
            }
            for name, i, file, error, other in rows
        ],
    }
