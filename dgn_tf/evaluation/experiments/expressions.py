"""Expressions recognized from what a model has inferred of clips or images (Table III)."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from sklearn.metrics import confusion_matrix

from dgn_tf.config.evaluate import EvaluationData
from dgn_tf.config.experiments.expressions import Settings
from dgn_tf.data.examples import Examples, as_float
from dgn_tf.data.labels import labels_of, read_labels
from dgn_tf.data.measured import nothing_given
from dgn_tf.data.sources import source_of, with_kind
from dgn_tf.data.sources.memory import MEMORY
from dgn_tf.data.synthetic.motion import EXPRESSIONS
from dgn_tf.evaluation.figures.confusions import confusion_chart
from dgn_tf.evaluation.metrics.errors import squared_errors
from dgn_tf.evaluation.metrics.recognition import FOLDS, check_labels, recognize
from dgn_tf.evaluation.report import Figure, Report, Table
from dgn_tf.runs.evaluated import EvaluatedRun
from dgn_tf.runs.restoring import load_chains
from dgn_tf.types import LatentArrays
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.progress import progress_bar
from dgn_tf.utils.words import counted

# Accuracies on MUG, in percent: other data.
QUOTED = (
    ("DAGSVM-GT", 82.3),
    ("UPSM", 87.7),
    ("HiNet", 87.2),
    ("Multi-stream CNN", 85.4),
    ("RADAP", 85.6),
    ("MoCoGAN, motion latents", 83.1),
    ("dglf, of the paper", 85.5),
    ("ddf, of the paper", 92.0),
)
_SEEN_SIDE = 64

# Of a model: its name, its numbers of parameters and of latents a clip, its error a frame.
Facts = tuple[str, int, int, float]
_FACTS = ("parameters", "latents", "error")


def run(subject: EvaluatedRun, data: EvaluationData, settings: Settings) -> Report:
    """Recognize the labels of clips or images from what the run, and its rival, infer of them.

    A run on stills infers the latents of every frame by itself. To a run on images each image is
    a clip of one frame.

    Raises:
        InputError: the runs hold other models, the data lack the labels, or have too few persons
            or classes.
    """
    subject.refuse_align(data.align)
    of_frames = not subject.config.data.frames
    if of_frames:
        subject.require_geometry()
        if settings.rival:
            raise InputError("`rival` is for runs on clips: leave it out for one on images.")
    else:
        subject.require_model("dynamic")
    subjects = {subject.config.model.model: subject}
    if settings.rival:
        subjects["mocogan"] = subject.rival(settings.rival)
        subjects["mocogan"].require_model("mocogan", "rival")
    clips, rows, labels, persons = _labeled_clips(subject, data, settings)
    values, classes = np.unique(labels, return_inverse=True)
    check_labels(values, persons)
    names = [str(value) for value in values]
    if subject.origin["data"]["drawn"]:
        names = [EXPRESSIONS[value].name for value in values]
    models = {}
    for name, each in subjects.items():
        # What the training has inferred already, as in the paper, is not inferred again.
        kept = None if data.data or of_frames else load_chains(each.run_dir)
        if kept is not None:
            z = {group: values[rows] for group, values in kept.items()}
        else:
            z = each.infer_frames(clips) if of_frames else each.infer(clips)
        models[name] = (each.model, z)
    described = describe(models, clips)
    with progress_bar("Recognizers") as report:
        seed = subject.inference.seed
        return expressions(*described, classes, persons, tuple(names), seed, report)


def _labeled_clips(
    subject: EvaluatedRun, data: EvaluationData, settings: Settings
) -> tuple[Examples, np.ndarray, np.ndarray, np.ndarray]:
    """What to recognize as clips, their rows in the data, their labels and their persons."""
    if data.where and not data.data:
        raise InputError("`where` chooses from `data`: give it too.")
    spec = with_kind(data.data or subject.config.data.data)
    source, _ = source_of(spec)
    names = settings.label, settings.person
    if settings.labels and source.table != "labels":
        raise InputError(
            f"`labels={settings.labels}` belongs to clips:PATH; {spec} must bring its own."
        )
    trained = subject.config.data
    if data.data:
        clips = subject.load_clips(spec, 0, data.where)
    elif not trained.frames and source is not MEMORY:
        # As they are: neither single frames nor with mirror images, which have no labels.
        count = -(-trained.limit // max(1, trained.stills))
        clips = subject.load_clips(spec, count, trained.where)
    else:
        clips = subject.train()
    if clips is None:
        raise nothing_given(trained)
    rows = np.arange(len(clips))
    if settings.labels:
        rows, found = read_labels(settings.labels, names, clips)
    else:
        found = labels_of(clips, names, spec)
    count = data.count(default=0) or len(rows)
    rows, (labels, persons) = rows[:count], (found[name][:count] for name in names)
    subject.origin["data"] = {
        "data": spec,
        "where": data.where,
        "examples": len(rows),
        "labels": settings.labels,
        "label": settings.label,
        "person": settings.person,
        "drawn": source.drawn and settings.label == "expression",
    }
    clips = clips.subset(rows)
    if not clips.frames:
        clips = dataclasses.replace(clips, images=clips.images[:][:, None])
    return clips, rows, labels, persons


def describe(
    models: Mapping[str, tuple[Any, LatentArrays]], clips: Examples
) -> tuple[dict[str, np.ndarray], tuple[Facts, ...]]:
    """Descriptions of clips: what the models make of them, and their pixels.

    Fields and images wider than 64 pixels are averaged down to that, so that clips fit into
    memory.

    Args:
        models: by name, the first a model with geometry, and "mocogan" if there is a rival: each a
            trained model and the latents of the clips inferred by it, [N, d], or [N, F, d] by a
            model of images.
        clips: N clips of F frames.

    Returns:
        Descriptions [N, F, k] by name, for `expressions`: fields of displacement (ddf), geometric
        latents (dglf), the rival's motion codes and the pixels. And for each model its name, its
        numbers of parameters and of latents a clip, and its reconstruction error a frame.
    """
    ours = next(iter(models))
    model, latents = models[ours]
    frames = latents["geometry"]
    if frames.ndim == 2:
        frames = model.frame_latents("geometry", tf.constant(frames, tf.float32)).numpy()
    made: dict[str, list[float]] = {name: [] for name in models}
    fields = []
    for row in range(len(clips)):
        for name, (each, z) in models.items():
            parts = {
                group: each.part(group, tf.constant(np.atleast_2d(value[row]), tf.float32))
                for group, value in z.items()
            }
            truth = as_float(clips.images[row])
            images = each.combine(parts).numpy().reshape(truth.shape)
            made[name].append(squared_errors(images, truth).mean())
            if name == ours:
                field = parts["geometry"].numpy()
                fields.append(_shrunk(field.reshape(len(truth), *field.shape[-3:])))
    sequences = {"displacement fields (ddf)": np.stack(fields), "geometric latents (dglf)": frames}
    if "mocogan" in models:
        rival, z = models["mocogan"]
        codes = rival.part("motion", tf.constant(z["motion"], tf.float32)).numpy()
        sequences["motion codes (MoCoGAN's generator)"] = codes
    pixels = as_float(clips.images).reshape(-1, *clips.images.shape[2:])
    sequences["pixels (PCA)"] = _shrunk(pixels).reshape(*clips.images.shape[:2], -1)
    facts = [
        (name, each.count_params(), sum(v[0].size for v in z.values()), float(np.mean(made[name])))
        for name, (each, z) in models.items()
    ]
    return sequences, tuple(facts)


def _shrunk(maps: np.ndarray) -> np.ndarray:
    """Maps [N, S, S, C] averaged down to at most 64x64, flat: [N, k]."""
    count, side = maps.shape[:2]
    factor = max(1, side // _SEEN_SIDE)
    small = maps.reshape(count, side // factor, factor, side // factor, factor, -1)
    return small.mean(axis=(2, 4)).reshape(count, -1)


def expressions(
    sequences: dict[str, np.ndarray],
    facts: tuple[Facts, ...],
    labels: np.ndarray,
    persons: np.ndarray,
    names: tuple[str, ...],
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Experiment E6, Table III: one recognizer on several descriptions of the same clips.

    Args:
        sequences: descriptions of N clips by name, each [N, F, k], of images [N, 1, k]; the first
            one's confusions are drawn.
        facts: of the models behind them, as from `describe`.
        labels: the class of each clip, int [N], 0 to len(names) - 1.
        persons: who is in it, [N]: nobody is in training and test folds at once.
        names: of the classes.
        seed: of the networks and the order of their batches.
        progress: called with (networks learned, networks in all).

    Returns:
        A report with the numbers `accuracy` (mean, std over the folds and each fold, in percent, by
        description), `chance`, `confusions` of each description, `models`, `clips`, `persons` and
        `folds`.
    """
    count = len(np.unique(persons))
    folds = min(FOLDS, count)
    accuracy: dict[str, dict[str, Any]] = {}
    confusions = {}
    for name, values in sequences.items():
        started = len(accuracy) * folds

        def done(number: int, started: int = started) -> None:
            if progress:
                progress(started + number, folds * len(sequences))

        predicted, fold = recognize(values, labels, persons, folds, seed, done)
        each = [100.0 * np.mean((predicted == labels)[fold == k]) for k in range(folds)]
        accuracy[name] = {"mean": np.mean(each), "std": np.std(each), "each": each}
        confusions[name] = confusion_matrix(labels, predicted, labels=range(len(names)))
    chance = 100.0 * np.bincount(labels).max() / len(labels)
    numbers = {
        "accuracy": accuracy,
        "chance": chance,
        "confusions": confusions,
        "clips": len(labels),
        "persons": count,
        "folds": folds,
        "models": {name: dict(zip(_FACTS, rest, strict=True)) for name, *rest in facts},
    }
    best = next(iter(sequences))
    figure = Figure(
        "confusions",
        f"What the recognizer predicts for each expression, from {best}, in percent.",
        confusion_chart(confusions[best], names),
    )
    noun = "clip" if next(iter(sequences.values())).shape[1] > 1 else "image"
    title = f"Expressions of {counted(len(labels), noun)} of {counted(count, 'person')} (Table III)"
    return Report(title, numbers, _tables(numbers, facts, noun), (figure,))


def _tables(numbers: dict[str, Any], facts: tuple[Facts, ...], noun: str) -> tuple[Table, ...]:
    rows = [
        (name, f"{found['mean']:.1f} ± {found['std']:.1f}")
        for name, found in numbers["accuracy"].items()
    ]
    rows.append(("chance, the largest class", f"{numbers['chance']:.1f}"))
    ours = Table(
        f"Accuracy in percent, {numbers['folds']}-fold cross-validation by persons",
        ("from", "mean ± std over folds"),
        tuple(rows),
        "The same recognizer for all: LSTM, FC(30)+ReLU, softmax, on principal components of "
        f"{'what has changed since the first frame' if noun == 'clip' else 'the description'}. The "
        "descriptions were inferred without labels.",
    )
    models = Table(
        f"The models, and their errors on these {noun}s (sum of squares of an image on [0, 1])",
        ("", "parameters", f"latents of each {noun}", "error"),
        tuple((name, f"{parameters:,}", *rest) for name, parameters, *rest in facts),
    )
    quoted = Table(
        "Quoted; other data: Table III, on MUG (Xing et al., TPAMI 2022)",
        ("method", "accuracy, %"),
        QUOTED,
    )
    return ours, models, quoted
