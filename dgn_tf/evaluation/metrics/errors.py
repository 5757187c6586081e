"""Numbers for reconstruction, disentanglement and the health of the field."""

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeCV
from sklearn.metrics.cluster import contingency_matrix
from sklearn.model_selection import GroupKFold, KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def squared_errors(x, y):
    """Sum of squares per image [N] on the [0, 1] scale, of images [N, ...] in [-1, 1]."""
    difference = (np.asarray(x, np.float32) - np.asarray(y, np.float32)).reshape(len(x), -1)
    return np.square(difference).sum(axis=1, dtype=np.float64) / 4.0


def sharpness(images):
    """Mean length of the gradient of images [N, S, S, C] in [-1, 1], on the [0, 1] scale.

    Forward differences, over pixels, channels and images.
    """
    x = np.asarray(images, np.float32) / 2.0
    across = x[:, :-1, 1:] - x[:, :-1, :-1]
    down = x[:, 1:, :-1] - x[:, :-1, :-1]
    return float(np.hypot(across, down).mean(dtype=np.float64))


def mean_image_msre(train, test):
    """Mean squared error per image of answering with the mean of `train` [N, ...]."""
    return float(squared_errors(test, np.broadcast_to(train.mean(axis=0), test.shape)).mean())


def pca_msre(train, test, components):
    """Mean squared error per image of `test` [M, ...] projected on the components of `train`.

    Principal components of images [N, ...] in [-1, 1]; the error is on the [0, 1] scale.

    Raises:
        ValueError: fewer training images than components.
    """
    pca = PCA(components, svd_solver="randomized", random_state=0).fit(
        train.reshape(len(train), -1)
    )
    flat = test.reshape(len(test), -1)
    return float(squared_errors(flat, pca.inverse_transform(pca.transform(flat))).mean())


def clustering_accuracy(classes, labels):
    """Share of examples whose class is the label's, under the best one-to-one match of the two.

    Args:
        classes: int [N], which were found without labels.
        labels: int [N].
    """
    table = contingency_matrix(labels, classes)
    return float(table[linear_sum_assignment(table, maximize=True)].sum() / len(labels))


def ridge_r2(z, factor, groups=None):
    """Cross-validated R^2 of a factor [N] or [N, k] predicted from latents z [N, d].

    Ridge regression, five folds; the penalty is chosen inside each training fold. A factor of
    several numbers gives their mean R^2. It can be negative where the latents say nothing. With
    `groups` [N], such as persons, of which there are at least five, nobody is in a training fold
    and its test fold.
    """
    factor = np.asarray(factor, np.float64).reshape(len(z), -1)
    model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 13)))
    folds = KFold(5, shuffle=True, random_state=0) if groups is None else GroupKFold(5)
    predicted = cross_val_predict(model, z, factor, groups=groups, cv=folds).reshape(factor.shape)
    residual = np.square(factor - predicted).sum(axis=0)
    return float(np.mean(1.0 - residual / np.square(factor - factor.mean(axis=0)).sum(axis=0)))
