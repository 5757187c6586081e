"""Latents of images that a trained model has not seen, and what follows from them, in a folder."""

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from dgn_tf.config import Config, InferenceConfig
from dgn_tf.config.edits import Edit, parse_edit
from dgn_tf.config.infer import InferenceTask
from dgn_tf.data.cropping.cutting import FaceCutter, face_cutter
from dgn_tf.data.examples import Examples, as_float
from dgn_tf.data.file_names import file_names
from dgn_tf.data.sources import load, other_data, paths_of
from dgn_tf.data.sources.files import load_files, load_photograph
from dgn_tf.evaluation import results
from dgn_tf.inference.encoder import make_inference
from dgn_tf.inference.energy import reconstruction_errors
from dgn_tf.runs.outputs import REPORT, output_folder
from dgn_tf.runs.restoring import given_latents
from dgn_tf.runs.trained import Trained
from dgn_tf.types import LatentArrays, LatentModel, has_geometry
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.progress import progress_bar
from dgn_tf.utils.words import counted
from dgn_tf.visualize.animation import write_animations
from dgn_tf.visualize.directions import Directions, principal_directions
from dgn_tf.visualize.editing import apply_edits, check_edits, editable_dims, locate
from dgn_tf.visualize.images import save_png
from dgn_tf.visualize.photographs import warp_photograph

# Principal directions of fewer latents say little.
_FEWEST_LATENTS = 20


def infer(
    trained: Trained,
    task: InferenceTask,
    output_dir: str,
    settings: InferenceConfig | None = None,
    overwrite: bool = False,
) -> dict:
    """Infers the latents of images and writes everything that follows from them.

    Into `output_dir`: latents.npz (z_appearance [N, d_a], z_geometry [N, d_g], ids, names),
    report.json, sheet.png, an image of each example in reconstructions/, and for a model with
    geometry also canonical/, grids/ (the reconstruction with the deformed grid) and board.png;
    with `task.recombine` recombinations/A+B.png, the appearance of A in the geometry of B;
    `task.edit` gives edited/, `task.animate` animations/. The folder appears when it is complete.

    Args:
        trained: a trained model of images.
        task: the images, and what is wanted of them.
        output_dir: folder for the results.
        settings: of the inference; None for the defaults.
        overwrite: replace the results of an earlier inference.

    Returns:
        The report: settings, what was done about faces ("faces", a sentence or empty), the squared
        error of each example and their mean, on the [0, 1] scale, summed over an image.

    Raises:
        InputError: settings, model, images or folder cannot be used, or the inference diverged.
    """
    _require_images(trained)
    settings = settings or InferenceConfig()
    faces = _face_cutter(trained, task.align)
    _require_statistics(trained)
    with output_folder(output_dir, overwrite, _sources(trained, task)) as folder:
        encoder, directions = trained.encoder(settings.amortised), _directions(trained, task)
        settings = settings.resolved(trained.config.learning, encoder is not None)
        examples = _load(trained.config, task, faces)
        if (task.edit or task.animate) and not directions and len(examples) < _FEWEST_LATENTS:
            raise InputError(
                f"`edit` and `animate`: {trained.flag} keeps no principal directions, so they "
                f"come from the images given here, and {len(examples)} are too few: give at least "
                f"{_FEWEST_LATENTS}."
            )
        given = given_latents(trained.config, examples, trained.folders)
        size = task.batch_size
        latents = _infer_latents(trained.model, settings, encoder, examples, size, given)
        numbers = _write_results(folder, trained, task, examples, latents, directions)
        source = {
            "data": task.data or None,
            "files": list(task.files),
            "recombine": list(task.recombine),
            "edit": list(task.edit),
            "align": task.align,
            "faces": faces.told() if faces else "",
        }
        report = {"run": trained.path, **source, **dataclasses.asdict(settings), **numbers}
        return _write_report(folder, report)


class Inferred(NamedTuple):
    """Images that a model has been shown.

    Attributes:
        latents: [N, d] by group.
        errors: float64 [N], the sum of squares over an image on the [0, 1] scale.
        unlike: by what each is unlike the images that the model has learned from, names as of
            `LatentStatistics.unusual`; nothing where that is not known.
        faces: what was done about faces, a sentence or empty.
    """

    latents: LatentArrays
    errors: np.ndarray
    unlike: list[list[str]]
    faces: str


