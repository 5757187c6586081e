"""The warp beside others: op by op, that of tensorflow_addons, and Eq. 4 as it is printed."""

import importlib
import warnings
from collections.abc import Callable

import tensorflow as tf

from dgn_tf.benchmarking.timing import interleaved_timings
from dgn_tf.config import Config
from dgn_tf.ops.warp import warp

SEED = 0
TARGETS = ("forward", "to image", "to field")
# Eq. 4 sums over all pixels for every pixel: a smaller size is measured.
DENSE_SIDE, DENSE_BATCH = 32, 10


def op_by_op_warp(image: tf.Tensor, displacement: tf.Tensor) -> tf.Tensor:
    """The warp of Eqs. 2-4 with edge border in plain TensorFlow, differentiated automatically.

    float32 `image` [B, H, W, C], moved by `displacement` [B, H, W, 2], (dx, dy) in pixels.
    """
    batch, height, width = tf.unstack(tf.shape(image)[:3])
    columns, rows = tf.meshgrid(tf.range(width), tf.range(height))
    example = tf.broadcast_to(tf.range(batch)[:, None, None], (batch, height, width))

    def axis(grid, moves, size):
        last = tf.cast(size - 1, tf.float32)
        coordinate = tf.clip_by_value(tf.cast(grid, tf.float32) + moves, 0.0, last)
        low = tf.minimum(tf.floor(coordinate), last - 1.0)
        return tf.cast(low, tf.int32), (coordinate - low)[..., None]

    def pixel(row, column):
        return tf.gather_nd(image, tf.stack([example, row, column], axis=-1))

    left, x = axis(columns, displacement[..., 0], width)
    top, y = axis(rows, displacement[..., 1], height)
    above = (1.0 - x) * pixel(top, left) + x * pixel(top, left + 1)
    below = (1.0 - x) * pixel(top + 1, left) + x * pixel(top + 1, left + 1)
    return (1.0 - y) * above + y * below


def dense_warp(image: tf.Tensor, displacement: tf.Tensor) -> tf.Tensor:
    """Eq. 4 to the letter: every output pixel sums over all pixels of the image, zeros outside.

    float32 `image` [B, H, W, C], `displacement` [B, H, W, 2], (dx, dy) in pixels. The kernel has
    B (H W)^2 numbers.
    """
    batch, height, width, channels = image.shape
    columns, rows = tf.range(width, dtype=tf.float32), tf.range(height, dtype=tf.float32)
    u = tf.reshape(columns + displacement[..., 0], [batch, -1, 1])
    v = tf.reshape(rows[:, None] + displacement[..., 1], [batch, -1, 1])
    across, down = tf.nn.relu(1.0 - tf.abs(u - columns)), tf.nn.relu(1.0 - tf.abs(v - rows))
    kernel = tf.reshape(down[..., :, None] * across[..., None, :], [batch, height * width, -1])
    pixels = tf.reshape(image, [batch, -1, channels])
    return tf.reshape(tf.matmul(kernel, pixels), image.shape)


def addons_warp() -> Callable | None:
    """The warp of tensorflow_addons as a function of image and displacement; None without it."""
    try:
        with warnings.catch_warnings():
            # At every import it says that its development has ended.
            warnings.simplefilter("ignore", UserWarning)
            addons = importlib.import_module("tensorflow_addons")
    except Exception:  # Beside a TensorFlow it does not know it fails in many ways.
        return None
    # It subtracts its flow, and orders it (y, x).
    return lambda image, field: addons.image.dense_image_warp(image, -field[..., ::-1])


def time_warps(config: Config, repeats: int) -> dict[str, dict]:
    """Seconds of the warps, at the size of a training step and at that of the dense one.

    Returns:
        "full" and "reduced", each with "shape" [B, H, W, C] and "seconds": {target: {warp: times}}
        for the targets forward, gradient to the image alone, gradient to the field alone.
    """
    addons = addons_warp()
    full = {"ours": warp, "op by op": op_by_op_warp} | ({"tfa": addons} if addons else {})
    reduced = {"ours": lambda image, field: warp(image, field, "zeros"), "dense Eq. 4": dense_warp}
    side = config.data.side
    sizes = {
        "full": (full, (config.learning.batch_size, side, side, config.data.channels)),
        "reduced": (reduced, (DENSE_BATCH, DENSE_SIDE, DENSE_SIDE, config.data.channels)),
    }
    return {
        name: {"shape": list(shape), "seconds": _time(functions, shape, repeats)}
        for name, (functions, shape) in sizes.items()
    }


def _time(functions, shape, repeats):
    image = tf.random.stateless_uniform(shape, (SEED, 2), -1.0, 1.0)
    upstream = tf.random.stateless_normal(shape, (SEED, 3))
    reach = 0.1 * shape[1]
    field = tf.random.stateless_uniform((*shape[:3], 2), (SEED, 4), -reach, reach)

    def call(function, target):
        def run(image, field, upstream):
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
