"""The learner that the settings describe."""

import keras
import tensorflow as tf

from dgn_tf.data.batches import steps_per_epoch
from dgn_tf.models.discriminator import Discriminator
from dgn_tf.ops.cross_replica import Adam
from dgn_tf.training.adversarial import Adversarial
from dgn_tf.training.alternating import AlternatingBackprop
from dgn_tf.training.chains import Chains
from dgn_tf.training.devices import Devices
from dgn_tf.training.distributed import Distributed
from dgn_tf.training.schedules import RunSchedule
from dgn_tf.training.variational import Variational
from dgn_tf.types import EncodedModel
from dgn_tf.utils.errors import InputError


def compiles_step(execution, chains=None):
    """Whether XLA compiles the whole step: what --jit says, or where it wins.

    Raises:
        InputError: it should, and cannot.
    """
    gpu = bool(tf.config.list_logical_devices("GPU"))
    apart = gpu and chains is not None and chains.on_host
    if execution.jit == "on" and apart:
        raise InputError(
            "--jit=on: so many chains are kept in the host's memory, where a step that XLA has "
            "compiled for a GPU cannot read them: leave out --jit."
        )
    able = gpu and not apart and execution.strategy == "one"
    return execution.jit == "on" or (execution.jit == "auto" and able)


def discriminator(learning, examples, precision):
    """The untrained discriminator that a `TrainingConfig` describes."""
    return Discriminator(
        examples.side,
        examples.channels,
        learning.discriminator_width,
        learning.minibatch_deviation,
        dtype=precision,
    )


def scaled(optimizer, precision):
    """The optimizer; for float16 one that keeps small gradients from becoming zero."""
    if precision != "mixed_float16":
        return optimizer
    return keras.optimizers.LossScaleOptimizer(optimizer)


def make_learner(learning, examples, model, given=None, precision="float32", devices=None):
    """The learner that a `TrainingConfig` describes; a model with an encoder learns variationally.

    Alternating back-propagation has chains for all `examples`, or, of several processes, for those
    of this one; `given` groups hold what is given.

    Args:
        learning: the `TrainingConfig`.
        examples: the training examples.
        model: the model, made in the scope of the devices' strategy.
        given: latents [N, d] by group, as of `runs.given_latents`.
        precision: of the networks.
        devices: the `Devices`; None for one.
    """
    devices = devices or Devices(shards=learning.shards)
    if isinstance(model, EncodedModel):
        return Variational(
            model, kl_weight=learning.kl_weight, **_shared(learning, examples, precision)
        )
    # Mirrored in the scope of a strategy, chains stay where they are outside of it.
    chains = _chains(learning, examples, model, given or {}, devices.shards)
    with devices.strategy.scope():
        likelihood = AlternatingBackprop(
            model,
            chains,
            langevin_steps=learning.langevin_steps,
            step_size=learning.step_size,
            head_start=learning.head_start,
            noise=learning.noise,
            simultaneous=learning.simultaneous,
            **_shared(learning, examples, precision),
        )
    if devices.several:
        return Distributed(likelihood, devices)
    if learning.adversarial:
        return _adversarial(learning, examples, likelihood, precision)
    return likelihood


def _shared(learning, examples, precision):
    """Arguments of every learner of a likelihood."""
    total_steps = _total_steps(learning, examples)
    scale = tf.Variable(1.0, trainable=False)
    schedule = RunSchedule(learning.learning_rate, total_steps, scale)
    return {
        "optimizer": scaled(Adam(schedule, epsilon=1e-8), precision),
        "total_steps": total_steps,
        "sigma": learning.sigma,
        "scale": scale,
        "seed": learning.seed,
    }


def _total_steps(learning, examples):
    return learning.epochs * steps_per_epoch(len(examples), learning.batch_size, learning.shards)


def _chains(learning, examples, model, given, shards):
    """The chains of the examples in a process's shards."""
    first, end = shards.rows(len(examples))
    return Chains(
        examples.ids[first:end],
        model.latent_dims,
        learning.seed,
        {name: values[first:end] for name, values in given.items()},
        model.class_groups,
        first,
    )


def _adversarial(learning, examples, likelihood, precision):
    """The learner that has a discriminator beside the likelihood."""
    total_steps = _total_steps(learning, examples)
    schedule = RunSchedule(learning.discriminator_rate, total_steps, likelihood.scale)
    return Adversarial(
        likelihood,
        discriminator(learning, examples, precision),
        # No momentum: the discriminator must forget generators that are gone (Mescheder et al.).
        scaled(keras.optimizers.Adam(schedule, beta_1=0.0, beta_2=0.99), precision),
        likelihood_weight=learning.likelihood_weight,
        r1_weight=learning.r1_weight,
        r1_every=learning.r1_every,
        warmup=round(learning.warmup * total_steps),
    )
