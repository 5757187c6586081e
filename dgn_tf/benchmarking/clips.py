"""The training step on clips beside the image model's step on as many frames.

Both have the same emission networks; what the step on clips has on top are the transitions and
back-propagation through time.
"""

import statistics
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from dgn_tf.benchmarking.part import Part
from dgn_tf.benchmarking.reference_step import LEARNING_RATE, SEED, SIGMA, STEP_SIZE
from dgn_tf.benchmarking.timing import interleaved_timings, ratios, spread
from dgn_tf.config import Config
from dgn_tf.config.benchmark import ClipSettings
from dgn_tf.models.factory import make_model
from dgn_tf.serving.portable import image_generator
from dgn_tf.training.alternating import AlternatingBackprop
from dgn_tf.training.chains import Chains
from dgn_tf.types import LatentModel
from dgn_tf.utils.errors import InputError


def check(config: Config, _: ClipSettings) -> None:
    """Check that the settings make a step on clips.

    Raises:
        InputError: another model than the dynamic one, or more frames in a chunk than in a clip.
    """
    if config.model.model != "dynamic":
        raise InputError(
            f"`model={config.model.model}`: clips are measured with `model=dynamic` only."
        )
    chunk, frames = config.model.frames_per_chunk, config.data.frames
    if chunk > frames:
        raise InputError(f"`frames_per_chunk={chunk}`: must be at most `frames={frames}`.")


def measure(config: Config, settings: ClipSettings) -> dict[str, Any]:
    """Seconds of both steps, taking turns.

    Args:
        config: of which side, channels, frames, l and the model count; the model is one of clips.
        settings: how many clips, and how often.

    Returns:
        "settings" that count, by flag; "seconds" of each step; "ratios" of the step on clips over
        the one on images.
    """
    seconds = interleaved_timings(steps(config, settings.clips), settings.repeats)
    names = ("side", "channels", "frames", "width", "frames_per_chunk", "langevin_steps")
    return {
        "settings": {"clips": settings.clips} | {n: config.settings()[n][0] for n in names},
        "seconds": seconds,
        "ratios": ratios(seconds, *seconds),
    }


def steps(config: Config, clips: int) -> dict[str, Callable[[], Any]]:
    """Compiled steps by name: on so many clips, and on as many single images."""
    data = config.data
    video = make_model(config.model, data.side, data.channels, data.frames)
    # Networks of its own, made by the same settings.
    image = image_generator(make_model(config.model, data.side, data.channels, data.frames))
    return {
        f"{clips} clips of {data.frames} frames": step(video, (clips, data.frames), config),
        f"{clips * data.frames} images": step(image, (clips * data.frames,), config),
    }


def step(model: LatentModel, shape: tuple[int, ...], config: Config) -> Callable[[], Any]:
    """A call without arguments that makes one training step on random examples.

    Args:
        model: of clips or of images.
        shape: of the examples, without those of a frame: (clips, frames) or (images,).
        config: the settings of a training.
    """
    ids = np.arange(shape[0], dtype=np.int64)
    learner = AlternatingBackprop(
        model,
        Chains(ids, model.latent_dims, SEED),
        keras.optimizers.Adam(LEARNING_RATE),
        total_steps=1,
        langevin_steps=config.learning.langevin_steps,
        step_size=str(STEP_SIZE),
        sigma=str(SIGMA),
        seed=SEED,
    )
    frame = (config.data.side, config.data.side, config.data.channels)
    x = tf.random.stateless_uniform((*shape, *frame), (SEED, 1), -1.0, 1.0)
    graph = tf.function(learner.step, autograph=False)
    return lambda: graph(tf.constant(ids), tf.constant(ids), x)


def rows(found: dict[str, Any]) -> Iterator[str]:
    """The table of what `measure` found."""
    settings = found["settings"]
    yield (
        "One training step on {count} frames of {side}x{side}x{channels}, l = {langevin_steps}, "
        "{width:g} of Table V's filters".format(
            count=settings["clips"] * settings["frames"], **settings
        )
    )
    for name, times in found["seconds"].items():
        yield f"{name:<28}{statistics.median(times):8.3f} s (min {min(times):.3f})"
    low, middle, high = spread(found["ratios"]).values()
    yield (
        f"{'clips / images':<28}{middle:8.3f}   "
        f"(median of {len(found['ratios'])} pairs, {low:.3f} to {high:.3f})"
    )


PART = Part(measure, rows, check=check)
