"""Variational learning: an encoder infers the latents, and learns with the generator."""

from typing import Any

import keras
import tensorflow as tf

from dgn_tf.data.examples import as_float
from dgn_tf.inference.encoder import EncoderInference
from dgn_tf.inference.noise import example_normal
from dgn_tf.training.gradient_step import apply_gradients
from dgn_tf.training.losses import gaussian_divergence, loss_terms
from dgn_tf.training.schedules import RunSchedule, no_offset
from dgn_tf.types import LatentArrays, Latents, Tensor


class Variational(tf.Module):
    """The evidence lower bound, one optimizer step on generator and encoder at a time.

    The loss is E_q[|x - F(z)|^2] / (2 sigma^2) + kl_weight KL(q(z|x) || N(0, I)) +
    regularization, one sample of q for each example (Kingma and Welling 2014; kl_weight is the beta
    of Higgins et al. 2017). An encoder without variances makes an autoencoder: z is the mean and
    there is no divergence.

    Args:
        model: the generator with its encoder, an `EncodedModel` and Keras model.
        optimizer: a Keras optimizer.
        total_steps: learning steps of the whole run, for the schedule.
        sigma: standard deviation of a pixel on the [0, 1] scale, a number or a schedule.
        kl_weight: weight of the divergence.
        scale: tf.Variable that the loop halves to rescue a run; the learning rate should use it.
        offset: int64 tf.Variable that is added to the learning steps for the place in the run, 0 by
            default (`dgn_tf.training.course.Progress`).
        seed: keys the samples, with the step and the example's id.

    Raises:
        ValueError: a schedule cannot be read.
    """

    def __init__(
        self,
        model: Any,
        optimizer: keras.optimizers.Optimizer,
        *,
        total_steps: int,
        sigma: float | str = "1.0",
        kl_weight: float = 1.0,
        scale: tf.Variable | None = None,
        offset: tf.Variable | None = None,
        seed: int = 0,
    ):
        super().__init__(name="variational")
        self.model = model
        self.optimizer = optimizer
        self.scale = tf.Variable(tf.ones([]), trainable=False) if scale is None else scale
        self.offset = no_offset() if offset is None else offset
        self.sigma = RunSchedule(str(sigma), total_steps, offset=self.offset)
        self.kl_weight = kl_weight
        self.seed = seed
        # Variables must exist before a checkpoint can fill them.
        optimizer.build(model.trainable_variables)

    def step(self, index: Tensor, ids: Tensor, x: Tensor) -> dict[str, Tensor]:
        """One learning step.

        Args:
            index: int64 [B], rows of the examples; an encoder keeps nothing for each example.
            ids: int64 [B], the examples' ids, which key the samples.
            x: their images [B, ...] in [-1, 1].

        Returns:
            Scalars to log, by name. `finite` is 1 when all of them are finite, else 0.
        """
        del index
        sigma = self.sigma(self.optimizer.iterations)
        with tf.GradientTape() as tape:
            z, divergence = self.sample(x, ids)
            terms, parts = loss_terms(self.model, x, z, sigma)
            loss = terms._replace(divergence=self.kl_weight * divergence).total
        logged = {"msre": terms.msre, "divergence": divergence, **self.model.diagnostics(parts)}
        variables = self.model.trainable_variables
        return apply_gradients(self.optimizer, tape, loss, variables, z, logged)

    def sample(self, x: Tensor, ids: Tensor) -> tuple[Latents, Tensor]:
        """A sample of q(z|x) [B, d] of each group, and the mean divergence from the prior."""
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
    def state(self) -> dict[str, Any]:
        """What a checkpoint holds beside model and optimizer: nothing."""
        return {}

    def latents(self, examples: Any) -> LatentArrays:
        """The encoder's means [N, d] of each group, of all `examples`."""
        return EncoderInference(self.model)(as_float(examples.images))
