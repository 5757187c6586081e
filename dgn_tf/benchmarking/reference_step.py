"""The training step beside the same step written the obvious way."""

import dataclasses
import statistics
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from dgn_tf.benchmarking.part import Part
from dgn_tf.benchmarking.timing import interleaved_timings, ratios, spread
from dgn_tf.benchmarking.warps import op_by_op_warp
from dgn_tf.config import Config
from dgn_tf.config.benchmark import Repeats
from dgn_tf.inference.noise import example_normal
from dgn_tf.models.deformable import DeformableGenerator
from dgn_tf.models.factory import make_model
from dgn_tf.training.alternating import AlternatingBackprop
from dgn_tf.training.chains import Chains
from dgn_tf.training.factory import compiles_step
from dgn_tf.types import Tensor

SEED, SIGMA, STEP_SIZE, LEARNING_RATE = 0, 1.0, 0.1, 1e-3
# The programs are compared after so many Langevin steps: more of them amplify rounding.
COMPARED_STEPS = 2
TOLERANCE = 1e-4


def resized(config: Config, **sizes: int) -> Config:
    """The settings with other values of `side`, `batch_size` or `langevin_steps`.

    Raises:
        InputError: a value out of its range.
    """
    side = sizes.pop("side", config.data.side)
    return dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, side=side),
        learning=dataclasses.replace(config.learning, **sizes),
    )


