"""Classes of clips or images recognized across persons, from descriptions (Section 5.6)."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from sklearn.model_selection import GroupKFold

import dgn_tf.types  # noqa: F401 - configures Keras.
from dgn_tf.evaluation.metrics.principal import evened_components
from dgn_tf.utils.errors import InputError

FOLDS = 10
COMPONENTS = 128
_UNITS, _HIDDEN = 64, 30
_STEPS, _BATCH = 1000, 32
_MOST_CLASSES = 50


def check_labels(labels: np.ndarray, persons: np.ndarray) -> None:
    """Whether clips or images can be recognized across persons.

    Args:
        labels: of N clips or images.
        persons: who is in each.

    Raises:
        InputError: fewer than 2 persons, or not 2 to 50 classes.
    """
    people, classes = len(np.unique(persons)), len(np.unique(labels))
    if people < 2 or not 2 <= classes <= _MOST_CLASSES:
        raise InputError(
            f"recognition needs at least 2 persons and 2 to {_MOST_CLASSES} classes; there are "
            f"{people} and {classes}: see `label`, `person` and `limit`."
        )


def recognize(
    values: np.ndarray,
    labels: np.ndarray,
    persons: np.ndarray,
    folds: int,
    seed: int = 0,
    done: Callable[[int], None] = lambda number: None,
) -> tuple[np.ndarray, np.ndarray]:
    """The class of every clip, predicted by a network that has not seen the person in it.

    A one-layer LSTM, FC(30)+ReLU and a softmax, learned with cross-entropy (Section 5.6). The input
    is what has changed since the first frame, which shows who it is as well as any other frame, as
    at most 128 principal components that are fitted on the training folds. Of a single image it is
    the description itself.

    Args:
        values: descriptions [N, F, k] of N clips of F frames, or [N, 1, k] of N images.
        labels: int [N], from 0.
        persons: who is in each clip, [N].
        folds: of the cross-validation by persons.
        seed: of the networks and the order of their batches.
        done: called with the number of folds that are done.

    Returns:
        The classes int [N] and the fold in which each clip was tested, int [N].
    """
    if values.shape[1] > 1:
        values = values - values[:, :1]
    predicted, fold = np.empty_like(labels), np.empty(len(labels), np.int64)
    splits = GroupKFold(folds).split(values, labels, persons)
    for number, (train, test) in enumerate(splits):
        frames = values[train].reshape(-1, values.shape[2])
        components = evened_components(frames, COMPONENTS)
        x_train, x_test = (
            components(part.reshape(-1, part.shape[2])).reshape(*part.shape[:2], -1)
            for part in (values[train], values[test])
        )
        network = _network(x_train.shape[1:], int(labels.max()) + 1, seed)
        batches = tf.data.Dataset.from_tensor_slices((x_train, labels[train]))
        # Shuffled with a seed of its own: the global one is left as it is.
        batches = batches.shuffle(len(train), seed=seed).repeat().batch(_BATCH)
        network.fit(batches, steps_per_epoch=_STEPS, shuffle=False, verbose=0)
        predicted[test] = network.predict(x_test, verbose=0).argmax(axis=1)
        fold[test] = number
        done(number + 1)
    return predicted, fold


def _network(shape: tuple[int, ...], classes: int, seed: int) -> keras.Model:
    start = keras.initializers.GlorotUniform
    network = keras.Sequential(
        [
            keras.Input(shape),
            keras.layers.LSTM(
                _UNITS,
                kernel_initializer=start(seed),
                recurrent_initializer=keras.initializers.Orthogonal(seed=seed),
            ),
            keras.layers.Dense(_HIDDEN, "relu", kernel_initializer=start(seed + 1)),
            keras.layers.Dense(classes, "softmax", kernel_initializer=start(seed + 2)),
        ]
    )
    network.compile(
        keras.optimizers.Adam(3e-3),
        "sparse_categorical_crossentropy",
        jit_compile=False,
        steps_per_execution=20,
    )
    return network
