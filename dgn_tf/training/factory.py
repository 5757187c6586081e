"""The learner that the settings describe."""

import difflib
import json
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from dgn_tf.config import ExecutionConfig, TrainingConfig
from dgn_tf.data.batches import Shards, steps_per_epoch
from dgn_tf.data.examples import Examples
from dgn_tf.ops.cross_replica import Adam
from dgn_tf.training.adversarial import Adversarial
from dgn_tf.training.alternating import AlternatingBackprop
from dgn_tf.training.chains import Chains
from dgn_tf.training.decorrelation import Decorrelation
from dgn_tf.training.devices import Devices
from dgn_tf.training.distributed import Distributed
from dgn_tf.training.proposals import EncoderProposals
from dgn_tf.training.schedules import RunSchedule, no_offset
from dgn_tf.training.variational import Variational
from dgn_tf.types import EncodedModel, Learner
from dgn_tf.utils.errors import InputError


def compiles_step(execution: ExecutionConfig, chains: Chains | None = None) -> bool:
    """Whether XLA compiles the whole step: what `jit` says, or where it is faster.

    Raises:
        InputError: it should, and cannot.
    """
    gpu = bool(tf.config.list_logical_devices("GPU"))
    apart = gpu and chains is not None and chains.on_host
    if execution.jit == "on" and apart:
        raise InputError(
            "`jit=on`: so many chains are kept in the host's memory, where a step that XLA has "
            "compiled for a GPU cannot read them: leave out `jit`."
        )
    able = gpu and not apart and execution.strategy == "one"
    return execution.jit == "on" or (execution.jit == "auto" and able)


def scaled(optimizer: keras.optimizers.Optimizer, precision: str) -> keras.optimizers.Optimizer:
    """The optimizer; for mixed_float16 one that keeps small gradients from becoming zero."""
    if precision != "mixed_float16":
        return optimizer
    return keras.optimizers.LossScaleOptimizer(optimizer)


def make_learner(
    learning: TrainingConfig,
    examples: Examples,
    model: Any,
    given: Mapping[str, np.ndarray] | None = None,
    precision: str = "float32",
    devices: Devices | None = None,
    discriminator: keras.Model | None = None,
    encoder: keras.Model | None = None,
) -> Learner:
    """The learner that the settings describe; a model with an encoder learns variationally.

    Alternating back-propagation has chains for all `examples`, or, where several processes learn
    together, for those of this one. Groups that are `given` hold what is given.

    Args:
        learning: the settings.
        examples: the training examples.
        model: the model, made in the scope of the devices' strategy.
        given: latents [N, d] of the groups that come with the data, such as labels.
        precision: of the networks.
        devices: the `Devices`; None for one.
        discriminator: an untrained one, which `adversarial` needs.
        encoder: an untrained one, made in the scope of the devices' strategy, which
            `proposals` needs.

    Raises:
        ValueError: `adversarial` without a discriminator, or proposals without an encoder.
    """
    devices = devices or Devices(shards=learning.shards)
    if isinstance(model, EncodedModel):
        return Variational(
            model, kl_weight=learning.kl_weight, **_shared(learning, examples, precision)
        )
    # Mirrored in the scope of a strategy, chains stay where they are outside of it.
    chains = _chains(learning, examples, model, given or {}, devices.shards)
    with devices.strategy.scope():
        shared = _shared(learning, examples, precision)
        likelihood = AlternatingBackprop(
            model,
            chains,
            langevin_steps=learning.langevin_steps,
            step_size=learning.step_size,
            head_start=learning.head_start,
            noise=learning.noise,
            simultaneous=learning.simultaneous,
            proposals=_proposals(learning, shared, model, encoder, precision),
            decorrelation=_decorrelation(learning, model),
            **shared,
        )
    if devices.several:
        return Distributed(likelihood, devices)
    if not learning.adversarial:
        return likelihood
    if discriminator is None:
        raise ValueError("`adversarial` needs a discriminator")
    return _adversarial(learning, examples, likelihood, discriminator, precision)