def infer_files(
    trained: Trained,
    files: Sequence[str],
    settings: InferenceConfig | None = None,
    align: str = "auto",
) -> Inferred:
    """Infers the latents of image files.

    Args:
        trained: a trained model of images that is not given labels.
        files: paths of images.
        settings: of the inference; None for the defaults.
        align: whether faces are looked for, as of `crops_for`.

    Raises:
        InputError: model, settings or images cannot be used, or the inference diverged.
    """
    _require_images(trained)
    if trained.model.given_groups:
        raise InputError(f"the model of {trained.flag} is given the labels of images.")
    settings = settings or InferenceConfig()
    _require_statistics(trained)
    encoder = trained.encoder(settings.amortised)
    settings = settings.resolved(trained.config.learning, encoder is not None)
    faces = _face_cutter(trained, align)
    examples = _load_files(trained.config, files, faces)
    latents = _infer_latents(trained.model, settings, encoder, examples, len(examples), {})
    errors = reconstruction_errors(trained.model, examples.images, latents)
    unlike = _unlike(trained, examples, latents, errors) or [[] for _ in errors]
    told = faces.told() if faces else ""
    return Inferred(latents, errors, unlike, told)


def _unlike(
    trained: Trained, examples: Examples, latents: LatentArrays, errors: np.ndarray
) -> list[list[str]] | None:
    """By what each image is unlike those that were learned from; None where that is unknown."""
    statistics = trained.statistics
    found = statistics.unusual(examples.images[:], latents, errors) if statistics else {}
    if not found:
        return None
    return [[name for name in found if found[name][row]] for row in range(len(errors))]


def warp_images(
    trained: Trained,
    images: Sequence[str],
    edit: Sequence[str],
    output_dir: str,
    overwrite: bool = False,
) -> dict:
    """Moves image files, at their own size, as edits move the mean geometry: warped/.

    Args:
        trained: a trained model of images, with geometry.
        images: the files.
        edit: GROUP:DIRECTION=VALUE texts, all of the geometry.
        output_dir: folder for the results.
        overwrite: replace the results of an earlier inference.

    Returns:
        The report: run, files and edits.

    Raises:
        InputError: edits, model, images or folder cannot be used.
    """
    edits = [parse_edit(text) for text in edit]
    photographs = [load_photograph(path) for path in images]
    _require_images(trained)
    with output_folder(output_dir, overwrite, [trained.path, *images]) as folder:
        field = _edited_field(trained, edits)
        names = file_names([os.path.basename(path) for path in images])
        for name, photograph in zip(names, photographs, strict=True):
            save_png(folder / "warped" / f"{name}.png", warp_photograph(photograph, field))
        report = {"run": trained.path, "warped": list(images), "edit": list(edit)}
        return _write_report(folder, report)


def _sources(trained: Trained, task: InferenceTask) -> list[str | os.PathLike]:
    """What is read: nothing of it may be replaced by the results."""
    return [trained.path, *task.recombine, *task.files, *(paths_of(task.data) if task.data else ())]


def _write_report(folder: Path, report: dict) -> dict:
    text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
    # Names of files may hold bytes that are no text: JSON takes their escapes.
    (folder / REPORT).write_text(text, encoding="utf-8", errors="backslashreplace")
    return report


def _require_images(trained: Trained) -> None:
    if trained.config.data.frames:
        raise InputError(
            f"{trained.flag} holds a model of clips, and this program takes images: see "
            "dgn_tf.evaluate --experiment=clips."
        )


def _require_statistics(trained: Trained) -> None:
    """Have a damaged file told before the inference, which needs it at its end."""
    _ = trained.statistics


def _directions(trained: Trained, task: InferenceTask) -> dict[str, Directions] | None:
    """What edits and animations follow; None if they are not needed or the run keeps none.

    Raises:
        InputError: the model cannot do what is asked for.
    """
    model, flag, edits = trained.model, trained.flag, task.edits()
    if task.recombine and not has_geometry(model):
        raise InputError(f"`recombine`: the model of {flag} has no geometry.")
    if task.recombine and model.given_groups:
        raise InputError(
            f"`recombine`: the model of {flag} is given the labels of images: use `data` with "
            "labels."
        )
    check_edits(edits, editable_dims(model))
    directions = trained.directions if edits or task.animate else None
    if directions:
        for edit in edits:
            # Refuses unknown names before the inference.
            locate(edit, directions[edit.group])
    return directions


