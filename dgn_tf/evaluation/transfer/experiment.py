"""The transfer table from end to end: what is missing is trained and tested, nothing twice."""

import dataclasses
from typing import Any

import numpy as np

from dgn_tf.config import Config, InferenceConfig
from dgn_tf.config.transfer import TransferSettings, check_training
from dgn_tf.data.examples import Examples
from dgn_tf.data.label_values import described, number_label_of
from dgn_tf.data.sources import load, other_data
from dgn_tf.evaluation.report import Figure, Report
from dgn_tf.evaluation.transfer.member import Member
from dgn_tf.evaluation.transfer.table import split_views, transfer_report
from dgn_tf.evaluation.transfer.trainings import tuning_of
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import user_path
from dgn_tf.utils.progress import progress_bar
from dgn_tf.visualize.images import as_images, lay_out, whole_factor

_SHOWN = 10


def transfer(
    run_dir: str, config: Config, settings: TransferSettings, inference: InferenceConfig
) -> tuple[Report, dict[str, Any]]:
    """Train what is not trained yet, test what is not tested yet, make the table (E2, Table I).

    Args:
        run_dir: folder of all runs.
        config: of the first trainings; its model is the deformable generator that the others are
            made as large as.
        settings: of the table.
        inference: steps and starts of the test.

    Returns:
        The report, and what made it.

    Raises:
        InputError: settings that would fail after hours, or a training that failed.
    """
    check_training(config)
    tuning_of(config, settings, "")
    first_seed = config.learning.seed
    members = [
        Member(user_path(run_dir), config, settings, inference, method, seed)
        for seed in range(first_seed, first_seed + settings.repeats)
        for method in settings.names
    ]
    test, views = _unseen(config, settings)
    shown = _shown(views)
    results: dict[str, list[dict[str, float]]] = {}
    parameters, made = {}, {}
    for number, member in enumerate(members):
        print(f"{member.name}: {number + 1} of {len(members)}", flush=True)
        member.train()
        for label, errors in member.test(test, views).items():
            results.setdefault(label, []).append(errors)
        if member.seed == first_seed:
            parameters[member.method], made[member.method] = member.describe(test.subset(shown))
    figure = _figure(test.subset(shown), views[shown], made)
    origin = {
        "experiment": "transfer",
        "run": run_dir,
        "test": len(test),
        "config": dataclasses.asdict(config),
        **dataclasses.asdict(settings),
        "steps": inference.steps,
        "starts": inference.starts,
        "amortised": inference.amortised,
        "methods": settings.names,
    }
    return transfer_report(results, parameters, [figure]), origin


def _unseen(config: Config, settings: TransferSettings) -> tuple[Examples, np.ndarray]:
    """The examples of the target that no method has seen, and the view of each.

    Raises:
        InputError: the target has no view label, or too few examples.
    """
    data = other_data(config.data, settings.target)
    with progress_bar(f"Reading {settings.target}") as report:
        target = load(data, report)
    if settings.view not in target.factors:
        listing = described(target) if target.factors else "no labels"
        raise InputError(
            f"`target={settings.target}` has no numeric label `view={settings.view}`; it has "
            f"{listing}."
        )
    try:
        views = number_label_of(target, settings.view).astype(np.float64)
    except ValueError as error:
        raise InputError(
            f"`target={settings.target}`: its label `view={settings.view}` {error}."
        ) from None
    frontal, count = settings.frontal, settings.tuned
    tuned, unseen = split_views(target, views, frontal, count, settings.per_view)
    if len(tuned) < count or not len(unseen):
        raise InputError(
            f"`target={settings.target}`: {len(tuned)} examples with {settings.view}={frontal:g} "
            f"to fine-tune on (`tuned={count}`) and {len(unseen)} unseen ones to test on."
        )
    return target.subset(unseen), views[unseen]


def _shown(views: np.ndarray) -> np.ndarray:
    """Places of the images to show: in turn from each view."""
    each = -(-_SHOWN // len(np.unique(views)))
    return np.concatenate([np.flatnonzero(views == v)[:each] for v in np.unique(views)])[:_SHOWN]


def _figure(shown: Examples, views: np.ndarray, made: dict[str, np.ndarray]) -> Figure:
    rows = {"data": shown.images, **made}
    factor = whole_factor(shown.side)
    images = [as_images(row, factor) for row in rows.values()]
    sheet = lay_out(images, list(rows), [f"{view:g}" for view in views])
    return Figure("reconstructions", "Unseen images by view, and what each method makes.", sheet)
