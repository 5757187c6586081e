"""What inference repeats: ten Langevin steps, and the choice among several starts.

`posterior.Inference` repeats it in Python, and reports its progress; `graph.infer_in_graph` repeats
it inside a graph that is served.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from dgn_tf.inference.energy import energy
from dgn_tf.inference.langevin import langevin_loop
from dgn_tf.inference.noise import example_normal
from dgn_tf.inference.starts import lowest_rows
from dgn_tf.types import LatentModel, Latents, Tensor, one_hot_groups

# Langevin steps in one graph; between two such graphs steps are taken back.
STEPS = 10
# Of a descent, within ten steps: 20 steps with it come as far as 100 without.
MOMENTUM = 0.7


class Execution(NamedTuple):
    """How Langevin steps are computed.

    Attributes:
        langevin: makes several steps, as `langevin_loop` does.
        normal: draws their noise (`example_normal`).
    """

    langevin: Callable[..., Latents]
    normal: Callable[..., Tensor]


# In this process: noise compiled by XLA. Ten steps unrolled would take seconds longer to trace.
COMPILED = Execution(functools.partial(langevin_loop, together=2), example_normal)
# In graphs that leave this process, where XLA may be missing and size counts.
PORTABLE = Execution(langevin_loop, example_normal.python_function)


class Dynamics:
    """Langevin dynamics with the networks fixed (Eq. 7), ten steps at a time.

    Its methods take images x [B, S, S, C] or clips in [-1, 1], latents z [B, d] of each group,
    the examples' ids int64 [B], `chunk`, an int64 scalar: which ten steps these are, counted from
    1, and `scale` [B, 1]: what each example's step size is multiplied by, ones at first.

    Args:
        model: a trained model. One-hot groups stay as they are.
        step_size: delta of Eq. 7, a number or a scalar tensor.
        sigma: standard deviation of a pixel on the [0, 1] scale, a number or a scalar tensor.
        seed: keys the noise, with the ids and the chunk; an int or an int64 scalar.
        execution: how the steps are computed.
    """

    def __init__(
        self,
        model: LatentModel,
        *,
        step_size: Tensor,
        sigma: Tensor,
        seed: Tensor,
        execution: Execution = COMPILED,
    ):
        self.model = model
        self.step_size = step_size
        self.sigma = sigma
        self.seed = seed
        self.execution = execution
        self._fixed = one_hot_groups(model)
        # Rewriting the code for graphs, which needs none of it, would take as long as tracing it.
        options = {"reduce_retracing": True, "autograph": False}
        self._steps = tf.function(self._descending_langevin, **options)
        self._noisy_steps = tf.function(self._noisy_langevin, **options)
        self._energy = tf.function(lambda x, z: energy(model, x, z, sigma), **options)

    def sample(
        self, x: Tensor, z: Latents, ids: Tensor, chunk: Tensor, scale: Tensor
    ) -> tuple[Latents, Tensor]:
        """(Latents, scale) after ten steps with noise, which sample from the posterior."""
        return self._noisy_steps(x, z, ids, chunk, scale, tf.ones([])), scale

    def descend(
        self, x: Tensor, z: Latents, ids: Tensor, chunk: Tensor, scale: Tensor
    ) -> tuple[Latents, Tensor]:
        """(Latents, scale) after ten steps without noise, which descend to a mode with momentum.

        They are taken back for examples whose energy they raise.
        """
        del ids, chunk
        return self._lower(x, z, self._steps(x, z, scale), scale)

    def sample_or_descend(
        self, sampling: Tensor, x: Tensor, z: Latents, ids: Tensor, chunk: Tensor, scale: Tensor
    ) -> tuple[Latents, Tensor]:
        """`sample` where `sampling`, a boolean scalar, is true, else `descend`.

        The graph has the steps once for both.
        """
        moved = self._noisy_steps(x, z, ids, chunk, scale, tf.cast(sampling, tf.float32))
        lower, adapted = self._lower(x, z, moved, scale)
        z = {name: tf.where(sampling, moved[name], lower[name]) for name in z}
        return z, tf.where(sampling, scale, adapted)

    def lowest(self, x: Tensor, z: Latents, scale: Tensor, count: Tensor) -> tuple[Latents, Tensor]:
        """Latents [count, d] and scale [count, 1] of the start of the lowest energy of each image.

        Args:
            x: the images, once for each start: [starts * count, S, S, C].
            z: latents [starts * count, d] of each group.
            scale: [starts * count, 1].
            count: how many images they are, an int or an int32 scalar.
        """
        rows = lowest_rows(self._energy(x, z), count)
        return {name: tf.gather(value, rows) for name, value in z.items()}, tf.gather(scale, rows)

    def _descending_langevin(self, x: Tensor, z: Latents, scale: Tensor) -> Latents:
        return self._langevin(x, z, scale, None, MOMENTUM)

    def _langevin(
        self, x: Tensor, z: Latents, scale: Tensor, noise: Latents | None, momentum: Tensor
    ) -> Latents:
        return self.execution.langevin(
            self.model,
            x,
            z,
            steps=STEPS,
            step_size=self.step_size * scale,
            sigma=self.sigma,
            noise=noise,
            fixed=self._fixed,
            momentum=momentum,
        )

    def _noisy_langevin(
        self, x: Tensor, z: Latents, ids: Tensor, chunk: Tensor, scale: Tensor, strength: Tensor
    ) -> Latents:
        noise = {
            name: strength * self.execution.normal(self.seed, chunk, ids, stream, STEPS, dim)
            for stream, (name, dim) in enumerate(self.model.latent_dims.items())
        }
        return self._langevin(x, z, scale, noise, MOMENTUM * (1.0 - strength))

    def _lower(
        self, x: Tensor, z: Latents, moved: Latents, scale: Tensor
    ) -> tuple[Latents, Tensor]:
        """`moved` where it has the lower energy, else `z`; a step size that failed is halved."""
        better = (self._energy(x, moved) <= self._energy(x, z))[:, None]
        kept = {name: tf.where(better, moved[name], z[name]) for name in z}
        return kept, tf.where(better, 1.2 * scale, 0.5 * scale)
