"""The training step beside the same step written the obvious way."""

import dataclasses
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from dgn_tf.benchmarking.timing import interleaved_timings
from dgn_tf.benchmarking.warps import op_by_op_warp
from dgn_tf.config import Config
from dgn_tf.inference.noise import example_normal
from dgn_tf.models.factory import make_model
from dgn_tf.training.alternating import AlternatingBackprop
from dgn_tf.training.chains import Chains
from dgn_tf.training.factory import compiles_step
from dgn_tf.utils.errors import InputError

SEED, SIGMA, STEP_SIZE, LEARNING_RATE = 0, 1.0, 0.1, 1e-3
# The programs are compared after so many Langevin steps: more of them amplify rounding.
COMPARED_STEPS = 2
TOLERANCE = 1e-4
# What the obvious step does not have.
_FIXED = (
    "model",
    "appearance",
    "border",
    "refinement",
    "precision",
    "noise",
    "simultaneous",
    "freeze",
    "adversarial",
    "ema",
    "strategy",
)


def check(config: Config) -> None:
    """Whether a step of these settings can be written the obvious way.

    Raises:
        InputError: a setting that the obvious step does not have.
    """
    default = Config().settings()
    for name in _FIXED:
        value, wanted = config.settings()[name][0], default[name][0]
        if value != wanted:
            raise InputError(
                f"--{name}={value}: steps are measured with --{name}={wanted} only: leave it out."
            )


def resized(config: Config, **sizes) -> Config:
    """The settings with other values of `side`, `batch_size` or `langevin_steps`."""
    side = sizes.pop("side", config.data.side)
    return dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, side=side),
        learning=dataclasses.replace(config.learning, **sizes),
    )


class ReferenceStep:
    """Algorithm 1 as one would write it down: the whole model, anew, for every gradient.

    Of `model`, a `DeformableGenerator`, it uses the generators and the penalties only.
    `langevin_steps` is l.
    """

    def __init__(self, model, chains, optimizer, langevin_steps: int):
        self.model, self.chains, self.optimizer = model, chains, optimizer
        self.langevin_steps = langevin_steps
        optimizer.build(model.trainable_variables)

    def misfit(self, x: tf.Tensor, z_a: tf.Tensor, z_g: tf.Tensor) -> tuple[tf.Tensor, dict]:
        """First term of Eq. 8 with its sign turned, [B], of images x [B, S, S, C]; the parts."""
        parts = {"appearance": self.model.appearance(z_a), "geometry": self.model.geometry(z_g)}
        error = (x - op_by_op_warp(parts["appearance"], parts["geometry"])) / 2.0
        return tf.reduce_sum(tf.square(error), (1, 2, 3)) / (2.0 * SIGMA**2), parts

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
                    energy = self.misfit(x, z["appearance"], z["geometry"])[0] + prior
                drift = -(STEP_SIZE**2) / 2.0 * tape.gradient(energy, z[name])
                z = {**z, name: z[name] + drift + STEP_SIZE * noise[name][step]}
        with tf.GradientTape() as tape:
            misfit, parts = self.misfit(x, z["appearance"], z["geometry"])
            loss = tf.reduce_mean(misfit) + self.model.regularization(parts)
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


def _parts(config, rows=0):
    model = make_model(config.model, config.data.side, config.data.channels)
    chains = Chains(np.arange(rows or config.learning.batch_size), model.latent_dims, SEED)
    return model, chains, keras.optimizers.Adam(LEARNING_RATE)


def batch(config: Config) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Index [B], ids [B] and images [B, S, S, C] of a batch of random images in [-1, 1]."""
    count, side = config.learning.batch_size, config.data.side
    ids = tf.range(count, dtype=tf.int64)
    shape = (count, side, side, config.data.channels)
    return ids, ids, tf.random.stateless_uniform(shape, (SEED, 1), -1.0, 1.0)


def compiled_step(learner, config: Config) -> Callable[[], dict[str, tf.Tensor]]:
    """A call without arguments that makes one step of `learner`, compiled as --jit says."""
    arguments, jit = batch(config), compiles_step(config.execution, learner.chains)
    step = tf.function(learner.step, autograph=False, jit_compile=jit)
    return lambda: step(*arguments)


def far_apart(differences: np.ndarray | tf.Tensor) -> float:
    """What 9 of 10 absolute values stay below; NaN if any is NaN."""
    return float(np.quantile(np.abs(differences), 0.9))


def disagreement(ours, obvious, our_scalars, obvious_scalars) -> dict[str, float]:
    """Differences after a step: of 9 of 10 latents at most, and of loss and gradient, relative.

    Where a coordinate rounds to either side of a pixel's border the slope differs. Of images with
    thousands of pixels, one in ten has such a pixel, and its z_g differs by more.

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
    learners = zip(("ours", "obvious"), make_learners(config), strict=True)
    return interleaved_timings(
        {name: compiled_step(each, config) for name, each in learners}, repeats
    )
