"""Experiment E6: clips taken apart into who, shape and motion (Fig. 15 to 19)."""

from typing import Any

import numpy as np

from dgn_tf.config.evaluate import EvaluationData
from dgn_tf.config.experiments.clips import Settings
from dgn_tf.data.examples import Examples, as_float
from dgn_tf.data.synthetic.heads_clips import render_clips
from dgn_tf.data.synthetic.rendering import APPEARANCE, GEOMETRY
from dgn_tf.evaluation.figures.clips import clip_figures
from dgn_tf.evaluation.metrics.errors import beside_baselines, squared_errors, told_worse
from dgn_tf.evaluation.metrics.fields import field_bound, field_health
from dgn_tf.evaluation.metrics.r2 import factor_r2, r2_table
from dgn_tf.evaluation.metrics.recombination import derangement, with_channels
from dgn_tf.evaluation.report import Cell, Report, Table
from dgn_tf.models.dynamic import DynamicDeformableGenerator
from dgn_tf.runs.evaluated import EvaluatedRun
from dgn_tf.types import LatentArrays
from dgn_tf.utils.words import counted
from dgn_tf.visualize.clips import decode_clips, rows_of

# Frames that principal components are fitted on, at most.
_PCA_FRAMES = 10_000
_NOTE = "val_msre of a training is of whole clips, and takes fewer steps of inference."


def run(subject: EvaluatedRun, data: EvaluationData, settings: Settings) -> Report:
    """Measure a run on clips.

    Raises:
        InputError: the run holds another model, or there are no clips to measure on.
    """
    del settings
    subject.require_model("dynamic")
    test, train = subject.test(data), subject.train()
    latents, seed = subject.infer(test), subject.inference.seed
    return clips(
        subject.model,
        train,
        test,
        latents,
        seed,
        subject.tested.said(len(test)),
        subject.mean_image,
    )


def clips(
    model: DynamicDeformableGenerator,
    train: Examples | None,
    test: Examples,
    latents: LatentArrays,
    seed: int = 0,
    what: str = "",
    mean_image: np.ndarray | None = None,
) -> Report:
    """Reconstruction, recombination, editing of the shape, and free generation.

    Args:
        model: a trained model.
        train: the clips it was trained on, [N, T + 1, S, S, C]; None where they are not known, and
            baselines are left out.
        test: clips to measure on.
        latents: inferred packed latents of `test`, by group.
        seed: of the pairs and of the noises of free generation.
        what: the examples are, with their number, for the title.
        mean_image: of what it was trained on, [S, S, C] in [-1, 1], where `train` is None; or None.

    Returns:
        A report with the numbers `reconstruction` (errors a frame), `field` and, for clips
        with the factors of heads_clips, `recombination`, `identity` and `motion`; and the figures.
    """
    numbers = _reconstruction(model, train, test, latents, mean_image)
    rows: list[tuple[Cell, ...]] = [
        ("reconstruction error a frame", numbers["reconstruction"]["msre"]),
        *_baselines(numbers["reconstruction"]),
        ("folded cells of the field", f"{100 * numbers['field']['folded']:.2f}%"),
        ("mean displacement, pixels", numbers["field"]["displacement"]),
    ]
    drawn = all(name in test.factors for name in (*APPEARANCE, *GEOMETRY))
    if drawn and len(test) > 1:
        numbers["recombination"] = _recombination(model, test, latents, seed)
        swap = numbers["recombination"]
        rows += [
            ("recombination error a frame", swap["recombined"]),
            ("  of not recombining", swap["not_recombined"]),
            ("  ratio of the two", swap["recombined"] / swap["not_recombined"]),
        ]
    errors = "Errors are sums of squares per frame on [0, 1]"
    note = "\n  ".join(filter(None, (told_worse(numbers["reconstruction"]), _NOTE)))
    tables = [Table(errors, ("", ""), tuple(rows), note)]
    # Nobody may be in a training fold and its test fold, of five.
    if drawn and len(np.unique(_persons(test))) >= 5:
        numbers["identity"] = identity_r2(model, latents, test)
        numbers["motion"] = motion_r2(model, latents, test)
        captions = ("R² of what stays the same through a clip", "R² of what moves, frame by frame")
        for name, caption in zip(("identity", "motion"), captions, strict=True):
            tables.append(r2_table(numbers[name], f"{caption}, from"))
    figures = clip_figures(model, test, latents, _persons(test), seed)
    return Report(
        f"{what or counted(len(test), 'clip')} (E6)", numbers, tuple(tables), tuple(figures)
    )


def _baselines(fit: dict[str, Any]) -> list[tuple[Cell, ...]]:
    rows = (
        (f"  of PCA, {fit['pca_components']} components a frame", fit["msre_pca"]),
        ("  of the mean image", fit["msre_mean_image"]),
    )
    return [row for row in rows if row[1] is not None]


