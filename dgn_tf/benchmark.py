"""Times one training step against the same step written the obvious way, and the warp alone.

    python -m dgn_tf.benchmark --side=64 --batch_size=100 --output=benchmark.json

Everything runs in one process and takes turns (ours, obvious, ours, ...), so that the ratio holds
on a machine that does other work at the same time.
"""

import dataclasses
import importlib
import json
import os
import pathlib
import platform
import statistics
import time
import warnings
from collections.abc import Callable

import absl.flags
import keras
import numpy as np
import tensorflow as tf

from dgn_tf import flags
from dgn_tf.config import SIDES
from dgn_tf.learning.alternating import AlternatingBackprop
from dgn_tf.learning.chains import Chains
from dgn_tf.learning.noise import example_normal
from dgn_tf.models.deformable import DeformableGenerator
from dgn_tf.models.generators import AppearanceGenerator, GeometricGenerator
from dgn_tf.models.warp import warp
from dgn_tf.parsing import InputError

SEED, SIGMA, STEP_SIZE, LEARNING_RATE = 0, 1.0, 0.1, 1e-3
# The programs are compared after so many Langevin steps. More of them amplify rounding: where a
# coordinate rounds to either side of a pixel's border the slope differs, and the chains part.
COMPARED_STEPS = 2
TOLERANCE = 1e-4
TARGETS = ("forward", "to image", "to field")


@dataclasses.dataclass(frozen=True)
class Settings:
    """Size of the benchmark; the fields are the flags."""

    side: int = 64
    batch_size: int = 100
    langevin_steps: int = 10
    repeats: int = 5
    latent_dim: int = 64

    def __post_init__(self):
        """Raise InputError for a value that cannot be used."""
        if self.side not in SIDES:
            raise InputError(f"--side={self.side}: must be one of {SIDES}.")
        for name in ("batch_size", "langevin_steps", "repeats", "latent_dim"):
            if getattr(self, name) < 1:
                raise InputError(f"--{name}={getattr(self, name)}: must be at least 1.")


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


