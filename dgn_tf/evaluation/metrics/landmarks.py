"""Landmarks regressed from displacement fields or from pixels (Section 5.5, Table II)."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from sklearn.linear_model import RidgeCV

from dgn_tf.data.examples import Examples, as_float
from dgn_tf.evaluation.metrics.principal import evened_components, principal_axes
from dgn_tf.types import LatentModel
from dgn_tf.utils.errors import InputError

COMPONENTS = 128
_VALIDATION_SHARE = 0.1
# The network is judged after so many passes over its examples, and this often at most.
_PASSES = 5
_EPOCHS = 40

# Gives landmarks [M, 5, 2] in pixels, of inputs [M, k].
Regressor = Callable[[np.ndarray], np.ndarray]


def errors_by_landmark(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Mean error of each landmark in percent of the inter-ocular distance, float64 [5].

    Args:
        predicted: [N, 5, 2] in pixels.
        truth: [N, 5, 2] in pixels; points 0 and 1 are the eyes.

    Raises:
        InputError: the eyes of an image are in one place.
    """
    truth = np.asarray(truth, np.float64)
    between_eyes = np.linalg.norm(truth[:, 0] - truth[:, 1], axis=-1)
    if not between_eyes.min() > 0.0:
        raise InputError(f"the eyes of image {int(np.argmin(between_eyes))} are in one place.")
    distances = np.linalg.norm(predicted - truth, axis=-1)
    return 100.0 * (distances / between_eyes[:, None]).mean(axis=0)


def landmark_error(predicted: np.ndarray, truth: np.ndarray) -> float:
    """The number of Table II: the mean of `errors_by_landmark` over the landmarks."""
    return float(errors_by_landmark(predicted, truth).mean())


def displacement_fields(model: LatentModel, z_g: np.ndarray) -> np.ndarray:
    """Fields [N, S, S, 2] in pixels, (dx, dy), of geometric latents [N, d]."""
    batches = range(0, len(z_g), 100)
    return np.concatenate(
        [
            model.part("geometry", tf.constant(z_g[first : first + 100], tf.float32)).numpy()
            for first in batches
        ]
    )


def read_positions(fields: np.ndarray) -> np.ndarray:
    """Where on the canonical image each output pixel reads, relative to its middle (Eq. 2).

    The same information as the displacement, moved so that a map without intercept has something
    to place the landmarks by even where nothing moves.

    Args:
        fields: [N, S, S, 2], (dx, dy) in pixels.

    Returns:
        float32 [N, 2 * S * S], flattened (x + dx, y + dy), as a share of the side.
    """
    side = fields.shape[1]
    axis = np.arange(side, dtype=np.float32) - (side - 1) / 2
    grid = np.stack(np.meshgrid(axis, axis), axis=-1)
    return ((fields + grid) / side).reshape(len(fields), -1)


def principal_pixels(
    train: Examples, test: Examples, components: int
) -> tuple[np.ndarray, np.ndarray]:
    """Scores [N, k] and [M, k] of the pixels on the leading principal axes of the training ones.

    Principal axes about zero, not about the mean image, so that a map without intercept has a
    constant to work with here too.
    """
    x_train, x_test = (as_float(e.images).reshape(len(e), -1) for e in (train, test))
    x_train, x_test = (x_train + 1) / 2, (x_test + 1) / 2
    _, axes = principal_axes(x_train, components)
    return x_train @ axes, x_test @ axes


def fit_network(x: np.ndarray, points: np.ndarray, seed: int = 0) -> Regressor:
    """FC(100)+ReLU and FC(10), learned with an L1 loss (Section 5.5).

    The network sees inputs and landmarks about their means: of the inputs the leading principal
    components (at most 128), scaled so that the first has a standard deviation of 1 and the others
    the square root of theirs. To the first layer that is a change of coordinates, under which Adam
    learns well. A tenth of the examples decides when to stop.

    Args:
        x: inputs [N, k].
        points: landmarks [N, 5, 2].
        seed: of the initialization, the validation share and the order of the batches.

    Returns:
        A function of inputs [M, k] that gives landmarks [M, 5, 2].
    """
    standard = evened_components(x, COMPONENTS)
    flat = np.asarray(points, np.float32).reshape(len(points), -1)
    mean, scale = flat.mean(axis=0), max(float(flat.std(axis=0).mean()), 1e-6)
    inputs, targets = standard(x), (flat - mean) / scale
    order = np.random.default_rng(seed).permutation(len(x))
    count = max(1, round(_VALIDATION_SHARE * len(x)))
    validation, rest = order[:count], order[count:]
    network = keras.Sequential(
        [
            keras.Input([inputs.shape[1]]),
            keras.layers.Dense(
                100,
                activation="relu",
                kernel_initializer=keras.initializers.GlorotUniform(seed),
            ),
            keras.layers.Dense(
                flat.shape[1], kernel_initializer=keras.initializers.GlorotUniform(seed + 1)
            ),
        ]
    )
    # The network is so small that single steps and XLA would cost more than they do.
    network.compile(
        keras.optimizers.Adam(1e-3), loss="mae", jit_compile=False, steps_per_execution=16
    )
    batches = tf.data.Dataset.from_tensor_slices((inputs[rest], targets[rest]))
    network.fit(
        # Shuffled with a seed of its own: the global one is left as it is.
        batches.shuffle(len(rest), seed=seed).repeat(_PASSES).batch(32),
        validation_data=(inputs[validation], targets[validation]),
        epochs=_EPOCHS,
        callbacks=[keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)],
        shuffle=False,
        verbose=0,
    )

    def predict(x: np.ndarray) -> np.ndarray:
        answer = network(standard(x)).numpy().astype(np.float64)
        return (scale * answer + mean).reshape(len(x), *points.shape[1:])

    return predict


def fit_linear(x: np.ndarray, points: np.ndarray, seed: int = 0) -> Regressor:
    """A linear map without intercept, by ridge regression in closed form.

    W = argmin |X W - Y|^2 + a |W|^2. The penalty a, from 1e-10 to 1 times the total of X squared,
    is the one with the least squared error when each example is left out in turn.

    Args:
        x: inputs [N, k].
        points: landmarks [N, 5, 2].
        seed: without effect: nothing is drawn.

    Returns:
        A function of inputs [M, k] that gives landmarks [M, 5, 2].
    """
    del seed
    x = np.asarray(x, np.float64)
    flat = np.asarray(points, np.float64).reshape(len(points), -1)
    total = max(np.square(x).sum(), 1e-12)
    ridge = RidgeCV(total * np.logspace(-10, 0, 21), fit_intercept=False).fit(x, flat)
    return lambda x: ridge.predict(np.asarray(x, np.float64)).reshape(len(x), *points.shape[1:])
