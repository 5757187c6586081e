"""Amortized chains: an encoder that learns beside the model proposes where chains go on."""

import keras
import tensorflow as tf

from dgn_tf.inference.energy import energy
from dgn_tf.ops.cross_replica import all_reduce_mean, in_replicas
from dgn_tf.training.gradient_step import gradients_of
from dgn_tf.types import LatentModel, Latents, Tensor


class EncoderProposals:
    """Starts the Langevin steps of a chain from an encoder's guess, where that explains x better.

    The encoder takes one optimizer step at every learning step, on the squared error of its guess
    of the latents that the Langevin steps have found. All chains are thereby drawn to one
    consistent code, and those in a bad mode of the posterior leave it.

    What is exact: the Langevin steps are those of Eq. 7, wherever a chain goes on, and the networks
    learn from their results as in Eq. 9. What is not: taking the lower of two energies restarts a
    chain instead of accepting a Metropolis proposal, so that the states are no longer samples of
    the posterior, but nearer to its modes.

    Args:
        model: the generator that learns.
        encoder: gives {group: (mean [B, d], None)} of images, of the groups that it proposes.
        optimizer: of the encoder.
        dreams: whether the encoder also learns from images that the model paints of the geometry of
            each example in a batch and the other latents of its neighbor: their latents are known
            exactly.
    """

    def __init__(
        self,
        model: LatentModel,
        encoder: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        dreams: bool = False,
    ):
        self.model, self.encoder, self.optimizer, self.dreams = model, encoder, optimizer, dreams
        # Variables must exist before a checkpoint can fill them.
        optimizer.build(encoder.trainable_variables)

    def guess(self, x: Tensor) -> Latents:
        """The encoder's guess [B, d] of the groups that it proposes, of images x in [-1, 1]."""
        return {name: mean for name, (mean, _) in self.encoder(x).items()}

    def restart(
        self, x: Tensor, z: Latents, sigma: Tensor, moving: dict[str, Tensor]
    ) -> tuple[Latents, Tensor]:
        """Where the chains go on: where they are or at the guess, whichever has the lower energy.

        Args:
            x: images [B, ...] in [-1, 1].
            z: the chains [B, d].
            sigma: standard deviation of a pixel on the [0, 1] scale.
            moving: whether each group moves at this step; one that does not, as during the head
                start, stays where it is.

        Returns:
            Latents [B, d], and the share of the batch that takes the guess.
        """
        proposed = dict(z)
        for name, guess in self.guess(x).items():
            proposed[name] = tf.where(moving[name], guess, z[name])
        # A guess that is not finite is never taken.
        lower = energy(self.model, x, proposed, sigma) < energy(self.model, x, z, sigma)
        latents = {name: tf.where(lower[:, None], proposed[name], z[name]) for name in z}
        return latents, tf.reduce_mean(tf.cast(lower, tf.float32))

    def learn(self, x: Tensor, z: Latents, restarted: Tensor) -> dict[str, Tensor]:
        """One optimizer step of the encoder; model and latents are fixed.

        Args:
            x: images [B, ...] in [-1, 1].
            z: latents [B, d] that the Langevin steps have found for them.
            restarted: as of `restart`, to be logged.

        Returns:
            Means over the whole batch: `restarted` and `proposal_error`, the mean squared error of
            the guess.
        """
        lessons = [(x, z)]
        if self.dreams:
            mixed = {n: v if n == "geometry" else tf.roll(v, 1, axis=0) for n, v in z.items()}
            lessons.append((tf.stop_gradient(self.model(mixed)), mixed))
        variables = self.encoder.trainable_variables
        with tf.GradientTape() as tape:
            errors = [self._error(images, latents) for images, latents in lessons]
            loss = tf.add_n(errors)
        weight = tf.cast(tf.shape(x)[0], tf.float32) if in_replicas() else 1.0
        gradients, _ = gradients_of(self.optimizer, tape, loss, variables, weight)
        means = {"restarted": restarted, "proposal_error": errors[0]}
        gradients, means = all_reduce_mean(gradients, means, weight)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return means

    def _error(self, x: Tensor, z: Latents) -> Tensor:
        """Mean squared error of the guess, the mean over its groups."""
        away = [tf.reduce_mean(tf.square(mean - z[n])) for n, mean in self.guess(x).items()]
        return tf.add_n(away) / len(away)

    @property
    def state(self) -> dict:
        """What a checkpoint holds of the proposals."""
        return {"encoder": self.encoder, "encoder_optimizer": self.optimizer}
