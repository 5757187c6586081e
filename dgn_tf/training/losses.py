"""The loss of a learning step, term by term (Eq. 8 and 9).

What a model adds to it, its penalties on parts, is `LatentModel.regularization`.
"""

from typing import NamedTuple

import tensorflow as tf

from dgn_tf.inference.energy import squared_error
from dgn_tf.types import LatentModel, Latents, Parts, Tensor


class LossTerms(NamedTuple):
    """The loss of a learning step, term by term: scalars, means over the batch.

    Attributes:
        msre: |x - F(z)|^2 on the [0, 1] scale, which is logged; not a term of the loss.
        negative_log_likelihood: -log p(x | z) up to a constant, msre / (2 sigma^2) (Eq. 8).
        regularization: the model's penalties.
        divergence: of an encoder's posterior from the prior, weighted; 0 without an encoder.
    """

    msre: Tensor
    negative_log_likelihood: Tensor
    regularization: Tensor
    divergence: Tensor = 0.0

    @property
    def total(self) -> Tensor:
        """The loss whose gradient is descended (Eq. 9)."""
        return self.negative_log_likelihood + self.divergence + self.regularization


def loss_terms(
    model: LatentModel, x: Tensor, latents: Latents, sigma: Tensor
) -> tuple[LossTerms, Parts]:
    """The terms of the loss of images x given their latents, and the parts they were made of.

    Args:
        model: the generator.
        x: images or clips [B, ...] in [-1, 1].
        latents: [B, d] of each group.
        sigma: standard deviation of a pixel on the [0, 1] scale.
    """
    parts = {name: model.part(name, z) for name, z in latents.items()}
    msre = tf.reduce_mean(squared_error(x, model.combine(parts)))
    return LossTerms(msre, msre / (2.0 * sigma**2), model.regularization(parts)), parts


def gaussian_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, diag exp(log_variance)) || N(0, I)) of each example [B], of [B, d] both."""
    terms = tf.square(mean) + tf.exp(log_variance) - 1.0 - log_variance
    return tf.reduce_sum(terms, axis=1) / 2.0
