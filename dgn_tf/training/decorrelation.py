"""Appearance that says nothing of geometry: the dependence between the groups is taken out."""

import tensorflow as tf

from dgn_tf.ops.cross_replica import batch_count, batch_mean
from dgn_tf.types import LatentModel, Latents, Tensor

# The moments are means over about so many of the latest examples.
_WINDOW = 2000
# Added to the variances of z_g, which may have none at first.
_LEAST_VARIANCE = 0.01


class Decorrelation(tf.Module):
    """Takes out of z_a a share of what z_g tells of it by least squares.

    Both are independent in the prior of the model, and nothing in Algorithm 1 keeps them so in the
    posterior of a whole data set: where geometry is learned late, appearance has painted the poses
    by then. Moving z_a by -share (z_g - mean) W after the Langevin steps leaves the networks to
    explain with z_g what both explained before. W and the means come from moments of the latents
    that run along with the learning. The moved latents are no samples of the posterior: the next
    Langevin steps are drawn back to it.

    Args:
        model: with the groups "appearance" and "geometry", both continuous.
        share: of the dependence, in [0, 1], that each step takes out.
    """

    def __init__(self, model: LatentModel, share: float):
        super().__init__(name="decorrelation")
        self.share = share
        dims = model.latent_dims
        appearance, geometry = dims["appearance"], dims["geometry"]

        def moment(start: Tensor, name: str) -> tf.Variable:
            # Every replica computes the same value.
            first = tf.VariableAggregation.ONLY_FIRST_REPLICA
            return tf.Variable(start, trainable=False, name=name, aggregation=first)

        self.mean_appearance = moment(tf.zeros([appearance]), "mean_appearance")
        self.mean_geometry = moment(tf.zeros([geometry]), "mean_geometry")
        self.variance = moment(tf.eye(geometry), "variance")
        self.covariance = moment(tf.zeros([geometry, appearance]), "covariance")

    def __call__(self, z: Latents) -> Latents:
        """The latents [B, d] of each group, with those of appearance moved."""
        appearance, geometry = z["appearance"], z["geometry"]
        rate = tf.minimum(1.0, batch_count(geometry) / _WINDOW)
        mean_appearance = _toward(self.mean_appearance, batch_mean(appearance), rate)
        mean_geometry = _toward(self.mean_geometry, batch_mean(geometry), rate)
        away, other = geometry - mean_geometry, appearance - mean_appearance
        variance = _toward(self.variance, batch_mean(away[:, :, None] * away[:, None]), rate)
        covariance = _toward(self.covariance, batch_mean(away[:, :, None] * other[:, None]), rate)
        least = _LEAST_VARIANCE * tf.eye(variance.shape[0])
        explained = tf.linalg.cholesky_solve(tf.linalg.cholesky(variance + least), covariance)
        return {**z, "appearance": appearance - self.share * tf.matmul(away, explained)}


def _toward(variable: tf.Variable, value: Tensor, rate: Tensor) -> Tensor:
    """The running mean after it has taken in a value."""
    mean = variable + rate * (value - variable)
    variable.assign(mean)
    return mean
