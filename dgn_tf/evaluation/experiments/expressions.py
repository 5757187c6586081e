"""Expressions recognized from what a model of clips has inferred without labels (Table III)."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Chart
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import GroupKFold

from dgn_tf.data.examples import Examples, as_float
from dgn_tf.data.sources.folders import Progress
from dgn_tf.evaluation.metrics.errors import squared_errors
from dgn_tf.evaluation.metrics.principal import evened_components
from dgn_tf.evaluation.report import Figure, Report, Table
from dgn_tf.utils.errors import InputError

FOLDS = 10
COMPONENTS = 128
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
_UNITS, _HIDDEN = 64, 30
_STEPS, _BATCH = 1000, 32
_SEEN_SIDE = 64
_MOST_CLASSES = 50
_FACTS = ("parameters", "latents", "error")


def check_labels(labels: np.ndarray, persons: np.ndarray) -> None:
    """Whether clips can be recognized across persons.

    Args:
        labels: of N clips.
        persons: who is in each.

    Raises:
        InputError: fewer than 2 persons, or not 2 to 50 classes.
    """
    people, classes = len(np.unique(persons)), len(np.unique(labels))
    if people < 2 or not 2 <= classes <= _MOST_CLASSES:
        raise InputError(
            f"recognition needs clips of at least 2 persons and of 2 to {_MOST_CLASSES} classes; "
            f"there are {people} and {classes}: see --label, --person and --limit."
        )


def describe(
    models: dict[str, tuple], clips: Examples
) -> tuple[dict[str, np.ndarray], tuple[tuple, ...]]:
    """What clips look like to the models, and to the eye.

    Fields and images wider than 64 pixels are averaged down to that, so that clips fit into
    memory.

    Args:
        models: "dynamic", and "mocogan" if there is a rival: each a trained model and the latents
            of the clips inferred by it.
        clips: N clips of F frames.

    Returns:
        Descriptions [N, F, k] by name, for `expressions`: fields of displacement (ddf), geometric
        latents (dglf), the rival's motion codes and the pixels. And for each model its name, its
        numbers of parameters and of latents a clip, and its reconstruction error a frame.
    """
    model, latents = models["dynamic"]
    frames = model.frame_latents("geometry", tf.constant(latents["geometry"], tf.float32)).numpy()
    made = {name: [] for name in models}
    fields = []
    for row in range(len(clips)):
        for name, (each, z) in models.items():
            parts = {
                group: each.part(group, tf.constant(value[row : row + 1], tf.float32))
                for group, value in z.items()
            }
            truth = as_float(clips.images[row])
            made[name].append(squared_errors(each.combine(parts)[0].numpy(), truth).mean())
            if name == "dynamic":
                fields.append(_shrunk(parts["geometry"][0].numpy()))
    sequences = {"displacement fields (ddf)": np.stack(fields), "geometric latents (dglf)": frames}
    if "mocogan" in models:
        rival, z = models["mocogan"]
        codes = rival.part("motion", tf.constant(z["motion"], tf.float32)).numpy()
        sequences["motion codes (MoCoGAN's generator)"] = codes
    pixels = as_float(clips.images).reshape(-1, *clips.images.shape[2:])
    sequences["pixels (PCA)"] = _shrunk(pixels).reshape(*clips.images.shape[:2], -1)
    facts = [
        (name, each.count_params(), sum(each.latent_dims.values()), float(np.mean(made[name])))
        for name, (each, _) in models.items()
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
    facts: tuple[tuple, ...],
    labels: np.ndarray,
    persons: np.ndarray,
    names: tuple[str, ...],
    seed: int = 0,
    progress: Progress | None = None,
) -> Report:
    """Experiment E6, Table III: one recognizer on several descriptions of the same clips.

    Args:
        sequences: descriptions of N clips by name, each [N, F, k]; the first one's confusions are
            drawn.
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
    accuracy, confusions = {}, {}
    for name, values in sequences.items():
        started = len(accuracy) * folds

        def done(number, started=started):
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
        f"What the recognizer says of each expression, from {best}, in percent of its clips.",
        _confusion_chart(confusions[best], names),
    )
    title = f"Expressions of {len(labels)} clips of {count} persons (Table III)"
    return Report(title, numbers, _tables(numbers, facts), (figure,))


def recognize(
    values: np.ndarray,
    labels: np.ndarray,
    persons: np.ndarray,
    folds: int,
    seed: int = 0,
    done: Callable[[int], None] = lambda number: None,
) -> tuple[np.ndarray, np.ndarray]:
    """The class of every clip, said by a network that has not seen the person in it.

    A one-layer LSTM, FC(30)+ReLU and a softmax, learned with cross-entropy (section 5.6). They see
    what has changed since the first frame, which shows who it is as well as any other, as at most
    128 principal components that are fitted on the training folds.

    Args:
        values: [N, F, k].
        labels: int [N], from 0.
        persons: [N].
        folds: of the cross-validation by persons.
        seed: of the networks and the order of their batches.
        done: called with the number of folds that are done.

    Returns:
        The classes int [N] and the fold in which each clip was tested, int [N].
    """
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


def _network(shape, classes, seed):
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


def _tables(numbers: dict, facts: tuple[tuple, ...]) -> tuple[Table, ...]:
    rows = [
        (name, f"{found['mean']:.1f} ± {found['std']:.1f}")
        for name, found in numbers["accuracy"].items()
    ]
    rows.append(("chance, the largest class", f"{numbers['chance']:.1f}"))
    ours = Table(
        f"Accuracy in percent, {numbers['folds']}-fold cross-validation by persons",
        ("from", "mean ± std over folds"),
        tuple(rows),
        "The same recognizer for all: LSTM, FC(30)+ReLU, softmax, on principal components of what "
        "has changed since the first frame. What describes the clips was inferred without labels.",
    )
    models = Table(
        "The models, and their errors on these clips (sum of squares a frame on [0, 1])",
        ("", "parameters", "latents a clip", "error a frame"),
        tuple((name, f"{parameters:,}", *rest) for name, parameters, *rest in facts),
    )
    quoted = Table(
        "Quoted; other data: Table III, on MUG (Xing et al., TPAMI 2022)",
        ("method", "accuracy, %"),
        QUOTED,
    )
    return ours, models, quoted


def _confusion_chart(confusions: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """uint8 [H, W, 3]: rows are true classes, columns what was said."""
    shares = 100.0 * confusions / np.maximum(confusions.sum(axis=1, keepdims=True), 1)
    side = 2.5 + 0.6 * len(names)
    chart = Chart(figsize=(side, side), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(chart)
    panel = chart.subplots()
    panel.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    places = range(len(names))
    panel.set_xticks(places, names, rotation=45, ha="right")
    panel.set_yticks(places, names)
    panel.set(xlabel="said", ylabel="true")
    for row in places:
        for column in places:
            share = shares[row, column]
            color = "white" if share > 50 else "#222"
            panel.text(column, row, f"{share:.0f}", ha="center", va="center", color=color)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
