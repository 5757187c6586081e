"""Alternating back-propagation: infer the latents, then learn the networks (Algorithm 1)."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from dgn_tf.inference.langevin import langevin
from dgn_tf.inference.noise import example_normal
from dgn_tf.training.chains import Chains
from dgn_tf.training.decorrelation import Decorrelation
from dgn_tf.training.gradient_step import all_finite, apply_gradients
from dgn_tf.training.losses import loss_terms
from dgn_tf.training.proposals import EncoderProposals
from dgn_tf.training.schedules import RunSchedule, no_offset
from dgn_tf.types import LatentArrays, Latents, Tensor, has_geometry


class AlternatingBackprop(tf.Module):
    """Maximum likelihood by Langevin inference and gradient steps in turn (Algorithm 1).

    Args:
        model: the generator, a `LatentModel` and Keras model.
        chains: the `Chains` of the training examples.
        optimizer: a Keras optimizer.
        total_steps: learning steps of the whole run, for the schedules.
        langevin_steps: l, Langevin steps before each learning step.
        step_size: delta, a number or a schedule (`RunSchedule`).
        sigma: standard deviation of a pixel on the [0, 1] scale, a number or a schedule.
        head_start: fraction of the run before the chains of any group but "geometry" move: the
            geometric generator then explains what it can with one mean appearance (section 5.7). In
            a model without that group nothing waits.
        noise: whether the Langevin steps are noisy, as in Eq. 7.
        simultaneous: whether the groups move at once instead of in turn.
        proposals: where chains may go on instead of where they are; None, as in Algorithm 1.
        decorrelation: what takes the dependence between the groups out of the latents found; None,
            as in Algorithm 1.
        scale: tf.Variable that multiplies step_size, 1 by default; the loop halves it to rescue a
            run. A learning rate that should slow down with it uses the same variable.
        offset: int64 tf.Variable that is added to the learning steps for the place in the run, 0 by
            default (`dgn_tf.training.course.Progress`).
        seed: keys the noise, with the step and the example's id.

    Raises:
        ValueError: a schedule cannot be read.
    """

    def __init__(
        self,
        model: Any,
        chains: Chains,
        optimizer: keras.optimizers.Optimizer,
        *,
        total_steps: int,
        langevin_steps: int = 20,
        step_size: float | str = "0.1",
        sigma: float | str = "1.0",
        head_start: float = 0.0,
        noise: bool = True,
        simultaneous: bool = False,
        proposals: EncoderProposals | None = None,
        decorrelation: Decorrelation | None = None,
        scale: tf.Variable | None = None,
        offset: tf.Variable | None = None,
        seed: int = 0,
    ):
        super().__init__(name="alternating")
        self.model = model
        self.chains = chains
        self.optimizer = optimizer
        self.scale = tf.Variable(tf.ones([]), trainable=False) if scale is None else scale
        self.offset = no_offset() if offset is None else offset
        self.langevin_steps = langevin_steps
        self.step_size = RunSchedule(str(step_size), total_steps, self.scale, self.offset)
        self.sigma = RunSchedule(str(sigma), total_steps, offset=self.offset)
        self.head_start = round(head_start * total_steps) if has_geometry(model) else 0
        self.noise = noise
        self.simultaneous = simultaneous
        self.proposals = proposals
        self.decorrelation = decorrelation
        self.seed = seed
        # Variables must exist before a checkpoint can fill them.
        optimizer.build(model.trainable_variables)

    def step(self, index: Tensor, ids: Tensor, x: Tensor) -> dict[str, Tensor]:
        """One iteration of Algorithm 1.

        Args:
            index: int64 [B], rows of the examples in the data set.
            ids: int64 [B], the examples' ids, which key the noise.
            x: their images or clips [B, ...] in [-1, 1].

        Returns:
            Scalars to log, by name. `finite` is 1 when all of them are finite, else 0.
        """
        z = self.chains.read(index)
        z, metrics = self.infer_and_learn(ids, x, z)
        self.chains.write(index, z)
        return metrics

    def infer_and_learn(
        self, ids: Tensor, x: Tensor, z: Latents
    ) -> tuple[Latents, dict[str, Tensor]]:
        """An iteration from latents `z` [B, d] that were read: (new latents, scalars to log).

        Replicas of tf.distribute call it with their parts of a batch.
        """
        sigma = self.sigma(self.optimizer.iterations)
        z, restarted = self.restart(x, z, ids, sigma)
        z = self.decorrelate(self.infer(x, z, ids, sigma))
        metrics = self.learn(x, z, sigma)
        return z, self.learn_proposals(x, z, restarted, metrics)

    def restart(self, x: Tensor, z: Latents, ids: Tensor, sigma: Tensor) -> tuple[Latents, Tensor]:
        """Where the chains go on, and the share of them that leaves where it was."""
        if self.proposals is None:
            return z, tf.zeros([])
        begun = self.begun()
        moving = {name: begun | (name == "geometry") for name in z}
        return self.proposals.restart(x, z, sigma, moving, ids)

    def learn_proposals(
        self, x: Tensor, z: Latents, restarted: Tensor, metrics: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """The metrics with those of the proposals, which have learned from the latents found."""
        if self.proposals is None:
            return metrics
        learned = self.proposals.learn(x, z, restarted)
        return metrics | learned | {"finite": metrics["finite"] * all_finite(learned)}

    def infer(self, x: Tensor, z: Latents, ids: Tensor, sigma: Tensor) -> Latents:
        """The Langevin steps of one iteration; the networks are fixed (Eq. 7)."""
        return langevin(
            self.model,
            x,
            z,
            steps=self.langevin_steps,
            step_size=self.step_sizes(),
            sigma=sigma,
            noise=self.langevin_noise(ids) if self.noise else None,
            simultaneous=self.simultaneous,
            fixed=self.model.given_groups,
        )

    def decorrelate(self, z: Latents) -> Latents:
        """The latents found, with less of geometry in those of appearance, once these move."""
        if self.decorrelation is None:
            return z
        moved = self.decorrelation(z)
        return {name: tf.where(self.begun(), moved[name], value) for name, value in z.items()}

    def learn(self, x: Tensor, z: Latents, sigma: Tensor) -> dict[str, Tensor]:
        """One optimizer step on the networks; the latents are fixed (Eq. 9)."""
        with tf.GradientTape() as tape:
            terms, parts = loss_terms(self.model, x, z, sigma)
            loss = terms.total
        logged = {"msre": terms.msre, **self.model.diagnostics(parts)}
        variables = self.model.trainable_variables
        return apply_gradients(self.optimizer, tape, loss, variables, z, logged)

    def step_sizes(self) -> dict[str, Tensor]:
        """Step size delta of every group at this step: one for all once the head start is over."""
        delta = self.step_size(self.optimizer.iterations)
        begun = tf.cast(self.begun(), tf.float32)
        groups = self.model.latent_dims
        return {name: delta if name == "geometry" else begun * delta for name in groups}

    def begun(self) -> Tensor:
        """Whether the head start is over."""
        return self.place() >= self.head_start

    def place(self) -> Tensor:
        """How far the run has come, int64, in batches of the size that they have now."""
        return tf.cast(self.optimizer.iterations, tf.int64) + self.offset

    def langevin_noise(self, ids: Tensor) -> Latents:
        """Standard normal noise [langevin_steps, B, d] of every group at this step."""
        # Step 0 is the chains' start, so that learning steps count from 1.
        step = tf.cast(self.optimizer.iterations, tf.int64) + 1
        return {
            name: example_normal(self.seed, step, ids, stream, self.langevin_steps, dim)
            for stream, (name, dim) in enumerate(self.model.latent_dims.items())
        }

    @property
    def state(self) -> dict[str, Any]:
        """What a checkpoint holds beside model and optimizer."""
        state: dict[str, Any] = {"chains": self.chains}
        if self.proposals is not None:
            state |= self.proposals.state
        if self.decorrelation is not None:
            state["decorrelation"] = self.decorrelation
        return state

    def latents(self, examples: Any) -> LatentArrays:
        """The chains' states [N, d] of each group, of `examples`, or of the first N there are."""
        count = min(len(examples), len(self.chains.ids))
        rows = self.chains.first + np.arange(count)
        return {name: z.numpy() for name, z in self.chains.read(rows).items()}
