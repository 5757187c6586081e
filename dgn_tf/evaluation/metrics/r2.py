"""What latents know of factors: R^2 of linear predictions."""

from collections.abc import Mapping

import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold, KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dgn_tf.evaluation.report import Table


def ridge_r2(z: np.ndarray, factor: np.ndarray, groups: np.ndarray | None = None) -> float:
    """Cross-validated R^2 of a factor predicted from latents.

    Ridge regression, five folds; the penalty is chosen inside each training fold.

    Args:
        z: latents [N, d].
        factor: numbers [N] or [N, k].
        groups: [N], such as persons, at least five: nobody is in a training fold and its test fold.
            None for no groups.

    Returns:
        At most 1, negative where the latents say nothing; of a factor of several numbers their mean
        R^2.
    """
    factor = np.asarray(factor, np.float64).reshape(len(z), -1)
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 13)))
    folds = KFold(5, shuffle=True, random_state=0) if groups is None else GroupKFold(5)
    predicted = cross_val_predict(model, z, factor, groups=groups, cv=folds).reshape(factor.shape)
    residual = np.square(factor - predicted).sum(axis=0)
    return float(np.mean(1.0 - residual / np.square(factor - factor.mean(axis=0)).sum(axis=0)))


def factor_r2(
    latents: Mapping[str, np.ndarray],
    factors: Mapping[str, np.ndarray],
    groups: np.ndarray | None = None,
) -> dict[str, dict[str, float]]:
    """`ridge_r2` of every factor that varies, from each latent group.

    Args:
        latents: [N, d] for each group.
        factors: numbers [N, ...] by name.
        groups: [N], examples of one group are in one fold; None for no groups.

    Returns:
        {factor: {group: R^2}}.
    """
    flat = {name: np.reshape(values, (len(values), -1)) for name, values in factors.items()}
    return {
        name: {group: ridge_r2(z, values, groups) for group, z in latents.items()}
        for name, values in flat.items()
        if np.all(values.std(axis=0) > 0)
    }


def r2_table(r2: Mapping[str, Mapping[str, float]], caption: str, note: str = "") -> Table:
    """What `factor_r2` found, a row for each factor and a column for each group."""
    groups = list(next(iter(r2.values())))
    rows = tuple((name, *(values[group] for group in groups)) for name, values in r2.items())
    return Table(caption, ("", *groups), rows, note)


def group_r2_table(r2: Mapping[str, Mapping[str, float]]) -> Table:
    """`r2_table` of the latent groups of images."""
    note = "Ridge regression from the latents of one group, judged on held-out fifths."
    return r2_table(r2, "R² of a factor from", note)
