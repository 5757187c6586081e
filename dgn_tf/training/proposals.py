"""Amortized chains: an encoder that learns beside the model proposes where chains go on."""

import keras
import tensorflow as tf

from dgn_tf.inference.energy import energy
from dgn_tf.inference.noise import example_normal, log_uniform
from dgn_tf.inference.starts import first_starts, guess_in_class, guess_of, lowest_start
from dgn_tf.ops.cross_replica import all_reduce_mean, batch_mean, in_replicas
from dgn_tf.training.gradient_step import gradients_of
from dgn_tf.types import LatentModel, Latents, Tensor

# How fast the spread of proposals follows the error of the guess.
_SPREAD_RATE = 0.05


class EncoderProposals:
    """Starts the Langevin steps of a chain from an encoder's guess, where that explains x better.

    The encoder takes one optimizer step at every learning step, on the squared error of its guess
    of the latents that the Langevin steps have found. All chains are thereby drawn to one
    consistent code, and those in a bad mode of the posterior leave it.

    Where there are classes, the encoder has a guess for each of them, and the class of the lowest
    energy is proposed with its guess: a chain that has settled in one class can reach another, for
    which its own geometry would be wrong.

    What is exact: the Langevin steps are those of Eq. 7, wherever a chain goes on, and the networks
    learn from their results as in Eq. 9. What is not: taking the lower of two energies restarts a
    chain instead of accepting a Metropolis proposal, so that the states are no longer samples of
    the posterior, but nearer to its modes. With `metropolis` they are: the proposal is drawn from a
    normal distribution around the guess, as wide as the guess has been wrong lately, and accepted
    as an independence sampler does; a chain keeps its class then. That is exact while encoder and
    width stand still; a chain that has found a good place then takes hardly any proposal.

    Args:
        model: the generator that learns.
        encoder: gives {group: (mean [B, d], None)} of images or clips, of the groups that it
            proposes; [B, k, d], where there are k classes.
        optimizer: of the encoder.
        dreams: whether the encoder also learns from images that the model paints of the last group
            of latents, the geometry, of each example in a batch and the others of its neighbor:
            their latents are known exactly. A replica's neighbors are in its part of the batch.
        metropolis: whether proposals are drawn and accepted, instead of compared.
        seed: keys the draws, with the step and the example's id.
    """

    def __init__(
        self,
        model: LatentModel,
        encoder: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        dreams: bool = False,
        metropolis: bool = False,
        seed: int = 0,
    ):
        self.model, self.encoder, self.optimizer, self.dreams = model, encoder, optimizer, dreams
        self.metropolis, self.seed = metropolis, seed
        # Every replica computes the same values.
        first = tf.VariableAggregation.ONLY_FIRST_REPLICA
        self.spread = {
            name: tf.Variable(
                tf.ones([dim]), trainable=False, name=f"spread_{name}", aggregation=first
            )
            for name, dim in model.latent_dims.items()
            if metropolis
        }
        # Variables must exist before a checkpoint can fill them.
        optimizer.build(encoder.trainable_variables)

    def guess(self, x: Tensor, z: Latents) -> Latents:
        """The encoder's guess [B, d] of the groups that it proposes, in the classes of z."""
        return guess_in_class(self.model, guess_of(self.encoder, x), z)

    def restart(
        self, x: Tensor, z: Latents, sigma: Tensor, moving: dict[str, Tensor], ids: Tensor
    ) -> tuple[Latents, Tensor]:
        """Where the chains go on: where they are, or at what is proposed.

        Args:
            x: images or clips [B, ...] in [-1, 1].
            z: the chains [B, d].
            sigma: standard deviation of a pixel on the [0, 1] scale.
            moving: whether each group moves at this step; one that does not, as during the head
                start, stays where it is.
            ids: int64 [B], the examples' ids, which key the draws.

        Returns:
            Latents [B, d], and the share of the batch that takes the proposal.
        """
        propose = self._drawn if self.metropolis else self._lowest
        proposed, proposed_energy, gain = propose(x, z, sigma, moving, ids)
        # A proposal that is not finite is never taken.
        taken = proposed_energy < energy(self.model, x, z, sigma) + gain
        latents = {name: tf.where(taken[:, None], proposed[name], z[name]) for name in z}
        return latents, tf.reduce_mean(tf.cast(taken, tf.float32))

    def _lowest(
        self, x: Tensor, z: Latents, sigma: Tensor, moving: dict[str, Tensor], _ids: Tensor
    ) -> tuple[Latents, Tensor, Tensor]:
        """The guess, in the class of the lowest energy; its energy [B], and no gain."""
        given = {name: z[name] for name in self.model.given_groups}
        starts = first_starts(self.model, x, given, self.encoder)
        for name, start in starts.items():
            each = tf.shape(start)[0] // tf.shape(x)[0]
            starts[name] = tf.where(moving[name], start, tf.tile(z[name], tf.stack([each, 1])))
        return *lowest_start(self.model, x, starts, sigma), tf.zeros([])

    def _drawn(
        self, x: Tensor, z: Latents, sigma: Tensor, moving: dict[str, Tensor], ids: Tensor
    ) -> tuple[Latents, Tensor, Tensor]:
        """Draws around the guess, their energies [B], and what is added to those of the chains.

        The chains leave the place that they have if the draw's energy is below the sum.
        """
        drawn, gain = dict(z), tf.zeros(tf.shape(ids))
        for stream, (name, guess) in enumerate(self.guess(x, z).items()):
            width = tf.sqrt(self.spread[name])
            draw = guess + width * self._normal(ids, stream, guess.shape[1])
            # log q(z) - log q(draw), of the normal distribution around the guess.
            ratio = _squares((draw - guess) / width) - _squares((z[name] - guess) / width)
            gain += tf.where(moving[name], ratio / 2.0, 0.0)
            drawn[name] = tf.where(moving[name], draw, z[name])
        gain -= log_uniform(self._normal(ids, len(self.spread), 1)[:, 0])
        return drawn, energy(self.model, x, drawn, sigma), gain

    def _normal(self, ids: Tensor, stream: int, dim: int) -> Tensor:
        """Standard normal draws [B, dim], independent of all others of this step."""
        step = tf.cast(self.optimizer.iterations, tf.int64) + 1
        # Langevin noise has a stream for each group, the samples of a discriminator as many more.
        first = 2 * len(self.model.latent_dims)
        return example_normal(self.seed, step, ids, first + stream, 1, dim)[0]

    def learn(self, x: Tensor, z: Latents, restarted: Tensor) -> dict[str, Tensor]:
        """One optimizer step of the encoder; model and latents are fixed.

        Args:
            x: images or clips [B, ...] in [-1, 1].
            z: latents [B, d] that the Langevin steps have found for them.
            restarted: as of `restart`, to be logged.

        Returns:
            Means over the whole batch: `restarted` and `proposal_error`, the mean squared error of
            the guess.
        """
        lessons = [(x, z)]
        if self.dreams:
            *_, kept = z
            mixed = {n: v if n == kept else tf.roll(v, 1, axis=0) for n, v in z.items()}
            lessons.append((tf.stop_gradient(self.model(mixed)), mixed))
        variables = self.encoder.trainable_variables
        with tf.GradientTape() as tape:
            squares = [self._squared_errors(images, latents) for images, latents in lessons]
            errors = [_mean(each) for each in squares]
            loss = tf.add_n(errors)
        weight = tf.cast(tf.shape(x)[0], tf.float32) if in_replicas() else 1.0
        gradients, _ = gradients_of(self.optimizer, tape, loss, variables, weight)
        means = {"restarted": restarted, "proposal_error": errors[0]}
        gradients, means = all_reduce_mean(gradients, means, weight)
        self.optimizer.apply_gradients(zip(gradients, variables, strict=True))
        for name, spread in self.spread.items():
            if name in squares[0]:
                spread.assign(spread + _SPREAD_RATE * (batch_mean(squares[0][name]) - spread))
        return means

    def _squared_errors(self, x: Tensor, z: Latents) -> Latents:
        """Squared errors [B, d] of the guess, of the groups that it knows."""
        return {name: tf.square(mean - z[name]) for name, mean in self.guess(x, z).items()}

    @property
    def state(self) -> dict:
        """What a checkpoint holds of the proposals."""
        spread = {"spread": self.spread} if self.metropolis else {}
        return {"encoder": self.encoder, "encoder_optimizer": self.optimizer, **spread}


def _squares(values: Tensor) -> Tensor:
    """Sums of squares [B] of values [B, d]."""
    return tf.reduce_sum(tf.square(values), axis=1)


def _mean(squares: Latents) -> Tensor:
    """The mean over the groups of the means of each."""
    means = [tf.reduce_mean(each) for each in squares.values()]
    return tf.add_n(means) / len(means)
