"""Experiment E5: landmarks from displacement fields learned without labels (Table II, Fig. 14)."""

import keras
import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw
from sklearn.linear_model import RidgeCV

from dgn_tf.data.examples import Examples, as_float
from dgn_tf.data.landmarks import POINTS
from dgn_tf.evaluation.metrics.principal import evened_components, principal_axes
from dgn_tf.evaluation.report import Figure, Report, Table
from dgn_tf.utils.errors import InputError
from dgn_tf.visualize.decoding import decode
from dgn_tf.visualize.grids import draw_grid
from dgn_tf.visualize.images import as_images, lay_out, whole_factor

COMPONENTS = 128
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
_FEWEST = 20
_VALIDATION_SHARE = 0.1
# The network is judged after so many passes over its examples, and this often at most.
_PASSES = 5
_EPOCHS = 40
_SHOWN = 8
_GREEN, _RED = (0, 200, 0), (230, 0, 0)


def landmarks(
    model,
    train: tuple[Examples, dict[str, np.ndarray], np.ndarray],
    test: tuple[Examples, dict[str, np.ndarray], np.ndarray],
    seed: int = 0,
) -> Report:
    """Experiment E5: five landmarks regressed from frozen displacement fields.

    Two regressors, each on the fields and on the leading principal components of the pixels: the
    network of the paper, FC(100)+ReLU and FC(10) with an L1 loss (`fit_network`), and a linear map
    without intercept (`fit_linear`), as other papers use.

    Args:
        model: a trained model with the groups "appearance" and "geometry".
        train: N labeled examples to fit the regressors on, at least 20; their inferred latents,
            [N, d] for each group; and their landmarks [N, 5, 2], (x, y) in pixels, eyes first.
        test: M held-out examples, likewise.
        seed: of the networks' initialization, validation shares and batches.

    Returns:
        A report with the numbers `error` (mean error in percent of the inter-ocular distance:
        `fields` and `pixels`, each by `network` and `linear`, and `mean landmark`),
        `error_by_landmark` of the network on fields, `labelled`, `test` and `components`.

    Raises:
        InputError: fewer than 20 labeled examples, or eyes in one place.
    """
    (train, latents_train, points_train), (test, latents_test, points_test) = train, test
    if len(train) < _FEWEST:
        raise InputError(
            f"the regressors need at least {_FEWEST} labeled images; there are {len(train)}."
        )
    fields_train, fields_test = (
        displacement_fields(model, z["geometry"]) for z in (latents_train, latents_test)
    )
    components = min(COMPONENTS, len(train) - 1)
    inputs = {
        "fields": (read_positions(fields_train), read_positions(fields_test)),
        "pixels": _principal_pixels(train, test, components),
    }
    errors, predicted = {}, {}
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
        "labelled": len(train),
        "test": len(test),
        "components": components,
    }
    title = f"Landmarks of {len(test)} held-out images from {len(train)} labeled ones (E5)"
    figure = _overlay(model, test, latents_test, points_test, best)
    return Report(title, numbers, _tables(numbers), (figure,))


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


def displacement_fields(model, z_g: np.ndarray) -> np.ndarray:
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


def _principal_pixels(train, test, components):
    """Scores [N, k] and [M, k] of the pixels on the leading principal axes of the training ones.

    Principal axes about zero, not about the mean image, so that a map without intercept has a
    constant to work with here too.
    """
    x_train, x_test = (as_float(e.images).reshape(len(e), -1) for e in (train, test))
    x_train, x_test = (x_train + 1) / 2, (x_test + 1) / 2
    _, axes = principal_axes(x_train, components)
    return x_train @ axes, x_test @ axes


def fit_network(x: np.ndarray, points: np.ndarray, seed: int = 0):
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
    held = max(1, round(_VALIDATION_SHARE * len(x)))
    validation, rest = order[:held], order[held:]
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

    def predict(x):
        answer = network(standard(x)).numpy().astype(np.float64)
        return (scale * answer + mean).reshape(len(x), *points.shape[1:])

    return predict


def fit_linear(x: np.ndarray, points: np.ndarray, seed: int = 0):
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


def _tables(numbers: dict) -> tuple[Table, ...]:
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


def _overlay(model, test, latents, truth, predicted) -> Figure:
    """Fig. 14."""
    images = test.images[:_SHOWN]
    _, parts = decode(model, {name: z[:_SHOWN] for name, z in latents.items()})
    factor = whole_factor(test.side)
    rows = {
        "picture": as_images(images, factor),
        "deformed\ngrid": draw_grid(images, parts["geometry"], factor),
        "canonical\nface, grid": draw_grid(parts["appearance"], None, factor),
        "landmarks": draw_points(images, (truth[:_SHOWN], predicted[:_SHOWN]), factor),
    }
    caption = (
        "Held-out images, the deformed grid on them, the canonical grid on their canonical faces,"
        " and landmarks: truth green, prediction of the network red (Fig. 14)"
    )
    return Figure("landmarks", caption, lay_out(list(rows.values()), list(rows)))


def draw_points(
    images: np.ndarray, points: tuple[np.ndarray, np.ndarray], factor: int
) -> np.ndarray:
    """Enlarged images with the true landmarks as green discs and the predicted ones as red dots.

    Args:
        images: [N, S, S, C], uint8 or floats in [-1, 1].
        points: truth and prediction, each [N, 5, 2], (x, y) in pixels of `images`.
        factor: whole number of image pixels for one image pixel.

    Returns:
        uint8 [N, factor * S, factor * S, 3].
    """
    drawn = []
    for index, image in enumerate(as_images(images, factor)):
        canvas = Image.fromarray(image)
        draw = ImageDraw.Draw(canvas)
        for marks, color, radius in zip(points, (_GREEN, _RED), (3.5, 1.5), strict=True):
            for x, y in (marks[index] + 0.5) * factor - 0.5:
                draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)
        drawn.append(np.asarray(canvas))
    return np.stack(drawn)
