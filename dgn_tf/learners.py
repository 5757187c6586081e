"""The learner that the settings describe."""

import keras
import tensorflow as tf

from dgn_tf.data.pipeline import steps_per_epoch
from dgn_tf.learning.adversarial import Adversarial
from dgn_tf.learning.alternating import AlternatingBackprop
from dgn_tf.learning.chains import Chains
from dgn_tf.learning.energies import class_groups
from dgn_tf.learning.schedules import RunSchedule
from dgn_tf.learning.variational import Variational
from dgn_tf.models.discriminator import Discriminator


def compiles_step(jit):
    """Whether XLA compiles the whole step: what --jit says, or where it wins."""
    return jit == "on" or (jit == "auto" and bool(tf.config.list_logical_devices("GPU")))


def discriminator(learning, examples, precision):
    """The untrained discriminator that a `LearningConfig` describes."""
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


def make_learner(learning, examples, model, given=None, precision="float32"):
    """The learner that a `LearningConfig` describes; a model with an encoder learns variationally.

    Alternating back-propagation has chains for all `examples`; `given` groups hold what is given.
    """
    total_steps = learning.epochs * steps_per_epoch(len(examples), learning.batch_size)
    scale = tf.Variable(1.0, trainable=False)
    optimizer = scaled(
        keras.optimizers.Adam(
            RunSchedule(learning.learning_rate, total_steps, scale), epsilon=1e-8
        ),
        precision,
    )
    shared = {
        "total_steps": total_steps, "sigma": learning.sigma, "scale": scale, "seed": learning.seed,
    }  # fmt: skip
    if hasattr(model, "encode"):
        return Variational(model, optimizer, kl_weight=learning.kl_weight, **shared)
    likelihood = AlternatingBackprop(
        model,
        Chains(examples.ids, model.latent_dims, learning.seed, given, class_groups(model)),
        optimizer,
        langevin_steps=learning.langevin_steps,
        step_size=learning.step_size,
        head_start=learning.head_start,
        noise=learning.noise,
        simultaneous=learning.simultaneous,
        **shared,
    )
    if not learning.adversarial:
        return likelihood
    return Adversarial(
        likelihood,
        discriminator(learning, examples, precision),
        # No momentum: the discriminator must forget generators that are gone (Mescheder et al.).
        scaled(
            keras.optimizers.Adam(
                RunSchedule(learning.discriminator_rate, total_steps, scale),
                beta_1=0.0,
                beta_2=0.99,
            ),
            precision,
        ),
        likelihood_weight=learning.likelihood_weight,
        r1_weight=learning.r1_weight,
        r1_every=learning.r1_every,
        warmup=round(learning.warmup * total_steps),
    )
