"""A learner whose steps several devices share (tf.distribute)."""

from typing import Any

import tensorflow as tf

from dgn_tf.training.alternating import AlternatingBackprop
from dgn_tf.training.devices import Devices
from dgn_tf.types import LatentArrays, Tensor


class Distributed(tf.Module):
    """A learner whose steps all devices of a `Devices` share.

    Args:
        learner: an `AlternatingBackprop`, made in the scope of the strategy; its chains are those
            of this process, and outside of the scope.
        devices: the `Devices`.
    """

    def __init__(self, learner: AlternatingBackprop, devices: Devices):
        super().__init__(name="distributed")
        self.learner = learner
        self.model, self.optimizer = learner.model, learner.optimizer
        self.scale, self.offset = learner.scale, learner.offset
        self.chains = learner.chains
        self._strategy = devices.strategy
        self._local = devices.strategy.num_replicas_in_sync // devices.workers
        self._first = self._local * (devices.shards.first * devices.workers // devices.shards.count)

    def step(self, index: Tensor, ids: Tensor, x: Tensor) -> dict[str, Tensor]:
        """One iteration of Algorithm 1 with the examples of this process.

        Args:
            index: int64 [B], rows of the examples in the data set; B is at least the number of
                devices of this process.
            ids: int64 [B], the examples' ids, which key the noise.
            x: their images [B, ...] in [-1, 1].

        Returns:
            What `AlternatingBackprop.step` returns, for the batch of all processes.
        """
        z = self.chains.read(index)
        shares = self._share(ids), self._share(x), {n: self._share(v) for n, v in z.items()}
        z, metrics = self._strategy.run(self.learner.infer_and_learn, args=shares)
        local = self._strategy.experimental_local_results
        self.chains.write(index, {name: tf.concat(local(value), 0) for name, value in z.items()})
        return {name: local(value)[0] for name, value in metrics.items()}

    def _share(self, values: Tensor) -> Any:
        """The rows of each device, as a value of tf.distribute."""
        rows = tf.shape(values)[0]

        def of(context):
            device = context.replica_id_in_sync_group - self._first
            return values[rows * device // self._local : rows * (device + 1) // self._local]

        return self._strategy.experimental_distribute_values_from_function(of)

    @property
    def state(self) -> dict[str, Any]:
        """What a checkpoint holds beside model and optimizer."""
        return self.learner.state

    def latents(self, examples: Any) -> LatentArrays:
        """The latents [N, d] of each group, of the first N examples of this process."""
        return self.learner.latents(examples)
