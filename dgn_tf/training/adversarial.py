"""Adversarial alternating back-propagation (Eq. 22), and learning by the discriminator alone."""

from typing import Any

import keras
import tensorflow as tf

from dgn_tf.data.examples import as_float
from dgn_tf.inference.noise import example_normal
from dgn_tf.inference.posterior import Inference
from dgn_tf.training.alternating import AlternatingBackprop
from dgn_tf.training.gradient_step import all_finite, apply_gradients, gradients_of
from dgn_tf.training.losses import loss_terms
from dgn_tf.types import LatentArrays, Latents, Tensor

# Without the likelihood the chains know no latents: so many are inferred for the sheets.
_INFERRED = 64


class Adversarial(tf.Module):
    """Algorithm 1 with a discriminator: the networks fit the data and make samples like them.

    One step infers the latents as Algorithm 1 does, then makes a step on the discriminator,

        softplus(-D(x)) + softplus(D(F(z))) + r1_weight / 2 |grad_x D(x)|^2,   z ~ N(0, I),

    and one on the generators, likelihood_weight times the loss of Algorithm 1, with its penalties,
    plus softplus(-D(F(z))): Eq. 22 with the non-saturating loss.

    Args:
        likelihood: the `AlternatingBackprop` whose model, chains and optimizer are used.
        discriminator: gives logits [B] of images [B, S, S, C].
        optimizer: a Keras optimizer for the discriminator.
        likelihood_weight: lambda_1; 0 learns by the discriminator alone: nothing is inferred, and
            the chains stay where they began.
        r1_weight: lambda_2.
        r1_every: add R1 at every N-th step only, N times as strong.
        warmup: learning steps in which the discriminator learns, and the generators learn without
            it.
    """

    def __init__(
        self,
        likelihood: AlternatingBackprop,
        discriminator: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        *,
        likelihood_weight: float = 0.001,
        r1_weight: float = 10.0,
        r1_every: int = 1,
        warmup: int = 0,
    ):
        super().__init__(name="adversarial")
        self.likelihood = likelihood
        self.discriminator = discriminator
        self.discriminator_optimizer = optimizer
        self.likelihood_weight = likelihood_weight
        self.r1_weight = r1_weight
        self.r1_every = r1_every
        self.warmup = warmup
        self.model = likelihood.model
        self.optimizer = likelihood.optimizer
        self.scale, self.offset = likelihood.scale, likelihood.offset
        self.chains = likelihood.chains
        optimizer.build(discriminator.trainable_variables)

    def step(self, index: Tensor, ids: Tensor, x: Tensor) -> dict[str, Tensor]:
        """One learning step on discriminator and generators.

        Args:
            index: int64 [B], rows of the examples in the data set.
            ids: int64 [B], the examples' ids, which key the noise.
            x: their images [B, ...] in [-1, 1].

        Returns:
            Scalars to log, by name. `finite` is 1 when all of them are finite, else 0.
        """
        sigma = self.likelihood.sigma(self.optimizer.iterations)
        z = self.chains.read(index)
        if self.likelihood_weight:
            z, restarted = self.likelihood.restart(x, z, ids, sigma)
            z = self.likelihood.decorrelate(self.likelihood.infer(x, z, ids, sigma))
        prior = self.prior(ids)
        judged = self.discriminator_step(x, tf.stop_gradient(self.model(prior)))
        metrics = self.generator_step(x, z, prior, sigma) | judged
        metrics["finite"] *= all_finite(judged)
        if self.likelihood_weight:
            metrics = self.likelihood.learn_proposals(x, z, restarted, metrics)
            self.chains.write(index, z)
        return metrics

    def prior(self, ids: Tensor) -> Latents:
        """Draws of N(0, I) [B, d] for each group, independent of the Langevin noise."""
        step = tf.cast(self.optimizer.iterations, tf.int64) + 1
        dims = self.model.latent_dims
        return {
            name: example_normal(self.likelihood.seed, step, ids, len(dims) + stream, 1, dim)[0]
            for stream, (name, dim) in enumerate(dims.items())
        }

    def discriminator_step(self, x: Tensor, generated: Tensor) -> dict[str, Tensor]:
        """One step on the discriminator, with images x of the data and generated ones.

        Returns:
            `discriminator_loss` without R1, `r1` (|grad_x D(x)|^2, the mean over the images; 0
            at a step that leaves it out) and `accuracy`, the share of images it classifies right.
        """
        variables = self.discriminator.trainable_variables
        due = self.discriminator_optimizer.iterations % self.r1_every == 0
        with tf.GradientTape() as tape:
            real, fake = self.discriminator(x), self.discriminator(generated)
            loss = tf.reduce_mean(tf.nn.softplus(-real)) + tf.reduce_mean(tf.nn.softplus(fake))
            penalty = tf.cond(due, lambda: self.r1(x), lambda: 0.0)
            total = loss + self.r1_every * self.r1_weight / 2.0 * penalty
        gradients, _ = gradients_of(self.discriminator_optimizer, tape, total, variables)
        self.discriminator_optimizer.apply_gradients(zip(gradients, variables, strict=True))
        right = tf.concat([real > 0.0, fake < 0.0], axis=0)
        accuracy = tf.reduce_mean(tf.cast(right, tf.float32))
        return {"discriminator_loss": loss, "r1": penalty, "accuracy": accuracy}

    def r1(self, x: Tensor) -> Tensor:
        """|grad_x D(x)|^2, the mean over images x, whose values are in [-1, 1]."""
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(self.discriminator(x))
        slopes = tape.gradient(total, x)
        return tf.reduce_sum(tf.square(slopes)) / tf.cast(tf.shape(x)[0], tf.float32)

    def generator_step(
        self, x: Tensor, z: Latents, prior: Latents, sigma: Tensor
    ) -> dict[str, Tensor]:
        """One step on the generators; latents and discriminator are fixed (Eq. 22).

        Args:
            x: images [B, ...] in [-1, 1].
            z: their latents [B, d] of each group.
            prior: latents [B, d] of each group, of the samples that the discriminator judges.
            sigma: standard deviation of a pixel on the [0, 1] scale.
        """
        warm = tf.cast(self.likelihood.place() >= self.warmup, tf.float32)
        with tf.GradientTape() as tape:
            parts = {name: self.model.part(name, latent) for name, latent in prior.items()}
            logits = self.discriminator(self.model.combine(parts))
            generator_loss = tf.reduce_mean(tf.nn.softplus(-logits))
            loss = warm * generator_loss
            logged = {"generator_loss": generator_loss}
            if self.likelihood_weight:
                terms, parts = loss_terms(self.model, x, z, sigma)
                loss += self.likelihood_weight * terms.total
                logged["msre"] = terms.msre
            else:
                loss += self.model.regularization(parts)
        logged |= self.model.diagnostics(parts)
        variables = self.model.trainable_variables
        return apply_gradients(self.optimizer, tape, loss, variables, z, logged)

    @property
    def state(self) -> dict[str, Any]:
        """What a checkpoint holds beside model and optimizer."""
        return {
            **self.likelihood.state,
            "discriminator": self.discriminator,
            "discriminator_optimizer": self.discriminator_optimizer,
        }

    def latents(self, examples: Any) -> LatentArrays:
        """Latents [N, d] of each group: the chains', or inferred where there is no likelihood.

        Then they are those of the first 64 examples at most.
        """
        if self.likelihood_weight:
            return self.likelihood.latents(examples)
        step = self.optimizer.iterations
        inference = Inference(
            self.model,
            steps=100,
            step_size=float(self.likelihood.step_size(step)),
            sigma=float(self.likelihood.sigma(step)),
        )
        return inference(as_float(examples.images[:_INFERRED]))
