"""Times a training step on clips beside the image model's step on as many frames.

    python -m dgn_tf.benchmarking.clips --side=32 --width=0.2 --frames=8 --clips=25

Both have the same emission networks; what the step on clips has on top are the transitions and
back-propagation through time. They take turns in one process, as in dgn_tf.benchmark.
"""

import statistics

import absl.flags
import keras
import numpy as np
import tensorflow as tf

from dgn_tf.benchmarking.reference_step import LEARNING_RATE, SEED, SIGMA, STEP_SIZE
from dgn_tf.benchmarking.timing import interleaved_timings
from dgn_tf.cli.app import run_app
from dgn_tf.config import ModelConfig
from dgn_tf.models.factory import make_model
from dgn_tf.training.alternating import AlternatingBackprop
from dgn_tf.training.chains import Chains
from dgn_tf.utils.errors import InputError

FLAGS = absl.flags.FLAGS


def define_flags() -> None:
    """Declares the flags of this app."""
    define = absl.flags
    define.DEFINE_enum("side", "32", ["32", "64"], "Height and width of a frame in pixels.")
    define.DEFINE_integer("clips", 25, "Clips in a step.", lower_bound=1)
    define.DEFINE_integer("frames", 8, "Frames of a clip.", lower_bound=1)
    define.DEFINE_float("width", 0.2, "Filters per layer over those of Table V.", lower_bound=0.01)
    define.DEFINE_integer("frames_per_chunk", 0, "As of dgn_tf.train.", lower_bound=0)
    define.DEFINE_integer("langevin_steps", 5, "l, Langevin steps.", lower_bound=1)
    define.DEFINE_integer("repeats", 7, "Timed runs of each step.", lower_bound=1)


def main(_: list[str]) -> None:
    """Measure and print."""
    if FLAGS.frames_per_chunk > FLAGS.frames:
        raise InputError(
            f"--frames_per_chunk={FLAGS.frames_per_chunk}: must be at most --frames={FLAGS.frames}."
        )
    seconds = interleaved_timings(steps(), FLAGS.repeats)
    count = FLAGS.clips * FLAGS.frames
    print(
        f"One training step on {count} frames of {FLAGS.side}x{FLAGS.side}x3, "
        f"l = {FLAGS.langevin_steps}, {FLAGS.width:g} of Table V's filters"
    )
    for name, times in seconds.items():
        print(f"{name:<28}{statistics.median(times):8.3f} s (min {min(times):.3f})")
    ratios = [a / b for a, b in zip(*seconds.values(), strict=True)]
    print(
        f"{'clips / pictures':<28}{statistics.median(ratios):8.3f}   "
        f"(median of {len(ratios)} pairs, {min(ratios):.3f} to {max(ratios):.3f})"
    )


def steps() -> dict:
    """Compiled steps by name: on clips, and on as many single images."""
    settings = ModelConfig(
        model="dynamic", width=FLAGS.width, frames_per_chunk=FLAGS.frames_per_chunk
    )
    video = make_model(settings, int(FLAGS.side), 3, FLAGS.frames)
    # Networks of its own, made by the same settings.
    image = make_model(settings, int(FLAGS.side), 3, FLAGS.frames).emission
    name = f"{FLAGS.clips} clips of {FLAGS.frames} frames"
    return {
        name: step(video, (FLAGS.clips, FLAGS.frames)),
        f"{FLAGS.clips * FLAGS.frames} images": step(image, (FLAGS.clips * FLAGS.frames,)),
    }


def step(model, shape):
    """A call without arguments that makes one training step on random examples [*shape, ...]."""
    ids = np.arange(shape[0], dtype=np.int64)
    learner = AlternatingBackprop(
        model,
        Chains(ids, model.latent_dims, SEED),
        keras.optimizers.Adam(LEARNING_RATE),
        total_steps=1,
        langevin_steps=FLAGS.langevin_steps,
        step_size=str(STEP_SIZE),
        sigma=str(SIGMA),
        seed=SEED,
    )
    side = int(FLAGS.side)
    x = tf.random.stateless_uniform((*shape, side, side, 3), (SEED, 1), -1.0, 1.0)
    graph = tf.function(learner.step, autograph=False)
    return lambda: graph(tf.constant(ids), tf.constant(ids), x)


def main_cli() -> None:
    """Entry point of the command."""
    define_flags()
    run_app(main)


if __name__ == "__main__":
    main_cli()