class ReferenceStep:
    """Algorithm 1 as one would write it down: the whole model, anew, for every gradient.

    Args:
        model: of which only the generators and the penalties are used.
        chains: of the examples.
        optimizer: of the weights.
        langevin_steps: l.
    """

    def __init__(
        self,
        model: DeformableGenerator,
        chains: Chains,
        optimizer: keras.optimizers.Optimizer,
        langevin_steps: int,
    ):
        self.model, self.chains, self.optimizer = model, chains, optimizer
        self.langevin_steps = langevin_steps
        optimizer.build(model.trainable_variables)

    def negative_log_likelihood(
        self, x: Tensor, z_a: Tensor, z_g: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The first term of Eq. 8 with its sign turned, and what it was computed from.

        Args:
            x: images [B, S, S, C] in [-1, 1].
            z_a: appearance latents [B, d_a].
            z_g: geometry latents [B, d_g].

        Returns:
            [B], up to a constant, and the parts by group.
        """
        parts = {"appearance": self.model.appearance(z_a), "geometry": self.model.geometry(z_g)}
        error = (x - op_by_op_warp(parts["appearance"], parts["geometry"])) / 2.0
        return tf.reduce_sum(tf.square(error), (1, 2, 3)) / (2.0 * SIGMA**2), parts

    def step(self, index: Tensor, ids: Tensor, x: Tensor) -> dict[str, Tensor]:
        """One iteration, as `AlternatingBackprop.step`; the scalars loss and gradient_norm."""
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
                    loss, _ = self.negative_log_likelihood(x, z["appearance"], z["geometry"])
                    energy = loss + prior
                drift = -(STEP_SIZE**2) / 2.0 * tape.gradient(energy, z[name])
                z = {**z, name: z[name] + drift + STEP_SIZE * noise[name][step]}
        with tf.GradientTape() as tape:
            losses, parts = self.negative_log_likelihood(x, z["appearance"], z["geometry"])
            loss = tf.reduce_mean(losses) + self.model.regularization(parts)
        variables = self.model.trainable_variables
        gradients = tape.gradient(loss, variables)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        self.chains.write(index, z)
        return {"loss": loss, "gradient_norm": tf.linalg.global_norm(gradients)}


def our_learner(config: Config, rows: int = 0) -> AlternatingBackprop:
    """The learner of a training, with fixed sigma, delta and learning rate.

    Args:
        config: the settings; those of the model, side, channels, batch and l count.
        rows: examples that have a chain; 0 for as many as a batch.
    """
    model, chains, optimizer = _parts(config, rows)
    return AlternatingBackprop(
        model,
        chains,
        optimizer,
        total_steps=1,
        langevin_steps=config.learning.langevin_steps,
        step_size=str(STEP_SIZE),
        sigma=str(SIGMA),
        seed=SEED,
    )


def make_learners(config: Config) -> tuple[AlternatingBackprop, ReferenceStep]:
    """Our learner and the obvious one, each with networks and chains of its own, all equal."""
    ours = our_learner(config)
    model, chains, optimizer = _parts(config)
    model.set_weights(ours.model.get_weights())
    return ours, ReferenceStep(model, chains, optimizer, config.learning.langevin_steps)


def _parts(
    config: Config, rows: int = 0
) -> tuple[DeformableGenerator, Chains, keras.optimizers.Optimizer]:
    model = make_model(config.model, config.data.side, config.data.channels)
    # What `require_plain_step` lets pass.
    assert isinstance(model, DeformableGenerator)
    chains = Chains(np.arange(rows or config.learning.batch_size), model.latent_dims, SEED)
    return model, chains, keras.optimizers.Adam(LEARNING_RATE)


def batch(config: Config) -> tuple[Tensor, Tensor, Tensor]:
    """Index [B], ids [B] and images [B, S, S, C] of a batch of random images in [-1, 1]."""
    count, side = config.learning.batch_size, config.data.side
    ids = tf.range(count, dtype=tf.int64)
    shape = (count, side, side, config.data.channels)
    return ids, ids, tf.random.stateless_uniform(shape, (SEED, 1), -1.0, 1.0)


def compiled_step(
    learner: AlternatingBackprop | ReferenceStep, config: Config
) -> Callable[[], dict[str, Tensor]]:
    """A call without arguments that makes one step of `learner`, compiled as `jit` says."""
    arguments, jit = batch(config), compiles_step(config.execution, learner.chains)
    step = tf.function(learner.step, autograph=False, jit_compile=jit)
    return lambda: step(*arguments)


def far_apart(differences: Tensor) -> float:
    """What 9 of 10 absolute values stay below; NaN if any is NaN."""
    return float(np.quantile(np.abs(differences), 0.9))


def disagreement(
    ours: AlternatingBackprop,
    obvious: ReferenceStep,
    our_scalars: Mapping[str, Tensor],
    obvious_scalars: Mapping[str, Tensor],
) -> dict[str, float]:
    """Differences after a step: of 9 of 10 latents at most, and of loss and gradient, relative.

    Where a coordinate rounds to either side of a pixel's border the slope differs. Of images with
    thousands of pixels, one in ten has such a pixel, and its z_g differs by more.

    Args:
        ours: our learner after the step.
        obvious: the other one after the same step.
        our_scalars: what our step returned.
        obvious_scalars: what the other returned.

    Returns:
        Differences by name of a latent group or a scalar.

    Raises:
        RuntimeError: the two programs do not compute the same step.
    """
    found = {
        name: far_apart(states - obvious.chains.groups[name])
        for name, states in ours.chains.groups.items()
    }
    for name, value in obvious_scalars.items():
        found[name] = abs(float(our_scalars[name]) / float(value) - 1.0)
    # Written so that a NaN is refused too.
    if not all(value <= TOLERANCE for value in found.values()):
        raise RuntimeError(f"The two steps disagree by more than {TOLERANCE}: {found}")
    return found


def compare(config: Config) -> dict[str, float]:
    """The `disagreement` of one step of both programs from the same start, with the same noise."""
    few = resized(config, langevin_steps=min(COMPARED_STEPS, config.learning.langevin_steps))
    learners = make_learners(few)
    # Not compiled: that would take longer than the step.
    scalars = [learner.step(*batch(few)) for learner in learners]
    return disagreement(*learners, *scalars)


def time_steps(config: Config, repeats: int) -> dict[str, list[float]]:
    """Seconds of the steps "ours" and "obvious", taking turns."""
    ours, obvious = make_learners(config)
    calls = {"ours": compiled_step(ours, config), "obvious": compiled_step(obvious, config)}
    return interleaved_timings(calls, repeats)


def measure(config: Config, settings: Repeats) -> dict[str, Any]:
    """Times of our step and of the obvious one, which must give the same numbers.

    Returns:
        "differences" of the numbers (`disagreement`), "seconds" by program, "ratios" of ours over
        the obvious one, "images_per_second" by program.

    Raises:
        RuntimeError: the two do not compute the same step.
    """
    differences = compare(config)
    print("compiling both steps (this takes long) ...", flush=True)
    seconds = time_steps(config, settings.repeats)
    count = config.learning.batch_size
    return {
        "differences": differences,
        "seconds": seconds,
        "ratios": ratios(seconds, "ours", "obvious"),
        "images_per_second": {n: count / statistics.median(t) for n, t in seconds.items()},
    }


def rows(found: dict[str, Any]) -> Iterator[str]:
    """The table of what `measure` found."""
    differences = ", ".join(f"{name} {value:.1e}" for name, value in found["differences"].items())
    yield f"{'step':<24}{'median s':>10}{'min s':>10}{'images/s':>10}"
    for name, times in found["seconds"].items():
        rate = found["images_per_second"][name]
        yield f"{name:<24}{statistics.median(times):>10.3f}{min(times):>10.3f}{rate:>10.1f}"
    low, middle, high = spread(found["ratios"]).values()
    yield (
        f"{'ours / obvious':<24}{middle:>10.3f}   "
        f"(median of {len(found['ratios'])} pairs, {low:.3f} to {high:.3f})"
    )
    yield f"9 of 10 numbers differ, after few Langevin steps, by at most: {differences}"


PART = Part(measure, rows)
