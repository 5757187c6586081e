"""Alternating back-propagation: infer the latents, then learn the networks (Algorithm 1)."""

import numpy as np
import tensorflow as tf

from dgn_tf.inference.energy import squared_error
from dgn_tf.inference.langevin import langevin
from dgn_tf.inference.noise import example_normal
from dgn_tf.training.gradient_step import apply_gradients
from dgn_tf.training.schedules import RunSchedule


class AlternatingBackprop(tf.Module):
    """Maximum likelihood by Langevin inference and gradient steps in turn (Algorithm 1).

    Args:
        model: a Keras model with `latent_dims`, `part`, `combine`, `regularization` and
            `diagnostics`.
        chains: the `Chains` of the training examples.
        optimizer: a Keras optimizer.
        total_steps: learning steps of the whole run, for the schedules.
        langevin_steps: l, Langevin steps before each learning step.
        step_size: delta, a number or a schedule (`parse_schedule`).
        sigma: standard deviation of a pixel on the [0, 1] scale, a number or a schedule.
        head_start: fraction of the run before the chains of any group but "geometry" move: the
            geometric generator then explains what it can with one mean appearance (section 5.7). In
            a model without that group nothing waits.
        noise: whether the Langevin steps are noisy, as Eq. 7.
        simultaneous: whether the groups move at once instead of in turn.
        scale: tf.Variable that multiplies step_size, 1 by default; the loop halves it to rescue a
            run. A learning rate that should slow down with it uses the same variable.
        seed: keys the noise, with the step and the example's id.

    Raises:
        ValueError: a schedule that cannot be read.
    """

    def __init__(
        self,
        model,
        chains,
        optimizer,
        *,
        total_steps,
        langevin_steps=20,
        step_size="0.1",
        sigma="1.0",
        head_start=0.0,
        noise=True,
        simultaneous=False,
        scale=None,
        seed=0,
    ):
        super().__init__(name="alternating")
        self.model = model
        self.chains = chains
        self.optimizer = optimizer
        self.scale = tf.Variable(1.0, trainable=False) if scale is None else scale
        self.langevin_steps = langevin_steps
        self.step_size = RunSchedule(str(step_size), total_steps, self.scale)
        self.sigma = RunSchedule(str(sigma), total_steps)
        self.head_start = round(head_start * total_steps) if "geometry" in model.latent_dims else 0
        self.noise = noise
        self.simultaneous = simultaneous
        self.seed = seed
        # Variables must exist before a checkpoint can fill them.
        optimizer.build(model.trainable_variables)

    def step(self, index, ids, x):
        """One iteration of Algorithm 1.

        Args:
            index: [B], rows of the examples in the chains.
            ids: int64 [B], the examples' ids, which key the noise.
            x: their images [B, ...] in [-1, 1].

        Returns:
            Scalars to log, by name. `finite` is 1 when loss, latents and gradient are all finite,
            else 0.
        """
        z, metrics = self.advance(ids, x, self.chains.read(index))
        self.chains.write(index, z)
        return metrics

    def advance(self, ids, x, z):
        """(Latents after the Langevin steps from `z`, scalars to log); the networks have learned.

        Replicas of tf.distribute may call this with parts of a batch.
        """
        sigma = self.sigma(self.optimizer.iterations)
        z = self.infer(x, z, ids, sigma)
        return z, self.learn(x, z, sigma)

    def infer(self, x, z, ids, sigma):
        """The Langevin steps of one iteration; the networks are fixed (Eq. 7)."""
        noise = None
        if self.noise:
            # Step 0 is the chains' start, so that learning steps count from 1.
            step = tf.cast(self.optimizer.iterations, tf.int64) + 1
            noise = {
                name: example_normal(self.seed, step, ids, stream, self.langevin_steps, dim)
                for stream, (name, dim) in enumerate(self.model.latent_dims.items())
            }
        return langevin(
            self.model,
            x,
            z,
            steps=self.langevin_steps,
            step_size=self.step_sizes(),
            sigma=sigma,
            noise=noise,
            simultaneous=self.simultaneous,
            held=self.model.given_groups,
        )

    def step_sizes(self):
        """Step size delta of every group at this step: one for all once the head start is over."""
        delta = self.step_size(self.optimizer.iterations)
        begun = tf.cast(tf.cast(self.optimizer.iterations, tf.int64) >= self.head_start, tf.float32)
        groups = self.model.latent_dims
        return {name: delta if name == "geometry" else begun * delta for name in groups}

    def learn(self, x, z, sigma):
        """One optimizer step on the networks; the latents are fixed (Eq. 9)."""
        variables = self.model.trainable_variables
        with tf.GradientTape() as tape:
            loss, msre, parts = self.misfit(x, z, sigma)
        logged = {"msre": msre, **self.model.diagnostics(parts)}
        return apply_gradients(self.optimizer, tape, loss, variables, z, logged)

    def misfit(self, x, z, sigma):
        """-log p(x | z) up to a constant, with the penalties (Eq. 8); its MSRE; and the parts."""
        parts = {name: self.model.part(name, latent) for name, latent in z.items()}
        msre = tf.reduce_mean(squared_error(x, self.model.combine(parts)))
        return msre / (2.0 * sigma**2) + self.model.regularization(parts), msre, parts

    @property
    def state(self):
        """What a checkpoint holds beside model and optimizer."""
        return {"chains": self.chains}

    def latents(self, examples):
        """The chains' states [N, d] for each group, of `examples`, or of the first N there are."""
        count = min(len(examples), len(self.chains.ids))
        rows = self.chains.first + np.arange(count)
        return {name: z.numpy() for name, z in self.chains.read(rows).items()}