def _shared(learning: TrainingConfig, examples: Examples, precision: str) -> dict[str, Any]:
    """The arguments that all learners share."""
    total_steps = _total_steps(learning, examples)
    scale = tf.Variable(tf.ones([]), trainable=False)
    offset = no_offset()
    schedule = RunSchedule(learning.learning_rate, total_steps, scale, offset)
    return {
        "optimizer": scaled(make_optimizer(learning.optimizer, schedule), precision),
        "total_steps": total_steps,
        "sigma": learning.sigma,
        "scale": scale,
        "offset": offset,
        "seed": learning.seed,
    }


def make_optimizer(text: str, schedule: RunSchedule | float) -> keras.optimizers.Optimizer:
    """The optimizer of the networks that the setting `optimizer` says.

    Args:
        text: the setting.
        schedule: the learning rate of one that brings none.

    Raises:
        InputError: it is none that Keras knows.
    """
    if not text:
        return Adam(schedule, epsilon=1e-8)
    if text.startswith("{"):
        try:
            return keras.optimizers.deserialize(json.loads(text))
        # What Keras makes of a damaged description.
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(f"`optimizer`: Keras cannot make it of {text}: {reason}") from None
    kinds = {
        name.lower(): kind
        for name, kind in vars(keras.optimizers).items()
        if isinstance(kind, type) and name not in ("Optimizer", "LossScaleOptimizer")
    }
    if text.lower() not in kinds:
        near = difflib.get_close_matches(text.lower(), kinds, n=3) or sorted(kinds)
        raise InputError(f"`optimizer={text}`: Keras has none of this name; {', '.join(near)}?")
    return kinds[text.lower()](learning_rate=schedule)


def _total_steps(learning: TrainingConfig, examples: Examples) -> int:
    return learning.epochs * steps_per_epoch(len(examples), learning.batch_size, learning.shards)


def _chains(
    learning: TrainingConfig,
    examples: Examples,
    model: Any,
    given: Mapping[str, np.ndarray],
    shards: Shards,
) -> Chains:
    """The chains of the examples in a process's shards."""
    first, end = shards.rows(len(examples))
    return Chains(
        examples.ids[first:end],
        model.latent_dims,
        learning.seed,
        {name: values[first:end] for name, values in given.items()},
        model.class_groups,
        first,
        zero=learning.chain_start == "zero",
    )


def _proposals(
    learning: TrainingConfig,
    shared: dict[str, Any],
    model: Any,
    encoder: keras.Model | None,
    precision: str,
) -> EncoderProposals | None:
    """What proposes where chains go on, if the settings ask for it; `shared` as of `_shared`."""
    if learning.proposals == "none":
        return None
    if encoder is None:
        raise ValueError("`proposals` needs an encoder")
    names = ("total_steps", "scale", "offset")
    schedule = RunSchedule(learning.encoder_rate, **{name: shared[name] for name in names})
    optimizer = scaled(Adam(schedule, epsilon=1e-8), precision)
    metropolis = learning.proposals == "metropolis"
    return EncoderProposals(model, encoder, optimizer, learning.dreams, metropolis, learning.seed)


def _decorrelation(learning: TrainingConfig, model: Any) -> Decorrelation | None:
    """What takes geometry out of the appearance latents, if the settings ask for it."""
    return Decorrelation(model, learning.decorrelation) if learning.decorrelation else None


def _adversarial(
    learning: TrainingConfig,
    examples: Examples,
    likelihood: AlternatingBackprop,
    discriminator: keras.Model,
    precision: str,
) -> Adversarial:
    """The learner that has a discriminator beside the likelihood."""
    total_steps = _total_steps(learning, examples)
    schedule = RunSchedule(
        learning.discriminator_rate, total_steps, likelihood.scale, likelihood.offset
    )
    return Adversarial(
        likelihood,
        discriminator,
        # No momentum: the discriminator must forget generators that are gone (Mescheder et al.).
        scaled(keras.optimizers.Adam(schedule, beta_1=0.0, beta_2=0.99), precision),
        likelihood_weight=learning.likelihood_weight,
        r1_weight=learning.r1_weight,
        r1_every=learning.r1_every,
        warmup=round(learning.warmup * total_steps),
    )
