"""Persistent Langevin chains: one state for every training example and latent group."""

import tensorflow as tf

from dgn_tf.learning.noise import example_normal


class Chains(tf.Module):
    """The latents of N examples, read and written by example index inside a graph (Algorithm 1).

    Args:
        ids: int64 [N], stable ids of the examples: an example starts from the same latents wherever
            it stands.
        latent_dims: length of each group's latent vector.
        seed: the run's seed. The chains start from N(0, I).
        given: latents [N, d] that some groups have instead, such as labels.
        classes: names of groups that are one-hot: they start from any class.
    """

    def __init__(self, ids, latent_dims, seed, given=None, classes=()):
        super().__init__(name="chains")
        ids, given = tf.convert_to_tensor(ids, tf.int64), given or {}

        def start(name, stream, dim):
            if name in given:
                return tf.cast(given[name], tf.float32)
            z = example_normal(seed, 0, ids, stream, 1, dim)[0]
            return tf.one_hot(tf.argmax(z, axis=1), dim) if name in classes else z

        self.groups = {
            name: tf.Variable(start(name, stream, dim), trainable=False, name=f"chain_{name}")
            for stream, (name, dim) in enumerate(latent_dims.items())
        }

    def read(self, index):
        """Latents of the examples at `index` [B]: [B, d] for each group."""
        return {name: tf.gather(states, index) for name, states in self.groups.items()}

    def write(self, index, latents):
        """Store the latents [B, d] of the examples at `index` [B]."""
        for name, z in latents.items():
            self.groups[name].scatter_update(tf.IndexedSlices(z, index))
