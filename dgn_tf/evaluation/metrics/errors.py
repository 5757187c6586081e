"""Numbers for reconstructions: errors, those of simple baselines, sharpness; and for classes."""

from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.decomposition import PCA
from sklearn.metrics.cluster import contingency_matrix


def squared_errors(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Sum of squares per image, float64 [N] on the [0, 1] scale, of images [N, ...] in [-1, 1]."""
    difference = (np.asarray(x, np.float32) - np.asarray(y, np.float32)).reshape(len(x), -1)
    return np.square(difference).sum(axis=1, dtype=np.float64) / 4.0


def sharpness(images: np.ndarray) -> float:
    """Mean length of the gradient of images [N, S, S, C] in [-1, 1], on the [0, 1] scale.

    Forward differences, over pixels, channels and images.
    """
    x = np.asarray(images, np.float32) / 2.0
    across = x[:, :-1, 1:] - x[:, :-1, :-1]
    down = x[:, 1:, :-1] - x[:, :-1, :-1]
    return float(np.hypot(across, down).mean(dtype=np.float64))


def mean_image_msre(train: np.ndarray, test: np.ndarray) -> float:
    """Mean squared error per image of answering with the mean of `train` [N, ...].

    Args:
        train: images [N, ...] in [-1, 1].
        test: images [M, ...] in [-1, 1]; their errors are on the [0, 1] scale.
    """
    return float(squared_errors(test, np.broadcast_to(train.mean(axis=0), test.shape)).mean())


def pca_msre(train: np.ndarray, test: np.ndarray, components: int) -> float:
    """Mean squared error per image of `test` projected on the principal components of `train`.

    Args:
        train: images [N, ...] in [-1, 1].
        test: images [M, ...] in [-1, 1]; their errors are on the [0, 1] scale.
        components: how many.

    Raises:
        ValueError: fewer training images than components.
    """
    pca = PCA(components, svd_solver="randomized", random_state=0).fit(
        train.reshape(len(train), -1)
    )
    flat = test.reshape(len(test), -1)
    return float(squared_errors(flat, pca.inverse_transform(pca.transform(flat))).mean())


def beside_baselines(
    error: float,
    test: np.ndarray,
    train: np.ndarray | None,
    components: int,
    mean_image: np.ndarray | None = None,
) -> dict[str, Any]:
    """A model's mean error on `test` beside those of PCA and of the mean image of `train`.

    Args:
        error: of the model, a sum of squares per image on the [0, 1] scale.
        test: images [M, S, S, C] in [-1, 1].
        train: images [N, S, S, C] in [-1, 1] that the baselines are fitted on; None for none.
        components: of PCA, as many as the model has latents.
        mean_image: of the training images, [S, S, C] in [-1, 1], where `train` is None; or None.

    Returns:
        `msre` of the model, `msre_pca` (None where `train` has fewer images than components),
        `pca_components` and `msre_mean_image`; without `train`
        that of PCA is None, and without `mean_image` too both are.
    """
    if train is None:
        of_mean = None if mean_image is None else mean_image_msre(mean_image[None], test)
        baselines = {"msre_pca": None, "pca_components": components, "msre_mean_image": of_mean}
        return {"msre": float(error), **baselines}
    return {
        "msre": float(error),
        "msre_pca": pca_msre(train, test, components) if components <= len(train) else None,
        "pca_components": components,
        "msre_mean_image": mean_image_msre(train, test),
    }


def clustering_accuracy(classes: np.ndarray, labels: np.ndarray) -> float:
    """Share of examples whose class is the label's, under the best one-to-one match of the two.

    Args:
        classes: int [N], found without labels.
        labels: int [N].
    """
    table = contingency_matrix(labels, classes)
    return float(table[linear_sum_assignment(table, maximize=True)].sum() / len(labels))


def told_worse(numbers: dict[str, Any]) -> str:
    """What is said where a model's error, of `beside_baselines`, is not below the mean image's."""
    mean = numbers["msre_mean_image"]
    if mean is None or numbers["msre"] < mean:
        return ""
    return (
        "Worse than the mean of the training images: the model is hardly trained, or these are of "
        "another kind."
    )
