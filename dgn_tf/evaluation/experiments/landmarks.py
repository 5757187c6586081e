"""Experiment E5: landmarks from displacement fields learned without labels (Table II, Fig. 14)."""

from typing import Any

import numpy as np

from dgn_tf.config.evaluate import EvaluationData
from dgn_tf.config.experiments.landmarks import FEWEST, Settings
from dgn_tf.data.examples import Examples
from dgn_tf.data.landmarks import POINTS, landmarks_of, read_landmarks
from dgn_tf.data.measured import overlap
from dgn_tf.data.sources import source_of, with_kind
from dgn_tf.evaluation.figures.landmarks import landmark_figure
from dgn_tf.evaluation.metrics.landmarks import (
    COMPONENTS,
    displacement_fields,
    errors_by_landmark,
    fit_linear,
    fit_network,
    landmark_error,
    principal_pixels,
    read_positions,
)
from dgn_tf.evaluation.report import Report, Table
from dgn_tf.runs.evaluated import EvaluatedRun
from dgn_tf.types import LatentArrays, LatentModel
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.words import counted

# Percent of the inter-ocular distance on MAFL. Regressors, crops and training data differ.
QUOTED = (
    ("TCDCN", 7.95, "Table II"),
    ("Thewlis et al.", 5.83, "Table II"),
    ("Dense-DAE", 5.45, "Table II"),
    ("MTCNN", 5.39, "Table II"),
    ("deformable generator, of the paper", 5.18, "Table II"),
    ("AutoLink", 3.54, "its paper, 2022"),
    ("LatentKeypointGAN", 3.31, "its paper"),
    ("Lorenz et al.", 3.24, "their paper, 2019"),
    ("Zhang et al.", 3.15, "their paper, 2018"),
    ("DVE", 2.86, "its paper, 2019"),
)

# Labeled examples and their landmarks [N, 5, 2], (x, y) in pixels, eyes first.
Labeled = tuple[Examples, np.ndarray]
# The same with their inferred latents, [N, d] for each group, in between.
Inferred = tuple[Examples, LatentArrays, np.ndarray]


def run(subject: EvaluatedRun, data: EvaluationData, settings: Settings) -> Report:
    """Fit regressors on the fields of labeled images, and test them on others.

    Raises:
        InputError: the model has no geometry, images lack landmarks, or the regressors would be
            tested on what they are fitted on.
    """
    subject.require_geometry()
    trained, tested = subject.config.data, data.data or subject.held_out_heads
    tested = with_kind(tested) if tested else ""
    spec = with_kind(settings.train_data or trained.data)
    where = settings.train_where or ("" if settings.train_data else trained.where)
    tabled = [source_of(s)[0].table == "landmarks" for s in (spec, tested) if s]
    if settings.landmarks and not any(tabled):
        raise InputError(
            f"`landmarks={settings.landmarks}` belongs to images of folder:PATH or zip:PATH; "
            f"{spec} must bring an array 'landmarks'."
        )
    if overlap((spec, where), (tested, data.where)):
        raise InputError(
            f"`data={tested}`: the regressors would be tested on images that they are fitted on; "
            "give others, or tell them apart by `where` and `train_where`."
        )
    # A table may leave images out: only then are more read than are needed.
    read = subject.load(spec, 0 if settings.landmarks else settings.labelled, where)
    train = _first_of(_with_points(read, spec, settings.landmarks), settings.labelled)
    subject.origin["train_data"] = {"data": spec, "where": where, "examples": len(train[0])}
    test = _with_points(subject.test(data, cut=False), tested, settings.landmarks)
    inferred = [(examples, subject.infer(examples), points) for examples, points in (train, test)]
    seed, what = subject.inference.seed, subject.tested.said(len(inferred[1][0]))
    return landmarks(subject.model, *inferred, seed=seed, what=what)


def _with_points(examples: Examples, spec: str, table: str) -> Labeled:
    """The examples that have landmarks, and these."""
    source, _ = source_of(spec)
    if table and source.table == "landmarks":
        kept, points = read_landmarks(table, spec, examples)
        return examples.subset(kept), points
    return examples, landmarks_of(examples, spec)


def _first_of(labeled: Labeled, count: int) -> Labeled:
    examples, points = labeled
    return examples.subset(np.arange(min(count, len(examples)))), points[:count]


