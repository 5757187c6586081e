"""The warp beside others: op by op, that of tensorflow_addons, and Eq. 4 as it is printed."""

import importlib
import statistics
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from dgn_tf.benchmarking.charts import drawn, new_canvas
from dgn_tf.benchmarking.part import Part
from dgn_tf.benchmarking.timing import interleaved_timings
from dgn_tf.config import Config
from dgn_tf.config.benchmark import Repeats
from dgn_tf.ops.warp import warp
from dgn_tf.types import Tensor

Warp = Callable[[Tensor, Tensor], Tensor]

SEED = 0
TARGETS = ("forward", "to image", "to field")
# Eq. 4 sums over all pixels for every pixel: a smaller size is measured.
DENSE_SIDE, DENSE_BATCH = 32, 10


def op_by_op_warp(image: Tensor, displacement: Tensor) -> Tensor:
    """The warp of Eqs. 2-4 with edge border in plain TensorFlow, differentiated automatically.

    Args:
        image: float32 [B, H, W, C].
        displacement: float32 [B, H, W, 2], (dx, dy) in pixels.

    Returns:
        float32 [B, H, W, C].
    """
    batch, height, width = tf.unstack(tf.shape(image)[:3])
    columns, rows = tf.meshgrid(tf.range(width), tf.range(height))
    example = tf.broadcast_to(tf.range(batch)[:, None, None], (batch, height, width))

    def axis(grid: Tensor, moves: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
        last = tf.cast(size - 1, tf.float32)
        coordinate = tf.clip_by_value(tf.cast(grid, tf.float32) + moves, 0.0, last)
        low = tf.minimum(tf.floor(coordinate), last - 1.0)
        return tf.cast(low, tf.int32), (coordinate - low)[..., None]

    def pixel(row: Tensor, column: Tensor) -> Tensor:
        return tf.gather_nd(image, tf.stack([example, row, column], axis=-1))

    left, x = axis(columns, displacement[..., 0], width)
    top, y = axis(rows, displacement[..., 1], height)
    above = (1.0 - x) * pixel(top, left) + x * pixel(top, left + 1)
    below = (1.0 - x) * pixel(top + 1, left) + x * pixel(top + 1, left + 1)
    return (1.0 - y) * above + y * below


def dense_warp(image: Tensor, displacement: Tensor) -> Tensor:
    """Eq. 4 to the letter: every output pixel sums over all pixels of the image, zeros outside.

    The kernel has B (H W)^2 numbers.

    Args:
        image: float32 [B, H, W, C].
        displacement: float32 [B, H, W, 2], (dx, dy) in pixels.

    Returns:
        float32 [B, H, W, C].
    """
    batch, height, width, channels = image.shape
    columns: Tensor = tf.range(width, dtype=tf.float32)
    rows: Tensor = tf.range(height, dtype=tf.float32)
    u = tf.reshape(columns + displacement[..., 0], [batch, -1, 1])
    v = tf.reshape(rows[:, None] + displacement[..., 1], [batch, -1, 1])
    across: Tensor = tf.nn.relu(1.0 - tf.abs(u - columns))
    down: Tensor = tf.nn.relu(1.0 - tf.abs(v - rows))
    kernel = tf.reshape(down[..., :, None] * across[..., None, :], [batch, height * width, -1])
    pixels = tf.reshape(image, [batch, -1, channels])
    return tf.reshape(tf.matmul(kernel, pixels), image.shape)


def addons_warp() -> Warp | None:
    """The warp of tensorflow_addons as a function of image and displacement; None without it."""
    try:
        with warnings.catch_warnings():
            # It warns at every import that its development has ended.
            warnings.simplefilter("ignore", UserWarning)
            addons = importlib.import_module("tensorflow_addons")
    except Exception:  # It fails in many ways beside a TensorFlow that it does not know.
        return None
    # It subtracts its flow, and orders it (y, x).
    return lambda image, field: addons.image.dense_image_warp(image, -field[..., ::-1])


def time_warps(config: Config, repeats: int) -> dict[str, dict[str, Any]]:
    """Seconds of the warps, at the size of a training step and at that of the dense one.

    Args:
        config: of which side, channels and batch count.
        repeats: timed runs of each.

    Returns:
        "full" and "reduced", each with "shape" [B, H, W, C] and "seconds": {target: {warp: times}}
        for the targets forward, gradient to the image alone, gradient to the field alone.
    """
    addons = addons_warp()
    full: dict[str, Warp] = {"ours": warp, "op by op": op_by_op_warp}
    if addons:
        full["tfa"] = addons
    reduced: dict[str, Warp] = {
        "ours": lambda image, field: warp(image, field, "zeros"),
        "dense Eq. 4": dense_warp,
    }
    side = config.data.side
    sizes = {
        "full": (full, (config.learning.batch_size, side, side, config.data.channels)),
        "reduced": (reduced, (DENSE_BATCH, DENSE_SIDE, DENSE_SIDE, config.data.channels)),
    }
    return {
        name: {"shape": list(shape), "seconds": _time(functions, shape, repeats)}
        for name, (functions, shape) in sizes.items()
    }


def _time(
    functions: dict[str, Warp], shape: tuple[int, int, int, int], repeats: int
) -> dict[str, dict[str, list[float]]]:
    image = tf.random.stateless_uniform(shape, (SEED, 2), -1.0, 1.0)
    upstream = tf.random.stateless_normal(shape, (SEED, 3))
    reach = 0.1 * shape[1]
    field = tf.random.stateless_uniform((*shape[:3], 2), (SEED, 4), -reach, reach)

    def call(function: Warp, target: str) -> Callable[[], Tensor]:
        def run(image: Tensor, field: Tensor, upstream: Tensor) -> Tensor:
            if target == "forward":
                return function(image, field)
            source = image if target == "to image" else field
            with tf.GradientTape() as tape:
                tape.watch(source)
                output = function(image, field)
            return tape.gradient(output, source, output_gradients=upstream)

        graph = tf.function(run, autograph=False)
        return lambda: graph(image, field, upstream)

    return {
        target: interleaved_timings(
            {name: call(f, target) for name, f in functions.items()}, repeats
        )
        for target in TARGETS
    }


def rows(found: dict[str, Any]) -> Iterator[str]:
    """The table of what `time_warps` measured: medians in ms, one column for each target."""
    for measured in found.values():
        batch, height, width, channels = measured["shape"]
        title = f"warp, ms, {batch} x {height}x{width}x{channels}"
        yield f"{title:<28}" + "".join(f"{target:>10}" for target in TARGETS)
        for name in measured["seconds"]["forward"]:
            medians = [1e3 * statistics.median(measured["seconds"][t][name]) for t in TARGETS]
            yield f"{name:<28}" + "".join(f"{value:>10.2f}" for value in medians)


def chart(found: dict[str, Any]) -> np.ndarray:
    """Milliseconds of what `time_warps` measured: uint8 [H, W, 3]."""
    figure, canvas = new_canvas((9, 3.2))
    for panel, measured in zip(figure.subplots(1, len(found)), found.values(), strict=True):
        names = list(measured["seconds"]["forward"])
        width = 0.8 / len(names)
        for place, name in enumerate(names):
            medians = [1e3 * statistics.median(measured["seconds"][t][name]) for t in TARGETS]
            at = np.arange(len(TARGETS)) + (place - (len(names) - 1) / 2) * width
            bars = panel.bar(at, medians, width, label=name)
            panel.bar_label(bars, fmt="%.1f", padding=2)
        panel.set(ylabel="ms", xticks=range(len(TARGETS)), xticklabels=TARGETS)
        panel.margins(y=0.35)
        panel.set_title("batch {}, {}x{}x{}".format(*measured["shape"]))
        panel.legend(frameon=False)
    return drawn(canvas)


def measure(config: Config, settings: Repeats) -> dict[str, Any]:
    """What `time_warps` finds."""
    return time_warps(config, settings.repeats)


PART = Part(measure, rows, chart)