def _face_cutter(trained: Trained, align: str) -> FaceCutter | None:
    data = trained.config.data
    return face_cutter(align, data.faces, data.side, data.channels)


def _load_files(config: Config, files: Sequence[str], faces: FaceCutter | None) -> Examples:
    with progress_bar("Reading images") as report:
        return load_files(files, config.data.side, config.data.channels, faces, report)


def _load(config: Config, task: InferenceTask, faces: FaceCutter | None) -> Examples:
    if files := task.recombine or task.files:
        return _load_files(config, files, faces)
    data = other_data(config.data, task.data, task.limit)
    data = dataclasses.replace(data, data_dir=task.data_dir or config.data.data_dir)
    with progress_bar("Reading images") as report:
        return load(data, report, faces)


def _infer_latents(
    model: LatentModel,
    settings: InferenceConfig,
    encoder: keras.Model | None,
    examples: Examples,
    batch_size: int,
    given: LatentArrays,
) -> LatentArrays:
    inference = make_inference(model, settings, encoder)
    with progress_bar("Langevin steps") as report:
        images = as_float(examples.images)
        latents = inference(images, examples.ids, batch_size, report, given)
    finite = np.all([np.isfinite(z).all(axis=1) for z in latents.values()], axis=0)
    if not finite.all():
        raise InputError(
            f"the inference diverged for {counted(int(np.sum(~finite)), 'image')}, the first "
            f"{examples.names[np.argmin(finite)]}: give a `step_size` below "
            f"{settings.step_size:g}."
        )
    return latents


def _write_results(
    folder: Path,
    trained: Trained,
    task: InferenceTask,
    examples: Examples,
    latents: LatentArrays,
    directions: Mapping[str, Directions] | None,
) -> dict:
    """Writes latents, images, overviews and what else is asked for; returns the errors."""
    model, named = trained.model, task.recombine or task.files
    files = file_names([os.path.basename(name) for name in named] or examples.names)
    errors = results.write_reconstructions(folder, model, examples, latents, files)
    results.write_overviews(folder, model, examples, latents, len(task.recombine) or task.board)
    if task.recombine:
        results.write_recombinations(folder, model, latents, files)
    if task.edit or task.animate:
        directions = directions or principal_directions(model, latents)
    if task.edit and directions:
        results.write_edited(folder, model, latents, task.edits(), directions, files)
    if task.animate and directions:
        appearance = latents["appearance"][0]
        means = trained.chains or latents
        write_animations(folder / "animations", model, means, directions, appearance, task.animate)
    results.write_latents(folder, examples, latents)
    unlike = _unlike(trained, examples, latents, errors)
    return results.errors_report(examples, files, errors, unlike)


def _edited_field(trained: Trained, edits: Sequence[Edit]) -> np.ndarray:
    """By how much edits change the field of the mean geometry of a trained model."""
    check_edits(edits, editable_dims(trained.model))
    wrong = [edit.group for edit in edits if edit.group != "geometry"]
    if wrong:
        raise InputError(f"`warp_image`: `edit={wrong[0]}:...` moves nothing: edit the geometry.")
    directions = trained.directions
    if not directions:
        raise InputError(f"`warp_image`: {trained.flag} keeps no directions to take steps along.")
    # The mean in the precision of the latents, where there are any.
    z = trained.chains["geometry"] if trained.chains else directions["geometry"].mean[None]
    return edited_field(trained.model, directions, z.mean(axis=0, keepdims=True), edits)


def edited_field(
    model: LatentModel,
    directions: Mapping[str, Directions],
    mean: np.ndarray,
    edits: Sequence[Edit],
) -> np.ndarray:
    """By how much edits change the field of the mean geometry: [S, S, 2] in pixels.

    Args:
        model: a trained model with geometry.
        directions: those of the geometry.
        mean: of the geometry's latents, [1, d].
        edits: steps, all of the geometry.

    Raises:
        InputError: there is no such direction.
    """
    latents = {"geometry": mean}
    edited = apply_edits(latents, edits, directions)
    fields = [model.part("geometry", np.float32(z["geometry"])) for z in (edited, latents)]
    return (fields[0] - fields[1])[0].numpy()