def _reconstruction(
    model: DynamicDeformableGenerator,
    train: Examples | None,
    test: Examples,
    latents: LatentArrays,
    mean_image: np.ndarray | None,
) -> dict[str, Any]:
    """Errors a frame, beside two baselines fitted on training frames; the health of the field."""
    errors, health, bound = [], [], field_bound(model.emission)
    for row in range(len(test)):
        made, parts = decode_clips(model, rows_of(latents, [row]))
        errors.append(squared_errors(made[0], as_float(test.images[row])).mean())
        health.append(field_health({n: part[0] for n, part in parts.items()}, bound))
    frames = test.images.shape[1]
    components = max(1, round(sum(model.latent_dims.values()) / frames))
    x = _flat(as_float(test.images))
    x_train = None if train is None else _flat(as_float(_some_frames(train.images[:])))
    return {
        "reconstruction": beside_baselines(
            float(np.mean(errors)), x, x_train, components, mean_image
        ),
        "field": {name: float(np.mean([each[name] for each in health])) for name in health[0]},
    }


def _some_frames(clips: np.ndarray) -> np.ndarray:
    """Clips with few enough frames in all to fit principal components on, evenly spread."""
    step = -(-clips.shape[0] * clips.shape[1] // _PCA_FRAMES)
    return clips.reshape(-1, 1, *clips.shape[2:])[::step]


def _recombination(
    model: DynamicDeformableGenerator, test: Examples, latents: LatentArrays, seed: int
) -> dict[str, float]:
    """The appearance of each clip with the geometry of another, against the drawn truth."""
    recombined, left = [], []
    for row, other in enumerate(derangement(len(test), seed)):
        looks = {name: test.factors[name][[row]] for name in APPEARANCE}
        motion = {name: test.factors[name][[other]] for name in GEOMETRY}
        rendered = with_channels(render_clips(looks, motion, test.side)[0], test.channels)
        z = rows_of(latents, [row]) | {"geometry": latents["geometry"][[other]]}
        wanted, swapped = as_float(rendered), decode_clips(model, z)[0][0]
        recombined.append(squared_errors(swapped, wanted).mean())
        left.append(squared_errors(as_float(test.images[row]), wanted).mean())
    return {
        "recombined": float(np.mean(recombined)),
        "not_recombined": float(np.mean(left)),
    }


def identity_r2(
    model: DynamicDeformableGenerator, latents: LatentArrays, test: Examples
) -> dict[str, dict[str, float]]:
    """R^2 of what stays the same through a clip, from Z^g_0, Z^a_0 and the motion s^g.

    Args:
        model: the dynamic model.
        latents: packed latents by group.
        test: clips with the factors of heads_clips, of at least five persons, who are kept apart in
            the folds; looks and head width are used.

    Returns:
        {factor: {source: R^2}}; the motion is the mean and the spread of s^g_t over the clip.
    """
    first = {name: model.unpack(name, z)[0] for name, z in latents.items()}
    moved = model.frame_latents("geometry", np.float32(latents["geometry"])).numpy()
    states = moved[:, 1:] - first["geometry"][:, None]
    motion = np.concatenate([states.mean(axis=1), states.std(axis=1)], axis=1)
    sources = {"Z^a_0": first["appearance"], "Z^g_0": first["geometry"], "motion s^g": motion}
    still = {name: test.factors[name] for name in APPEARANCE}
    still["width"] = test.factors["width"][:, 0]
    return factor_r2(sources, still, _persons(test))


def motion_r2(
    model: DynamicDeformableGenerator, latents: LatentArrays, test: Examples
) -> dict[str, dict[str, float]]:
    """R^2 of the factors that move, over all frames, from Z^g_t and from Z^a_t.

    Args:
        model: the dynamic model.
        latents: packed latents by group.
        test: as for `identity_r2`; yaw, pitch and the parts of the face are used.

    Returns:
        {factor: {source: R^2}}.
    """
    frames = {
        f"Z^{name[0]}_t": _flat(model.frame_latents(name, np.float32(z)).numpy())
        for name, z in latents.items()
    }
    moving = {n: test.factors[n].reshape(-1) for n in GEOMETRY if n != "width"}
    return factor_r2(frames, moving, np.repeat(_persons(test), test.images.shape[1]))


def _persons(test: Examples) -> np.ndarray:
    """Who is in each clip: by a label, or else by the source that the clip was cut from."""
    for label in ("person", "clip"):
        if label in test.factors:
            return np.reshape(test.factors[label], (len(test), -1))[:, 0]
    sources = [name.rpartition("#")[0] or name for name in test.names]
    return np.unique(sources, return_inverse=True)[1]


def _flat(clips_or_parts: np.ndarray) -> np.ndarray:
    """[N, F, ...] as [N F, ...]."""
    return np.reshape(clips_or_parts, (-1, *np.shape(clips_or_parts)[2:]))
