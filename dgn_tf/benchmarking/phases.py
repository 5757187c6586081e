"""Where the time of a training step goes."""

import statistics
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from dgn_tf.benchmarking.charts import BLUE, drawn, new_canvas
from dgn_tf.benchmarking.part import Part
from dgn_tf.benchmarking.reference_step import SEED, SIGMA, batch, compiled_step, our_learner
from dgn_tf.benchmarking.timing import interleaved_timings
from dgn_tf.config import Config
from dgn_tf.config.benchmark import Repeats
from dgn_tf.inference.noise import example_normal
from dgn_tf.training.alternating import AlternatingBackprop
from dgn_tf.types import Latents, Parts, Tensor


def time_phases(config: Config, repeats: int) -> dict[str, Any]:
    """Seconds of the whole step and of its phases, each compiled and timed alone, taking turns.

    A phase that runs l times in a step counts l times: the generators' forward passes, their
    gradients to the latents, and the warp with its gradient (once to the image and once to the
    field). What a step takes beyond their sum, or less than it, is its "rest".

    Args:
        config: the settings of a training.
        repeats: timed runs of each.

    Returns:
        "step", median seconds; "phases", seconds a step by name of the phase, of which only "rest"
        can be below zero.
    """
    learner = our_learner(config)
    calls = _phases(learner, config)
    counts = {name: count for name, (_, count) in calls.items()}
    timed = {name: call for name, (call, _) in calls.items()}
    times = interleaved_timings({"step": compiled_step(learner, config), **timed}, repeats)
    medians = {name: statistics.median(values) for name, values in times.items()}
    # The gradient of the networks was timed with the forward pass that it needs.
    medians["generators, gradient"] -= medians["generators, forward"]
    phases = {name: counts[name] * max(medians[name], 0.0) for name in timed}
    return {
        "step": medians["step"],
        "phases": {**phases, "rest": medians["step"] - sum(phases.values())},
    }


def _phases(learner: AlternatingBackprop, config: Config) -> dict[str, tuple[Callable, int]]:
    """A call that runs each phase once, and how often it runs in a step."""
    model, index, x = learner.model, *batch(config)[::2]
    l_steps = config.learning.langevin_steps
    z = {name: tf.identity(value) for name, value in learner.chains.read(index).items()}
    parts = {name: model.part(name, value) for name, value in z.items()}

    def forward(z: Latents) -> Parts:
        return {name: model.part(name, value) for name, value in z.items()}

    def gradient(z: Any, upstream: Any) -> tuple[Parts, Latents]:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(z)
            made: Any = forward(z)
        return made, tape.gradient(made, z, output_gradients=upstream)

    def warps(parts: Parts, x: Tensor) -> Parts:
        slopes = {}
        for name in parts:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(parts[name])
                made = model.combine(parts)
            slopes[name] = tape.gradient(made, parts[name], output_gradients=(made - x) / 2.0)
        return slopes

    def noise(index: Tensor) -> list[Tensor]:
        return [
            example_normal(SEED, 1, index, stream, l_steps, dim)
            for stream, dim in enumerate(model.latent_dims.values())
        ]

    def chains(index: Tensor) -> None:
        learner.chains.write(index, learner.chains.read(index))

    def call(function: Callable, *arguments: Any) -> Callable[[], Any]:
        graph = tf.function(function, autograph=False)
        return lambda: graph(*arguments)

    return {
        "generators, forward": (call(forward, z), l_steps),
        "generators, gradient": (call(gradient, z, parts), l_steps),
        "warp, with gradients": (call(warps, parts, x), l_steps),
        "noise": (call(noise, index), 1),
        "learning": (call(lambda x, z: learner.learn(x, z, SIGMA), x, z), 1),
        "chains": (call(chains, index), 1),
    }


def rows(found: dict[str, Any]) -> Iterator[str]:
    """The table of what `time_phases` measured."""
    yield f"{'phase of our step':<24}{'s':>10}{'share':>10}"
    for name, seconds in found["phases"].items():
        yield f"{name:<24}{seconds:>10.3f}{seconds / found['step']:>10.1%}"


def chart(found: dict[str, Any]) -> np.ndarray:
    """Each phase's share of the time of a step, of what `time_phases` measured: uint8 [H, W, 3]."""
    figure, canvas = new_canvas((7, 3))
    panel = figure.subplots()
    names = list(found["phases"])
    shares = [100.0 * found["phases"][name] / found["step"] for name in names]
    bars = panel.barh(names, shares, color=BLUE)
    panel.bar_label(bars, fmt="%.0f %%", padding=3)
    panel.invert_yaxis()
    panel.margins(x=0.12)
    panel.set(xlabel=f"% of the time of a step, {found['step']:.2f} s")
    return drawn(canvas)


def measure(config: Config, settings: Repeats) -> dict[str, Any]:
    """What `time_phases` finds."""
    return time_phases(config, settings.repeats)


PART = Part(measure, rows, chart)
