"""Whether single latent codes stand for single factors: MIG, SAP and DCI.

All three ask more than the model promises: it takes two groups apart and leaves the axes inside a
group free, since the prior N(0, I) looks the same from every side. `group_importance` asks what it
does promise.
"""

from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.metrics import mutual_info_score
from sklearn.model_selection import train_test_split

# A factor of several numbers is one number if its first principal component has this share of it.
_ONE_NUMBER = 0.8
_TREES = 50


def scalar_factors(factors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Factors as single numbers, as the measures below need them.

    A factor [N, k] whose first principal component holds 80 % of its variance, such as a color
    that runs from light to dark, becomes that component; another is taken column by column
    ("light 1", "light 2"). What never varies is left out.

    Args:
        factors: numbers [N, ...] by name.

    Returns:
        float64 [N] by name.
    """
    scalars = {}
    for name, values in factors.items():
        columns = np.asarray(values, np.float64).reshape(len(values), -1)
        centered = columns - columns.mean(axis=0)
        _, strengths, axes = np.linalg.svd(centered, full_matrices=False)
        energy = np.square(strengths)
        if energy.sum() == 0.0:
            continue
        if columns.shape[1] == 1:
            scalars[name] = columns[:, 0]
        elif energy[0] >= _ONE_NUMBER * energy.sum():
            scalars[name] = centered @ axes[0]
        else:
            numbered = {f"{name} {k + 1}": column for k, column in enumerate(columns.T)}
            scalars |= {key: column for key, column in numbered.items() if np.ptp(column) > 0.0}
    return scalars


def mutual_information_gap(codes: np.ndarray, factors: np.ndarray, bins: int = 10) -> float:
    """MIG (Chen et al. 2018, "Isolating sources of disentanglement in VAEs", Eq. 6).

    The mean over factors of (I(c1; v) - I(c2; v)) / H(v), c1 and c2 the two codes that tell most
    about the factor v; 1 if one code alone knows each factor, 0 if two know it equally well. Codes
    and factors are cut into `bins` equally frequent bins (the original: 20 of equal width): the
    estimate of I is too high by about (bins - 1)^2 / 2N, much the same for both codes.

    Args:
        codes: [N, D], D at least 2.
        factors: [N, K], each of which varies.
        bins: at most this many values of a code or factor are told apart.

    Returns:
        A number in [0, 1].
    """
    codes = np.stack([_binned(code, bins) for code in codes.T])
    gaps = []
    for factor in np.asarray(factors).T:
        values = _binned(factor, bins)
        information = np.sort([mutual_info_score(code, values) for code in codes])
        gaps.append((information[-1] - information[-2]) / mutual_info_score(values, values))
    return float(np.mean(gaps))


def _binned(values: np.ndarray, bins: int) -> np.ndarray:
    """The number of the bin of each value; values that are few have a bin each."""
    levels = np.unique(values)
    if len(levels) > bins:
        levels = np.quantile(values, np.arange(1, bins) / bins)
    return np.searchsorted(levels, values, side="right")


def separated_attribute_predictability(codes: np.ndarray, factors: np.ndarray) -> float:
    """SAP (Kumar et al. 2018, "Variational inference of disentangled latent concepts", sec. 3).

    The mean over factors of the difference between the two highest scores that single codes reach;
    the score of a code is, for factors that are numbers, the squared correlation of the two. 1 if
    one code alone is a linear function of the factor, 0 if two do equally well.

    Args:
        codes: [N, D], D at least 2.
        factors: [N, K], each of which varies.

    Returns:
        A number in [0, 1].
    """
    codes, factors = (np.asarray(a, np.float64) - np.mean(a, axis=0) for a in (codes, factors))
    norms = np.outer(np.linalg.norm(codes, axis=0), np.linalg.norm(factors, axis=0))
    # A code that never varies predicts nothing.
    scores = np.square(codes.T @ factors / np.where(norms > 0.0, norms, np.inf))
    best = np.sort(scores, axis=0)
    return float(np.mean(best[-1] - best[-2]))


def importances(
    codes: np.ndarray, factors: np.ndarray, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """How much each code matters for predicting each factor, the R_ij of DCI.

    A random forest of 50 trees for each factor, fitted on half of the examples (one of the two
    regressors of Eastwood and Williams); the importance is the mean decrease in variance.

    Args:
        codes: [N, D].
        factors: [N, K], each of which varies.
        seed: of the halves and the forests.

    Returns:
        float64 [D, K], at least 0, each column with the sum 1 (0 if no code varies); and R^2 [K] on
        the other half.
    """
    columns, scores = [], []
    x, x_test, y, y_test = train_test_split(codes, factors, test_size=0.5, random_state=seed)
    for target, truth in zip(y.T, y_test.T, strict=True):
        forest = RandomForestRegressor(_TREES, min_samples_leaf=5, random_state=seed).fit(x, target)
        columns.append(forest.feature_importances_)
        scores.append(forest.score(x_test, truth))
    return np.stack(columns, axis=1), np.array(scores)


def dci(importance: np.ndarray, scores: np.ndarray) -> dict[str, float]:
    """DCI (Eastwood and Williams 2018, "A framework for ... disentangled representations", sec. 2).

    * disentanglement: 1 - H_K(P_i.), the entropy to base K of code i's importances, normalized over
      the factors; averaged over codes by their share of all importance.
    * completeness: 1 - H_D(P_.j), the entropy to base D of factor j's importances, normalized over
      the codes; averaged over factors.
    * informativeness: the mean R^2 of the factors on held-out examples. (The original states the
      error; 1 is best here, and a regressor that is worse than the mean counts as 0.)

    Args:
        importance: [D, K] of `importances`; D and K at least 2.
        scores: R^2 [K].

    Returns:
        The three numbers by name, each in [0, 1], 1 the best. A factor to which no code matters
        has a completeness of 0.
    """
    weights = importance.sum(axis=1) / (importance.sum() or 1.0)
    return {
        "disentanglement": float(weights @ (1.0 - _entropy(importance))),
        "completeness": float(np.mean(1.0 - _entropy(importance.T))),
        "informativeness": float(np.mean(np.maximum(scores, 0.0))),
    }


def _entropy(rows: np.ndarray) -> np.ndarray:
    """Entropy of each row as a distribution, to the base of its length; 1 for a row of zeros."""
    sums = rows.sum(axis=1, keepdims=True)
    p = np.where(sums > 0.0, rows / np.where(sums > 0.0, sums, 1.0), 1.0 / rows.shape[1])
    return -np.sum(p * np.log(np.where(p > 0.0, p, 1.0)), axis=1) / np.log(rows.shape[1])


def disentanglement(
    latents: dict[str, np.ndarray], factors: dict[str, np.ndarray], seed: int = 0
) -> dict[str, Any]:
    """MIG, SAP and DCI of all latent codes together, and what each group matters to each factor.

    Args:
        latents: [N, d] for each group.
        factors: numbers [N, ...] by name; see `scalar_factors`.
        seed: of the random forests.

    Returns:
        `mig`, `sap`, `dci` (see the functions above) and `group_importance`, {factor: {group: the
        sum of the importances of its codes, in [0, 1]}}.
    """
    scalars = scalar_factors(factors)
    truth = np.stack(list(scalars.values()), axis=1)
    codes = np.concatenate(list(latents.values()), axis=1)
    importance, scores = importances(codes, truth, seed)
    ends = np.cumsum([z.shape[1] for z in latents.values()])[:-1]
    groups = [part.sum(axis=0) for part in np.split(importance, ends)]
    return {
        "mig": mutual_information_gap(codes, truth),
        "sap": separated_attribute_predictability(codes, truth),
        "dci": dci(importance, scores),
        "group_importance": {
            name: {group: float(part[k]) for group, part in zip(latents, groups, strict=True)}
            for k, name in enumerate(scalars)
        },
    }
