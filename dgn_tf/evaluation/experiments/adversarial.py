"""Experiment E3: what the discriminator of Eq. 22 changes, beside learning without it."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from dgn_tf.config.evaluate import EvaluationData
from dgn_tf.config.experiments.adversarial import Settings
from dgn_tf.data.examples import Examples, as_float
from dgn_tf.evaluation.figures.basis import direction_figures
from dgn_tf.evaluation.metrics.errors import sharpness, squared_errors
from dgn_tf.evaluation.metrics.face_features import HINT, NAME, FaceFeatures, load_face_features
from dgn_tf.evaluation.metrics.kernel_distance import kernel_distance
from dgn_tf.evaluation.report import Cell, Figure, Report, Table
from dgn_tf.inference.statistics import prior_latents
from dgn_tf.runs.evaluated import EvaluatedRun
from dgn_tf.types import LatentArrays, LatentModel
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.words import counted
from dgn_tf.visualize.decoding import decode
from dgn_tf.visualize.directions import principal_directions
from dgn_tf.visualize.grids import draw_grid
from dgn_tf.visualize.images import as_images, lay_out, whole_factor
from dgn_tf.visualize.sheets import prior_sheet

OURS, RIVAL = "adversarial", "likelihood alone"
_COLUMNS = 8
# Samples on a sheet stand in 8 x 8, large ones in 4 x 4.
_SAMPLES, _LARGE, _LARGE_SAMPLES = 8, 128, 4

# Trained models and their inferred latents of the same examples, by name.
Models = Mapping[str, tuple[LatentModel, LatentArrays]]


def run(subject: EvaluatedRun, data: EvaluationData, settings: Settings) -> Report:
    """Compare a run learned with a discriminator with other images, and with its rival.

    Raises:
        InputError: a run has no geometry, was learned in another way, or from other data.
    """
    subjects = {OURS: subject}
    if settings.rival:
        subjects[RIVAL] = subject.rival(settings.rival)
    for name, each in subjects.items():
        flag, word = ("run_dir", "with") if name == OURS else ("rival", "without")
        each.require_geometry(flag)
        if each.config.learning.adversarial != (name == OURS):
            raise InputError(
                f"`experiment=adversarial` needs a `{flag}` learned {word} `adversarial`; "
                f"{each.run_dir} is not."
            )
    features = load_face_features()
    test, train = subject.test(data), subject.train()
    models = {name: (each.model, each.infer(test)) for name, each in subjects.items()}
    if train is None:
        raise InputError(
            "`experiment=adversarial` needs the images that the run learned from, which are not "
            "there: give `experiment=held_out`."
        )
    seed = subject.inference.seed
    return adversarial(models, train, test, features, seed, subject.tested.said(len(test)))


def adversarial(
    models: Models,
    train: Examples,
    test: Examples,
    features: FaceFeatures | None,
    seed: int = 0,
    what: str = "",
) -> Report:
    """Experiment E3 (Fig. 9 to 11), with numbers for what the paper shows.

    Args:
        models: the trained model with the groups "appearance" and "geometry", and its inferred
            latents of `test`, [N, d] for each group, under `OURS`; under `RIVAL` those of a run
            without a discriminator, if there is one.
        train: what they were trained on.
        test: examples to measure on.
        features: of KID; None leaves it out.
        seed: of the samples, and of the subsets of KID.
        what: the examples of `test` are, with their number, for the title.

    Returns:
        A report with the numbers `models`: for each reconstruction error (`msre`), that over the
        mean image's, sharpness of reconstructions and of samples over the images', and `kid` of
        samples against those of `test`; and `training`: what images that were trained on have
        in the place of samples.
    """
    x = as_float(test.images)
    mean_image = float(squared_errors(x, np.broadcast_to(train.mean_image(), x.shape)).mean())
    # Images of one color have none.
    sharp = sharpness(x) or np.nan
    seen = features(test.images[:]) if features else None

    def generated(images: np.ndarray) -> dict[str, Any]:
        """Numbers of images that stand for those of `test`."""
        kid = None
        if features and seen is not None:
            kid = kernel_distance(features(images), seen, seed=seed)
        return {"sharpness": sharpness(images) / sharp, "kid": kid}

    numbers: dict[str, dict[str, Any]] = {}
    for name, (model, latents) in models.items():
        images, _ = decode(model, latents)
        error = float(squared_errors(x, images).mean())
        samples, _ = decode(model, prior_latents(model.latent_dims, (), len(test), seed))
        numbers[name] = {
            "msre": error,
            "over_mean_image": error / (mean_image or np.nan),
            "sharpness": sharpness(images) / sharp,
            "samples": generated(samples),
        }
    chosen = np.random.default_rng(seed).permutation(len(train))[: len(test)]
    training = generated(as_float(train.images[chosen]))
    return Report(
        f"With a discriminator, on {what or counted(len(test), 'image')} (E3)",
        {"models": numbers, "training": training, "kid_features": NAME},
        (_table(numbers, training, features is not None),),
        tuple(_figures(models, test, seed)),
    )


def _table(
    numbers: Mapping[str, Mapping[str, Any]], training: Mapping[str, Any], has_features: bool
) -> Table:
    each = list(numbers.values())

    def kid(generated: Mapping[str, Any]) -> str | None:
        value = generated["kid"]
        return value and f"{1000 * value[0]:.2f} ± {1000 * value[1]:.2f}"

    rows: list[tuple[Cell, ...]] = [
        ("reconstruction error", *(n["msre"] for n in each), None),
        ("  over that of the mean image", *(n["over_mean_image"] for n in each), None),
    ]
    if RIVAL in numbers:
        base = numbers[RIVAL]["msre"]
        rows.append((f"  over that of {RIVAL}", *(n["msre"] / base for n in each), None))
    rows += [
        ("sharpness of reconstructions", *(n["sharpness"] for n in each), None),
        (
            "sharpness of prior samples",
            *(n["samples"]["sharpness"] for n in each),
            training["sharpness"],
        ),
        ("KID of prior samples, x 1000", *(kid(n["samples"]) for n in each), kid(training)),
    ]
    note = (
        f"KID, {NAME}: not the usual Inception's, so comparable within this report only; mean and "
        "standard deviation over random subsets, against the images. "
        if has_features
        else f"{HINT} It is left out. "
    )
    return Table(
        "Errors are sums of squares per image on [0, 1], sharpness is over the images'",
        ("", *numbers, "training images"),
        tuple(rows),
        note + "The last column has training images in the place of samples.",
    )


def _figures(models: Models, test: Examples, seed: int) -> list[Figure]:
    model, latents = models[OURS]
    figures = [_comparison(models, test)]
    for figure in direction_figures(model, latents, principal_directions(model, latents)):
        figures.append(dataclasses.replace(figure, caption=f"{figure.caption} (Fig. 10)"))
    if len(test) > 1:
        caption = (
            "The appearance of the first image in the geometry of the others, and the "
            "appearance of the others in the geometry of the first (Fig. 11)"
        )
        figures.append(
            Figure("recombination", caption, exchange_sheet(model, test.images[:_COLUMNS], latents))
        )
    side = _SAMPLES if test.side < _LARGE else _LARGE_SAMPLES
    for name, (each, _) in models.items():
        caption = f"Samples of the prior: {name}"
        sheet = prior_sheet(each, side, seed)
        figures.append(Figure(f"samples_{name.replace(' ', '_')}", caption, sheet))
    return figures


def _comparison(models: Models, test: Examples) -> Figure:
    """Fig. 9: a column for each image."""
    images, factor = test.images[:_COLUMNS], whole_factor(test.side)

    def made(name: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        model, latents = models[name]
        return decode(model, {group: z[:_COLUMNS] for group, z in latents.items()})

    rows = {"data": as_images(images, factor)}
    if RIVAL in models:
        rows["likelihood\nalone"] = as_images(made(RIVAL)[0], factor)
    ours, parts = made(OURS)
    rows["adversarial"] = as_images(ours, factor)
    rows["canonical"] = as_images(parts["appearance"], factor)
    rows["canonical,\ngrid"] = draw_grid(parts["appearance"], None, factor)
    rows["adversarial,\ngrid"] = draw_grid(ours, parts["geometry"], factor)
    caption = "Held-out images, reconstructions, canonical images, and both grids (Fig. 9)"
    return Figure("comparison", caption, lay_out(list(rows.values()), list(rows)))


def exchange_sheet(model: LatentModel, images: np.ndarray, latents: LatentArrays) -> np.ndarray:
    """Fig. 11: {Z^a_1, Z^g_2..8} and {Z^a_2..8, Z^g_1} of the first 8 images.

    Args:
        model: a model with the groups "appearance" and "geometry".
        images: the data, [N, S, S, C], uint8 or floats in [-1, 1]; N at least 2.
        latents: their latents, [N, d] for each group.

    Returns:
        uint8 [height, width, 3], a column for each image.
    """
    factor = whole_factor(images.shape[1])
    z = {group: values[:_COLUMNS] for group, values in latents.items()}
    first = {group: np.repeat(values[:1], len(values), axis=0) for group, values in z.items()}
    rows = {
        "data": images[:_COLUMNS],
        "reconstructed": decode(model, z)[0],
        "appearance\nof the first": decode(model, {**z, "appearance": first["appearance"]})[0],
        "geometry\nof the first": decode(model, {**z, "geometry": first["geometry"]})[0],
    }
    return lay_out([as_images(row, factor) for row in rows.values()], list(rows))
