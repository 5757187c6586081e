"""Latents of pictures that were not trained on."""

import numpy as np
import tensorflow as tf

from dgn_tf.learning.langevin import energy, langevin
from dgn_tf.learning.noise import example_normal

# Langevin steps unrolled in one graph; between two such graphs the progress is reported.
_CHUNK = 10


class Inference:
    """Langevin inference of latents with the networks fixed (Eq. 7), from several starts.

    The energy of a picture has local minima in the field's latents. Each picture is therefore
    started once from zero and `starts - 1` times from the prior; after a quarter of the steps the
    start with the lowest energy goes on alone.

    Args:
        model: a trained model with `latent_dims`, `part` and `combine`.
        steps: Langevin steps, rounded up to tens (the paper: 300).
        step_size: delta of Eq. 7.
        sigma: standard deviation of a pixel on the [0, 1] scale.
        noise: False descends to a mode of the posterior; True samples from it.
        starts: how many starts, at least 1.
        seed: keys the noise and the starts, with the examples' ids.

    Raises:
        ValueError: steps or starts below 1.
    """

    def __init__(
        self, model, *, steps=300, step_size=0.1, sigma=1.0, noise=False, starts=4, seed=0
    ):
        if steps < 1 or starts < 1:
            raise ValueError(f"steps and starts must be at least 1, got {steps}, {starts}")
        self.model = model
        self.chunks = -(-steps // _CHUNK)
        self.step_size = step_size
        self.sigma = sigma
        self.noise = noise
        self.starts = starts
        self.seed = seed
        self._advance = tf.function(self._chunk, reduce_retracing=True)
        self._energy = tf.function(lambda x, z: energy(model, x, z, sigma), reduce_retracing=True)

    def __call__(self, images, ids=None, batch_size=100, progress=None):
        """Latents of `images` [N, S, S, C] in [-1, 1]: float32 [N, d] for each group.

        Args:
            images: pictures, a NumPy array.
            ids: int64 [N], 0..N-1 by default; a picture's latents depend on its id, not on its
                neighbours.
            batch_size: pictures at a time.
            progress: called with (Langevin steps done, all steps) summed over the batches, or None.

        Raises:
            ValueError: there are no images.
        """
        if len(images) == 0:
            raise ValueError("there are no images to infer latents for")
        ids = np.arange(len(images), dtype=np.int64) if ids is None else np.asarray(ids, np.int64)
        total = -(-len(images) // batch_size) * self.chunks
        results, done = [], 0
        for first in range(0, len(images), batch_size):
            x = tf.constant(images[first : first + batch_size], tf.float32)
            batch_ids = tf.constant(ids[first : first + batch_size])
            candidates = [self._start(batch_ids, start) for start in range(self.starts)]
            selection = max(1, self.chunks // 4)
            for chunk in range(self.chunks):
                step = tf.constant(chunk + 1, tf.int64)
                candidates = [
                    self._advance(x, z, batch_ids, step, tf.constant(self.seed + start, tf.int64))
                    for start, z in enumerate(candidates)
                ]
                if chunk + 1 == selection and self.starts > 1:
                    candidates = [self._lowest(x, candidates)]
                done += 1
                if progress:
                    progress(done * _CHUNK, total * _CHUNK)
            results.append({name: z.numpy() for name, z in self._lowest(x, candidates).items()})
        return {name: np.concatenate([r[name] for r in results]) for name in self.model.latent_dims}

    def _start(self, ids, start):
        dims = self.model.latent_dims
        if start == 0:
            return {name: tf.zeros([len(ids), dim]) for name, dim in dims.items()}
        return {
            name: example_normal(self.seed + start, 0, ids, stream, 1, dim)[0]
            for stream, (name, dim) in enumerate(dims.items())
        }

    def _lowest(self, x, candidates):
        """For each example the candidate with the lowest energy."""
        if len(candidates) == 1:
            return candidates[0]
        energies = tf.stack([self._energy(x, z) for z in candidates])
        # A start that diverged must not win over one that did not.
        best = tf.argmin(tf.where(tf.math.is_nan(energies), np.inf, energies), axis=0)
        rows = tf.stack([best, tf.range(len(x), dtype=tf.int64)], axis=1)
        return {
            name: tf.gather_nd(tf.stack([z[name] for z in candidates]), rows)
            for name in candidates[0]
        }

    def _chunk(self, x, z, ids, step, seed):
        noise = None
        if self.noise:
            noise = {
                name: example_normal(seed, step, ids, stream, _CHUNK, dim)
                for stream, (name, dim) in enumerate(self.model.latent_dims.items())
            }
        return langevin(
            self.model, x, z, steps=_CHUNK, step_size=self.step_size, sigma=self.sigma, noise=noise
        )
