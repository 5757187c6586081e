"""Where the time of a training step goes."""

import statistics
from collections.abc import Callable

import tensorflow as tf

from dgn_tf.benchmarking.reference_step import SEED, SIGMA, batch, compiled_step, our_learner
from dgn_tf.benchmarking.timing import interleaved_timings
from dgn_tf.config import Config
from dgn_tf.inference.noise import example_normal


def time_phases(config: Config, repeats: int) -> dict:
    """Seconds of the whole step and of its phases, each compiled and timed alone, taking turns.

    A phase that runs l times in a step counts l times: the generators' forward passes, their
    gradients to the latents, and the warp with its gradient (once to the image and once to the
    field). What a step takes beyond their sum, or less than it, is its "rest".

    Returns:
        "step": median seconds; "phases": {phase: seconds a step}, of which only "rest" can
        be below zero.
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


def _phases(learner, config: Config) -> dict[str, tuple[Callable, int]]:
    """A call that runs each phase once, and how often it runs in a step."""
    model, index, x = learner.model, *batch(config)[::2]
    l_steps = config.learning.langevin_steps
    z = {name: tf.identity(value) for name, value in learner.chains.read(index).items()}
    parts = {name: model.part(name, value) for name, value in z.items()}

    def forward(z):
        return {name: model.part(name, value) for name, value in z.items()}

    def gradient(z, upstream):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(z)
            made = forward(z)
        return made, tape.gradient(made, z, output_gradients=upstream)

    def warps(parts, x):
        slopes = {}
        for name in parts:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(parts[name])
                made = model.combine(parts)
            slopes[name] = tape.gradient(made, parts[name], output_gradients=(made - x) / 2.0)
        return slopes

    def noise(index):
        return [
            example_normal(SEED, 1, index, stream, l_steps, dim)
            for stream, dim in enumerate(model.latent_dims.values())
        ]

    def chains(index):
        learner.chains.write(index, learner.chains.read(index))

    def call(function, *arguments):
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
