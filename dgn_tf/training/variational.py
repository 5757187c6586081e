"""Variational learning: an encoder infers the latents, and learns with the generator."""

import tensorflow as tf

from dgn_tf.data.examples import as_float
from dgn_tf.inference.encoder import EncoderInference
from dgn_tf.inference.energy import squared_error
from dgn_tf.inference.noise import example_normal
from dgn_tf.training.gradient_step import apply_gradients
from dgn_tf.training.schedules import RunSchedule


def gaussian_divergence(mean, log_variance):
    """KL(N(mean, diag exp(log_variance)) || N(0, I)) of each example [B], of [B, d] both."""
    terms = tf.square(mean) + tf.exp(log_variance) - 1.0 - log_variance
    return tf.reduce_sum(terms, axis=1) / 2.0


class Variational(tf.Module):
    """The evidence lower bound, one optimizer step on generator and encoder at a time.

    The loss is E_q[|x - F(z)|^2] / (2 sigma^2) + kl_weight KL(q(z|x) || N(0, I)) +
    regularization, one sample of q for each example (Kingma and Welling 2014; kl_weight is the beta
    of Higgins et al. 2017). An encoder without variances makes an autoencoder: z is the mean and
    there is no divergence.

    Args:
        model: a Keras model with `latent_dims`, `encode`, `part`, `combine`, `regularization` and
            `diagnostics`.
        optimizer: a Keras optimizer.
        total_steps: learning steps of the whole run, for the schedule.
        sigma: standard deviation of a pixel on the [0, 1] scale, a number or a schedule.
        kl_weight: weight of the divergence.
        scale: tf.Variable that the loop halves to rescue a run; the learning rate should use it.
        seed: keys the samples, with the step and the example's id.

    Raises:
        ValueError: a schedule that cannot be read.
    """

    def __init__(
        self, model, optimizer, *, total_steps, sigma="1.0", kl_weight=1.0, scale=None, seed=0
    ):
        super().__init__(name="variational")
        self.model = model
        self.optimizer = optimizer
        self.scale = tf.Variable(1.0, trainable=False) if scale is None else scale
        self.sigma = RunSchedule(str(sigma), total_steps)
        self.kl_weight = kl_weight
        self.seed = seed
        # Variables must exist before a checkpoint can fill them.
        optimizer.build(model.trainable_variables)

    def step(self, index, ids, x):
        """One learning step.

        Args:
            index: [B], rows of the examples; an encoder keeps nothing by example.
            ids: int64 [B], the examples' ids, which key the samples.
            x: their images [B, ...] in [-1, 1].

        Returns:
            Scalars to log, by name. `finite` is 1 when loss, latents and gradient are all finite,
            else 0.
        """
        del index
        sigma = self.sigma(self.optimizer.iterations)
        variables = self.model.trainable_variables
        with tf.GradientTape() as tape:
            z, divergence = self.sample(x, ids)
            parts = {name: self.model.part(name, latent) for name, latent in z.items()}
            msre = tf.reduce_mean(squared_error(x, self.model.combine(parts)))
            loss = msre / (2.0 * sigma**2) + self.kl_weight * divergence
            loss += self.model.regularization(parts)
        logged = {"msre": msre, "divergence": divergence, **self.model.diagnostics(parts)}
        return apply_gradients(self.optimizer, tape, loss, variables, z, logged)

    def sample(self, x, ids):
        """A sample of q(z|x) for each group [B, d], and the mean divergence from the prior."""
        step = tf.cast(self.optimizer.iterations, tf.int64) + 1
        z, divergence = {}, tf.zeros([])
        for stream, (name, (mean, log_variance)) in enumerate(self.model.encode(x).items()):
            z[name] = mean
            if log_variance is not None:
                dim = self.model.latent_dims[name]
                noise = example_normal(self.seed, step, ids, stream, 1, dim)[0]
                z[name] += tf.exp(log_variance / 2.0) * noise
                divergence += tf.reduce_mean(gaussian_divergence(mean, log_variance))
        return z, divergence

    @property
    def state(self):
        """What a checkpoint holds beside model and optimizer: nothing."""
        return {}

    def latents(self, examples):
        """The encoder's means [N, d] for each group, of all `examples`."""
        return EncoderInference(self.model)(as_float(examples.images))
