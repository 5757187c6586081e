"""What an inference leaves in its folder: latents, images and animations."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dgn_tf.data.examples import Examples, as_bytes, as_float
from dgn_tf.evaluation.metrics.errors import squared_errors
from dgn_tf.runs.outputs import file_names
from dgn_tf.types import has_geometry
from dgn_tf.utils.progress import progress_bar
from dgn_tf.visualize import editing, sheets
from dgn_tf.visualize.animation import write_animations
from dgn_tf.visualize.decoding import decode
from dgn_tf.visualize.grids import draw_grid
from dgn_tf.visualize.images import save_png, whole_factor

_SHEET_COLUMNS = 10


def write(
    folder: Path,
    model,
    examples: Examples,
    latents: dict[str, np.ndarray],
    files: Sequence[str],
    *,
    board: int = 0,
    recombine: bool = False,
    edits: Sequence[editing.Edit] = (),
    animate: str | None = None,
    reference: dict[str, np.ndarray] | None = None,
) -> dict:
    """Writes latents, images, overviews and what else is asked for.

    Args:
        folder: where to.
        model: a model with `latent_dims`, `part` and `combine`.
        examples: N examples.
        latents: their latents, [N, d] for each group.
        files: a file name without suffix for each example.
        board: how many examples the recombination board shows.
        recombine: also write every recombination as an image of its own.
        edits: what to change for edited/.
        animate: "gif" or "mp4" for animations/.
        reference: latents [M, d] for each group whose principal directions edits and animations
            follow; None takes `latents`.

    Returns:
        For the report: "msre", the mean squared reconstruction error (the sum over an image on
        the [0, 1] scale), and "examples" with the name, id, file and error of each.
    """
    errors = write_images(folder, model, examples, latents, files)
    write_overviews(folder, model, examples, latents, board)
    if recombine:
        write_recombinations(folder, model, latents, files)
    reference = reference or latents
    if edits:
        write_edited(folder, model, latents, edits, reference, files)
    if animate:
        appearance = latents["appearance"][0]
        write_animations(folder / "animations", model, reference, appearance, animate)
    write_latents(folder, examples, latents)
    return _errors(examples, files, errors)


def write_images(
    folder: Path,
    model,
    examples: Examples,
    latents: dict[str, np.ndarray],
    files: Sequence[str],
    batch_size: int = 128,
) -> np.ndarray:
    """Writes the images of each example: reconstructions/, canonical/ and grids/.

    Returns:
        The squared reconstruction error of each example, [N] on the [0, 1] scale.
    """
    factor = whole_factor(examples.side)
    errors = []
    with progress_bar("pictures") as progress:
        for first in range(0, len(examples), batch_size):
            rows = slice(first, first + batch_size)
            images, parts = decode(model, {name: z[rows] for name, z in latents.items()})
            errors.append(squared_errors(as_float(examples.images[rows]), images))
            made = {"reconstructions": as_bytes(images)}
            if has_geometry(model):
                made["canonical"] = as_bytes(parts["appearance"])
                made["grids"] = draw_grid(images, parts["geometry"], factor)
            for kind, batch in made.items():
                for file, image in zip(files[rows], batch, strict=True):
                    save_png(folder / kind / f"{file}.png", image)
            progress(first + len(images), len(examples))
    return np.concatenate(errors)


def write_overviews(
    folder: Path, model, examples: Examples, latents: dict[str, np.ndarray], board: int
) -> None:
    """Writes sheet.png and, for a model with geometry, board.png, of the first examples."""

    def first(count):
        return examples.images[:count], {name: z[:count] for name, z in latents.items()}

    save_png(folder / "sheet.png", sheets.sample_sheet(model, *first(_SHEET_COLUMNS)))
    if board and has_geometry(model):
        save_png(folder / "board.png", sheets.recombination_board(model, *first(board)))


def write_recombinations(
    folder: Path, model, latents: dict[str, np.ndarray], files: Sequence[str]
) -> None:
    """Writes recombinations/A+B.png, the appearance of A in the geometry of B, for all A != B."""
    # Two of them and more must fit into the 255 bytes of a file name.
    short = file_names(files, longest=120)
    for first, row in zip(short, as_bytes(sheets.recombine(model, latents)), strict=True):
        for second, image in zip(short, row, strict=True):
            if first != second:
                save_png(folder / "recombinations" / f"{first}+{second}.png", image)


def write_edited(
    folder: Path,
    model,
    latents: dict[str, np.ndarray],
    edits: Sequence[editing.Edit],
    reference: dict[str, np.ndarray],
    files: Sequence[str],
) -> None:
    """Writes edited/: every image after the edits along the directions of `reference`."""
    edited = editing.apply_edits(latents, edits, editing.make_bases(model, reference))
    images, _ = decode(model, edited)
    for file, image in zip(files, as_bytes(images), strict=True):
        save_png(folder / "edited" / f"{file}.png", image)


def write_latents(folder: Path, examples: Examples, latents: dict[str, np.ndarray]) -> None:
    """Writes latents.npz: z_GROUP [N, d] for each group, ids [N] and names [N]."""
    arrays = {f"z_{name}": z for name, z in latents.items()}
    names = np.array(examples.names)
    np.savez(folder / "latents.npz", **arrays, ids=examples.ids, names=names)


def _errors(examples: Examples, files: Sequence[str], errors: np.ndarray) -> dict:
    """The part of the report that names examples and their errors."""
    rows = zip(examples.names, examples.ids, files, errors, strict=True)
    return {
        "msre": float(np.mean(errors)),
        "examples": [
            {"name": name, "id": int(i), "file": f"{file}.png", "msre": float(error)}
            for name, i, file, error in rows
        ],
    }