class ObviousStep:
    """Algorithm 1 as one would write it down: the whole model, anew, for every gradient.

    Of `model`, a `DeformableGenerator`, it uses the generators only. `langevin_steps` is l.
    """

    def __init__(self, model, chains, optimizer, langevin_steps: int):
        self.model, self.chains, self.optimizer = model, chains, optimizer
        self.langevin_steps = langevin_steps
        optimizer.build(model.trainable_variables)

    def misfit(self, x: tf.Tensor, z_a: tf.Tensor, z_g: tf.Tensor) -> tf.Tensor:
        """First term of Eq. 8 with its sign turned, [B], of pictures x [B, S, S, C] in [-1, 1]."""
        reconstruction = op_by_op_warp(self.model.appearance(z_a), self.model.geometry(z_g))
        return tf.reduce_sum(tf.square((x - reconstruction) / 2.0), (1, 2, 3)) / (2.0 * SIGMA**2)

    def step(self, index: tf.Tensor, ids: tf.Tensor, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """One iteration, as `AlternatingBackprop.step`; returns the scalars loss, gradient_norm."""
        z = self.chains.read(index)
        count = tf.cast(self.optimizer.iterations, tf.int64) + 1
        noise = {
            name: example_normal(SEED, count, ids, stream, self.langevin_steps, z[name].shape[-1])
            for stream, name in enumerate(z)
        }
        for step in range(self.langevin_steps):
            for name in z:
                with tf.GradientTape() as tape:
                    tape.watch(z)
                    prior = tf.reduce_sum(tf.square(z[name]), axis=1) / 2.0
                    energy = self.misfit(x, z["appearance"], z["geometry"]) + prior
                drift = -(STEP_SIZE**2) / 2.0 * tape.gradient(energy, z[name])
                z = {**z, name: z[name] + drift + STEP_SIZE * noise[name][step]}
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(self.misfit(x, z["appearance"], z["geometry"]))
        variables = self.model.trainable_variables
        gradients = tape.gradient(loss, variables)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        self.chains.write(index, z)
        return {"loss": loss, "gradient_norm": tf.linalg.global_norm(gradients)}


def make_learners(settings: Settings) -> tuple[AlternatingBackprop, ObviousStep]:
    """Our learner and the obvious one, each with networks and chains of its own, all equal."""
    parts = []
    for _ in range(2):
        model = DeformableGenerator(
            AppearanceGenerator(settings.latent_dim, settings.side),
            GeometricGenerator(settings.latent_dim, settings.side),
        )
        chains = Chains(np.arange(settings.batch_size), model.latent_dims, SEED)
        parts.append((model, chains, keras.optimizers.Adam(LEARNING_RATE)))
    parts[1][0].set_weights(parts[0][0].get_weights())
    ours = AlternatingBackprop(
        *parts[0],
        total_steps=1,
        langevin_steps=settings.langevin_steps,
        step_size=str(STEP_SIZE),
        sigma=str(SIGMA),
        seed=SEED,
    )
    return ours, ObviousStep(*parts[1], settings.langevin_steps)


def examples(settings: Settings) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Index [B], ids [B] and pictures [B, S, S, 3] of a batch of random pictures in [-1, 1]."""
    ids = tf.range(settings.batch_size, dtype=tf.int64)
    shape = (settings.batch_size, settings.side, settings.side, 3)
    return ids, ids, tf.random.stateless_uniform(shape, (SEED, 1), -1.0, 1.0)


def compiled_step(learner, settings: Settings) -> Callable[[], dict[str, tf.Tensor]]:
    """A call without arguments that makes one step of `learner`, as a graph."""
    arguments = examples(settings)
    step = tf.function(learner.step, autograph=False)
    return lambda: step(*arguments)


def disagreement(ours, obvious, our_scalars, obvious_scalars) -> dict[str, float]:
    """Largest differences after a step: absolute of the latents, relative of loss and gradient.

    Raises RuntimeError if the two programs do not compute the same step.
    """
    found = {
        name: float(tf.reduce_max(tf.abs(states - obvious.chains.groups[name])))
        for name, states in ours.chains.groups.items()
    }
    for name, value in obvious_scalars.items():
        found[name] = abs(float(our_scalars[name]) / float(value) - 1.0)
    # Written so that a NaN is refused too.
    if not all(value <= TOLERANCE for value in found.values()):
        raise RuntimeError(f"The two steps disagree by more than {TOLERANCE}: {found}")
    return found


def take_turns(calls: dict[str, Callable], repeats: int) -> dict[str, list[float]]:
    """Seconds of each of `repeats` runs of every call, round after round; a first round is free."""
    times = {name: [] for name in calls}
    for repeat in range(repeats + 1):
        for name, call in calls.items():
            tf.test.experimental.sync_devices()
            start = time.perf_counter()
            call()
            tf.test.experimental.sync_devices()
            if repeat:
                times[name].append(time.perf_counter() - start)
    return times


def compare(settings: Settings) -> dict[str, float]:
    """The `disagreement` of one step of both programs from the same start, with the same noise."""
    print("comparing the numbers of both steps ...", flush=True)
    few = min(COMPARED_STEPS, settings.langevin_steps)
    settings = dataclasses.replace(settings, langevin_steps=few)
    learners = make_learners(settings)
    # Not compiled: that would take longer than the step.
    scalars = [learner.step(*examples(settings)) for learner in learners]
    return disagreement(*learners, *scalars)


def time_steps(settings: Settings) -> dict[str, list[float]]:
    """Seconds of the steps of both programs."""
    steps = {}
    for name, learner in zip(("ours", "obvious"), make_learners(settings), strict=True):
        print(f"compiling the step: {name} (this takes long) ...", flush=True)
        steps[name] = compiled_step(learner, settings)
        steps[name]()
    print("timing the steps ...", flush=True)
    return take_turns(steps, settings.repeats)


def warps() -> dict[str, Callable]:
    """The warps to compare: functions of image and displacement."""
    found = {"ours": warp, "obvious": op_by_op_warp}
    try:
        with warnings.catch_warnings():
            # At every import it says that its development has ended.
            warnings.simplefilter("ignore", UserWarning)
            addons = importlib.import_module("tensorflow_addons")
    except Exception:  # Beside a TensorFlow it does not know it fails in many ways.
        return found

    def dense_image_warp(image, displacement):
        # It subtracts its flow, and orders it (y, x).
        return addons.image.dense_image_warp(image, -displacement[..., ::-1])

    return {**found, "tfa": dense_image_warp}


def time_warps(settings: Settings) -> dict[str, dict[str, list[float]]]:
    """Seconds of the warps: forward, gradient to the image alone, gradient to the field alone."""
    shape = (settings.batch_size, settings.side, settings.side)
    image = tf.random.stateless_uniform((*shape, 3), (SEED, 2), -1.0, 1.0)
    upstream = tf.random.stateless_normal((*shape, 3), (SEED, 3))
    reach = 0.1 * settings.side
    displacement = tf.random.stateless_uniform((*shape, 2), (SEED, 4), -reach, reach)

    def call(function, target):
        def run(image, displacement, upstream):
            if target == "forward":
                return function(image, displacement)
            source = image if target == "to image" else displacement
            with tf.GradientTape() as tape:
                tape.watch(source)
                output = function(image, displacement)
            return tape.gradient(output, source, output_gradients=upstream)

        graph = tf.function(run, autograph=False)
        return lambda: graph(image, displacement, upstream)

    print("compiling and timing the warps ...", flush=True)
    return {
        target: take_turns({n: call(f, target) for n, f in warps().items()}, settings.repeats)
        for target in TARGETS
    }


def table(result: dict) -> str:
    """The result of `measure` as plain text."""
    settings, seconds = result["settings"], result["seconds"]
    ratios = result["ratios"]
    lines = [
        "One training step: batch {batch_size}, {side}x{side}x3, l = {langevin_steps}, latents "
        "{latent_dim} + {latent_dim}".format(**settings),
        "{device}, TensorFlow {tensorflow}".format(**result["machine"]),
        f"same start and noise; largest difference (at l <= {COMPARED_STEPS}): "
        + ", ".join(f"{name} {value:.1e}" for name, value in result["differences"].items()),
        "",
        f"{'step':<16}{'median s':>10}{'min s':>10}{'images/s':>10}",
    ]
    for name, times in seconds.items():
        rate = result["images_per_second"][name]
        lines.append(f"{name:<16}{statistics.median(times):>10.3f}{min(times):>10.3f}{rate:>10.1f}")
    lines += [
        f"{'ours / obvious':<16}{statistics.median(ratios):>10.3f}   "
        f"(median of {len(ratios)} pairs, {min(ratios):.3f} to {max(ratios):.3f})",
        "",
        f"{'warp, median ms':<16}" + "".join(f"{target:>10}" for target in TARGETS),
    ]
    for name in result["warp_seconds"]["forward"]:
        medians = [1e3 * statistics.median(result["warp_seconds"][t][name]) for t in TARGETS]
        lines.append(f"{name:<16}" + "".join(f"{value:>10.2f}" for value in medians))
    return "\n".join(lines)


def measure(settings: Settings) -> dict:
    """All measurements, as JSON can hold them."""
    differences = compare(settings)
    seconds = time_steps(settings)
    device = f"{platform.machine()} CPU, {os.cpu_count()} cores"
    for gpu in tf.config.list_physical_devices("GPU")[:1]:
        device = tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
    return {
        "settings": dataclasses.asdict(settings),
        "machine": {"device": device, "tensorflow": tf.__version__, "keras": keras.__version__},
        "differences": differences,
        "seconds": seconds,
        "ratios": [a / b for a, b in zip(seconds["ours"], seconds["obvious"], strict=True)],
        "images_per_second": {
            name: settings.batch_size / statistics.median(times) for name, times in seconds.items()
        },
        "warp_seconds": time_warps(settings),
    }


def report(settings: Settings, output: pathlib.Path | None) -> None:
    """Measure, print the table and write the JSON to `output`, if any.

    Raises:
        InputError: `output` cannot be a file.
    """
    if output and (output.is_dir() or not output.parent.is_dir()):
        raise InputError(f"--output={output}: must be a file in a folder that exists.")
    result = measure(settings)
    print("\n" + table(result), flush=True)
    if output:
        flags.write_text(output, json.dumps(result, indent=2) + "\n")
        print(f"wrote {output}")


def main(_: list[str]) -> None:
    """`report` with the settings of the flags."""
    values = absl.flags.FLAGS
    settings = Settings(**{f.name: values[f.name].value for f in dataclasses.fields(Settings)})
    report(settings, pathlib.Path(values.output) if values.output else None)


def define_flags() -> None:
    """Declares the flags of this app."""
    absl.flags.DEFINE_integer("side", Settings.side, "Height and width of a picture in pixels.")
    absl.flags.DEFINE_integer("batch_size", Settings.batch_size, "Examples in a step.")
    absl.flags.DEFINE_integer("langevin_steps", Settings.langevin_steps, "l, Langevin steps.")
    absl.flags.DEFINE_integer("repeats", Settings.repeats, "Timed runs of each program.")
    absl.flags.DEFINE_integer("latent_dim", Settings.latent_dim, "Length of z_a and of z_g.")
    absl.flags.DEFINE_string("output", "", "JSON file for all measurements; empty for none.")


def main_cli() -> None:
    """Entry point of the command."""
    define_flags()
    flags.run(main)


if __name__ == "__main__":
    main_cli()
