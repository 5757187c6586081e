"""Adversarial alternating back-propagation (Eq. 22), and learning by the discriminator alone."""

import tensorflow as tf

from dgn_tf.data.examples import as_float
from dgn_tf.inference.noise import example_normal
from dgn_tf.inference.posterior import Inference
from dgn_tf.training.gradient_step import apply_gradients, gradients_of

# Sheets need latents; without the likelihood no chain knows them, and so many are inferred anew.
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
        r1_every: add R1 at every so-manyth step only, so many times as strong.
        warmup: learning steps in which the discriminator learns and the generators do not hear it.
    """

    def __init__(
        self,
        likelihood,
        discriminator,
        optimizer,
        *,
        likelihood_weight=0.001,
        r1_weight=10.0,
        r1_every=1,
        warmup=0,
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
        self.scale = likelihood.scale
        self.chains = likelihood.chains
        optimizer.build(discriminator.trainable_variables)

    def step(self, index, ids, x):
        """One learning step.

        Args:
            index: [B], rows of the examples in the chains.
            ids: int64 [B], the examples' ids, which key the noise.
            x: their images [B, ...] in [-1, 1].

        Returns:
            Scalars to log, by name. `finite` is 1 when losses, latents and gradients are all
            finite, else 0.
        """
        sigma = self.likelihood.sigma(self.optimizer.iterations)
        z = self.chains.read(index)
        if self.likelihood_weight:
            z = self.likelihood.infer(x, z, ids, sigma)
        prior = self.prior(ids)
        judged = self.judge(x, tf.stop_gradient(self.model(prior)))
        metrics = self.learn(x, z, prior, sigma) | judged
        judgement = judged["discriminator_loss"] + judged["r1"]
        metrics["finite"] *= tf.cast(tf.math.is_finite(judgement), tf.float32)
        if self.likelihood_weight:
            self.chains.write(index, z)
        return metrics

    def prior(self, ids):
        """Draws of N(0, I) for each group, [B, d], other ones than the Langevin noise."""
        step = tf.cast(self.optimizer.iterations, tf.int64) + 1
        dims = self.model.latent_dims
        return {
            name: example_normal(self.likelihood.seed, step, ids, len(dims) + stream, 1, dim)[0]
            for stream, (name, dim) in enumerate(dims.items())
        }

    def judge(self, x, made):
        """One step on the discriminator, with images x of the data and images that were made.

        Returns:
            `discriminator_loss` without R1, `r1` (|grad_x D(x)|^2, the mean over the images; 0
            at a step that leaves it out) and `accuracy`, the share of images it tells right.
        """
        variables = self.discriminator.trainable_variables
        due = self.discriminator_optimizer.iterations % self.r1_every == 0
        with tf.GradientTape() as tape:
            real, fake = self.discriminator(x), self.discriminator(made)
            loss = tf.reduce_mean(tf.nn.softplus(-real)) + tf.reduce_mean(tf.nn.softplus(fake))
            penalty = tf.cond(due, lambda: self.r1(x), lambda: 0.0)
            total = loss + self.r1_every * self.r1_weight / 2.0 * penalty
        gradients, _ = gradients_of(self.discriminator_optimizer, tape, total, variables)
        self.discriminator_optimizer.apply_gradients(zip(gradients, variables, strict=True))
        right = tf.concat([real > 0.0, fake < 0.0], axis=0)
        accuracy = tf.reduce_mean(tf.cast(right, tf.float32))
        return {"discriminator_loss": loss, "r1": penalty, "accuracy": accuracy}

    def r1(self, x):
        """|grad_x D(x)|^2, the mean over images x, on the scale of the model's values."""
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(self.discriminator(x))
        slopes = tape.gradient(total, x)
        return tf.reduce_sum(tf.square(slopes)) / tf.cast(tf.shape(x)[0], tf.float32)

    def learn(self, x, z, prior, sigma):
        """One step on the generators; latents and discriminator are fixed."""
        heard = tf.cast(tf.cast(self.optimizer.iterations, tf.int64) >= self.warmup, tf.float32)
        with tf.GradientTape() as tape:
            parts = {name: self.model.part(name, latent) for name, latent in prior.items()}
            fooled = tf.reduce_mean(tf.nn.softplus(-self.discriminator(self.model.combine(parts))))
            loss = heard * fooled
            logged = {"generator_loss": fooled}
            if self.likelihood_weight:
                misfit, logged["msre"], parts = self.likelihood.misfit(x, z, sigma)
                loss += self.likelihood_weight * misfit
            else:
                loss += self.model.regularization(parts)
        logged |= self.model.diagnostics(parts)
        variables = self.model.trainable_variables
        return apply_gradients(self.optimizer, tape, loss, variables, z, logged)

    @property
    def state(self):
        """What a checkpoint holds beside model and optimizer."""
        return {
            "chains": self.chains,
            "discriminator": self.discriminator,
            "discriminator_optimizer": self.discriminator_optimizer,
        }

    def latents(self, examples):
        """Latents [N, d] for each group: the chains', or, without a likelihood, inferred for a few.

        Then N is 64 at most, of the first examples.
        """
        if self.likelihood_weight:
            return self.likelihood.latents(examples)
        step, first = self.optimizer.iterations, examples.images[:_INFERRED]
        step_size, sigma = (
            float(schedule(step)) for schedule in (self.likelihood.step_size, self.likelihood.sigma)
        )
        inference = Inference(self.model, steps=100, step_size=step_size, sigma=sigma)
        return inference(as_float(first))