def landmarks(
    model: LatentModel, train: Inferred, test: Inferred, seed: int = 0, what: str = ""
) -> Report:
    """Experiment E5: five landmarks regressed from frozen displacement fields.

    Two regressors, each on the fields and on the leading principal components of the pixels: the
    network of the paper, FC(100)+ReLU and FC(10) with an L1 loss (`fit_network`), and a linear map
    without intercept (`fit_linear`), as other papers use.

    Args:
        model: a trained model with the groups "appearance" and "geometry".
        train: N labeled examples to fit the regressors on, at least 20; their inferred latents,
            [N, d] for each group; and their landmarks [N, 5, 2], (x, y) in pixels, eyes first.
        test: M other examples, likewise.
        seed: of the networks' initialization, validation shares and batches.
        what: the examples of `test` are, with their number, for the title.

    Returns:
        A report with the numbers `error` (mean error in percent of the inter-ocular distance:
        `fields` and `pixels`, each by `network` and `linear`, and `mean landmark`),
        `error_by_landmark` of the network on fields, `labelled`, `test` and `components`.

    Raises:
        InputError: fewer than 20 labeled examples, or eyes in one place.
    """
    examples_train, latents_train, points_train = train
    examples_test, latents_test, points_test = test
    count = len(examples_train)
    if count < FEWEST:
        raise InputError(
            f"the regressors need at least {FEWEST} labeled images; there are {count}."
        )
    fields_train, fields_test = (
        displacement_fields(model, z["geometry"]) for z in (latents_train, latents_test)
    )
    components = min(COMPONENTS, count - 1)
    inputs = {
        "fields": (read_positions(fields_train), read_positions(fields_test)),
        "pixels": principal_pixels(examples_train, examples_test, components),
    }
    errors: dict[str, Any] = {}
    predicted = {}
    for name, (x_train, x_test) in inputs.items():
        for kind, fit in (("network", fit_network), ("linear", fit_linear)):
            predicted[name, kind] = fit(x_train, points_train, seed)(x_test)
            errors.setdefault(name, {})[kind] = landmark_error(predicted[name, kind], points_test)
    mean = np.broadcast_to(points_train.mean(axis=0), points_test.shape)
    errors["mean landmark"] = landmark_error(mean, points_test)
    best = predicted["fields", "network"]
    numbers = {
        "error": errors,
        "error_by_landmark": dict(zip(POINTS, errors_by_landmark(best, points_test), strict=True)),
        "labelled": count,
        "test": len(examples_test),
        "components": components,
    }
    tested = what or counted(len(examples_test), "image")
    title = f"Landmarks of {tested} from {count} labeled ones (E5)"
    figure = landmark_figure(model, examples_test, latents_test, points_test, best)
    return Report(title, numbers, _tables(numbers), (figure,))


def _tables(numbers: dict[str, Any]) -> tuple[Table, ...]:
    error = numbers["error"]
    mean = error["mean landmark"]
    ours = Table(
        "Mean error, percent of the distance between the eyes",
        ("from", "network (the paper)", "linear, no intercept"),
        (
            ("displacement fields", error["fields"]["network"], error["fields"]["linear"]),
            (
                f"{numbers['components']} principal components of the pixels",
                error["pixels"]["network"],
                error["pixels"]["linear"],
            ),
            ("the mean landmark, whatever the image", mean, mean),
        ),
        "Network: FC(100)+ReLU, FC(10), L1 loss, on scaled principal components, stopped by a "
        "tenth of the labeled images. Linear: ridge regression in closed form, its penalty by "
        "leaving one out; it sees where the field reads, x + dx and y + dy. Without intercept "
        "pixels must make the mean landmark out of brightness, so the fair comparison with them is "
        "that of the networks.",
    )
    each = Table(
        "Of the network on displacement fields, by landmark",
        ("landmark", "error, %"),
        tuple(numbers["error_by_landmark"].items()),
    )
    quoted = Table(
        "Quoted; other data: errors published for MAFL, 1,000 faces",
        ("method", "error, %", "from"),
        QUOTED,
        "Table II is of Xing et al., TPAMI 2022. Regressors, crops, training data and the number "
        "of labeled faces differ between papers: not comparable with the numbers above to the "
        "digit.",
    )
    return ours, each, quoted
