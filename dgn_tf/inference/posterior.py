"""Latents of images that were not trained on."""

import numpy as np
import tensorflow as tf

from dgn_tf.config import MAX_STARTS
from dgn_tf.inference.energy import energy
from dgn_tf.inference.langevin import langevin
from dgn_tf.inference.noise import example_normal
from dgn_tf.types import ClipModel, one_hot_groups

# Prior samples among which starts are looked for, and so the most starts; the side at which
# images are compared.
_COMPARED_SIDE = 32
# More than any energy: samples of another class are no starts.
_OTHER_CLASS = 1e9
# Langevin steps unrolled in one graph; between two such graphs the progress is reported.
_CHUNK = 10


class Inference:
    """Langevin inference of latents with the networks fixed (Eq. 7), from several starts.

    The energy of an image has local minima in the field's latents. Each image is therefore
    started from zero and from the `starts - 1` best of 1,024 prior samples; after a quarter of the
    steps the start with the lowest energy goes on alone. Without noise the steps are a descent:
    ten steps that raise the energy of an example are taken back, and its step size is halved; ten
    that lower it let its step size grow by a fifth.

    A model with classes (`class_groups`) is started from zero in every class, instead of once, and
    a start stays in its class: the posterior of the classes is found by trying them all.

    A clip starts from what suits its first frame, as above; the noises of all others are zero.

    Args:
        model: a trained model with `latent_dims`, `part` and `combine`; one of clips has
            `frame_dims` too, the latent dimensions of its first frame.
        steps: Langevin steps, rounded up to tens (the paper: 300).
        step_size: delta of Eq. 7.
        sigma: standard deviation of a pixel on the [0, 1] scale.
        noise: False descends to a mode of the posterior; True samples from it. In a graph, also a
            boolean tensor.
        starts: how many starts, 1 to 1,024.
        seed: keys the noise, with the examples' ids, and the prior samples.
        encoder: an `Encoder` whose guess takes the place of the start from zero (`fit_encoder`).
        portable: for graphs that leave this process: the noise without XLA, and Langevin steps in a
            loop of the graph, which is a tenth as large as unrolled and slower.

    Raises:
        ValueError: steps or starts out of range.
    """

    def __init__(
        self,
        model,
        *,
        steps=300,
        step_size=0.1,
        sigma=1.0,
        noise=False,
        starts=4,
        seed=0,
        encoder=None,
        portable=False,
    ):
        if steps < 1 or not 1 <= starts <= MAX_STARTS:
            raise ValueError(
                f"steps must be at least 1 and starts from 1 to {MAX_STARTS}, got {steps}, {starts}"
            )
        self.model = model
        self._one_hot = one_hot_groups(model)
        self._frame_dims = model.frame_dims if isinstance(model, ClipModel) else model.latent_dims
        self.chunks = -(-steps // _CHUNK)
        self.step_size = step_size
        self.sigma = sigma
        self.noise = noise
        self.starts = starts
        self.seed = seed
        self.encoder = encoder
        self.portable = portable
        self._normal = example_normal.python_function if portable else example_normal
        # Rewriting the code for graphs, which needs none of it, would take as long as tracing it.
        options = {"reduce_retracing": True, "autograph": False}
        self._advance = tf.function(self._chunk, **options)
        self._energy = tf.function(lambda x, z: energy(model, x, z, sigma), **options)

    def __call__(self, images, ids=None, batch_size=100, progress=None, given=None):
        """Latents of `images` [N, S, S, C] in [-1, 1]: float32 [N, d] for each group.

        Args:
            images: images, a NumPy array; clips [N, F, S, S, C] for a model of clips.
            ids: int64 [N], 0..N-1 by default; an image's latents depend on its id, not on its
                neighbors.
            batch_size: images at a time.
            progress: called with (Langevin steps done, all steps) summed over the batches, or None.
            given: one-hot labels [N, d] for each group that the model does not infer.

        Raises:
            ValueError: there are no images, or other groups are given than the model needs.
        """
        if len(images) == 0:
            raise ValueError("there are no images to infer latents for")
        given = given or {}
        if set(given) != set(self.model.given_groups):
            raise ValueError(
                f"the model needs to be given {list(self.model.given_groups)}, not {list(given)}"
            )
        ids = np.arange(len(images), dtype=np.int64) if ids is None else np.asarray(ids, np.int64)
        library = self._library() if self.starts > 1 else None
        batches = range(0, len(images), batch_size)
        results = []
        for number, first in enumerate(batches):
            x = tf.constant(images[first : first + batch_size], tf.float32)

            def done(chunks, number=number):
                if progress:
                    steps = _CHUNK * self.chunks
                    progress(number * steps + chunks * _CHUNK, len(batches) * steps)

            rows = slice(first, first + batch_size)
            known = {name: tf.constant(value[rows], tf.float32) for name, value in given.items()}
            z = self._infer(x, tf.constant(ids[rows]), library, done, known)
            results.append({name: value.numpy() for name, value in z.items()})
        return {name: np.concatenate([r[name] for r in results]) for name in self.model.latent_dims}

    def _infer(self, x, ids, library, done, known):
        """Latents [B, d] of one batch."""
        z = self.starts_of(x, library, known)
        # All starts of all images are one batch, start after start.
        starts = len(next(iter(z.values()))) // len(x)
        x_all, ids_all = tf.tile(x, [starts] + [1] * (x.shape.rank - 1)), tf.tile(ids, [starts])
        scale = tf.ones([len(x_all), 1])
        for chunk in range(self.chunks):
            z, scale = self.advance(x_all, z, ids_all, tf.constant(chunk + 1, tf.int64), scale)
            if chunk + 1 == max(1, self.chunks // 4) and starts > 1:
                z, scale = self.lowest(x_all, z, scale, len(x))
                x_all, ids_all = x, ids
            done(chunk + 1)
        return z

    def advance(self, x, z, ids, chunk, scale):
        """Ten Langevin steps on, taken back for examples whose energy rose by a descent.

        Args:
            x: images [B, S, S, C] or clips, in [-1, 1].
            z: latents [B, d] of each group.
            ids: int64 [B], of the examples.
            chunk: int64 scalar, which ten steps these are, counted from 1: keys the noise.
            scale: [B, 1], factor of the step size of each example; begin with ones.

        Returns:
            (latents, scale) after the steps.
        """
        moved = self._advance(x, z, ids, chunk, scale)
        if self.noise is True:
            return moved, scale
        better = (self._energy(x, moved) <= self._energy(x, z))[:, None]
        kept = better | self.noise
        z = {name: tf.where(kept, moved[name], z[name]) for name in z}
        return z, tf.where(self.noise, scale, tf.where(better, 1.2 * scale, 0.5 * scale))

    def lowest(self, x, z, scale, count):
        """For each of `count` images, latents and step scale of its start of the lowest energy.

        Args:
            x: the images, once for each start: [starts * count, S, S, C].
            z: latents [starts * count, d] of each group.
            scale: [starts * count, 1].
            count: int or int32 scalar.
        """
        energies = self._energy(x, z)
        # A start that diverged must not win over one that did not.
        energies = tf.where(tf.math.is_nan(energies), np.inf, energies)
        best = tf.argmin(tf.reshape(energies, [-1, count]), axis=0, output_type=tf.int32)
        rows = best * count + tf.range(count)
        return {name: tf.gather(value, rows) for name, value in z.items()}, tf.gather(scale, rows)

    def starts_of(self, x, library, known):
        """Latents [starts * B, d]: zero (in every class), then prior samples of the lowest energy.

        What is known of an example, one-hot, its prior samples share.

        Args:
            x: images [B, S, S, C] or clips, in [-1, 1].
            library: prior samples and their images, or None: then there is one start.
            known: one-hot [B, d] for each group that the model does not infer.
        """
        dims = self.model.latent_dims
        zero = {name: tf.zeros([tf.shape(x)[0], dim]) for name, dim in dims.items()}
        if self.encoder:
            zero = {name: mean for name, (mean, _) in self.encoder(x).items()}
        for name in self.model.class_groups:
            zero = _in_every_class(zero, name, tf.shape(x)[0])
        if library is None:
            return zero | known
        samples, images = library
        first = _first_frame(x)
        small = _small(first)
        pixels = first.shape.num_elements() / small.shape.num_elements()
        distance = (
            tf.reduce_sum(tf.square(small), 1)[:, None]
            - 2.0 * tf.matmul(small, images, transpose_b=True)
            + tf.reduce_sum(tf.square(images), 1)[None]
        ) / 4.0
        prior = tf.add_n([tf.reduce_sum(tf.square(z), 1) for z in samples.values()]) / 2.0
        energies = pixels * distance / (2.0 * self.sigma**2) + prior
        for name, value in known.items():
            energies += _OTHER_CLASS * (1.0 - tf.matmul(value, samples[name], transpose_b=True))
        nearest = tf.math.top_k(-energies, self.starts - 1).indices
        rows = tf.reshape(tf.transpose(nearest), [-1])

        def still(name):
            z = tf.gather(samples[name], rows)
            return tf.pad(z, [[0, 0], [0, dims[name] - z.shape[1]]])

        starts = {name: tf.concat([zero[name], still(name)], 0) for name in dims}
        return starts | {name: tf.tile(value, [self.starts, 1]) for name, value in known.items()}

    def _library(self):
        """Prior samples [1024, d] for each group of a frame, and their images, small and flat."""
        ids = tf.range(MAX_STARTS, dtype=tf.int64)
        samples = {
            name: example_normal(self.seed, 0, ids, stream, 1, dim)[0]
            for stream, (name, dim) in enumerate(self._frame_dims.items())
        }
        for name in self._one_hot:
            samples[name] = tf.one_hot(ids % self._frame_dims[name], self._frame_dims[name])
        images = []
        for first in range(0, MAX_STARTS, 128):
            parts = {
                name: self.model.part(name, z[first : first + 128]) for name, z in samples.items()
            }
            images.append(_small(_first_frame(self.model.combine(parts))))
        return samples, tf.concat(images, 0)

    def _chunk(self, x, z, ids, step, scale):
        noise = None
        if self.noise is not False:
            share = tf.cast(self.noise, tf.float32)
            noise = {
                name: share * self._normal(self.seed, step, ids, stream, _CHUNK, dim)
                for stream, (name, dim) in enumerate(self.model.latent_dims.items())
            }
        settings = {
            "step_size": self.step_size * scale,
            "sigma": self.sigma,
            "fixed": self._one_hot,
        }
        if not self.portable:
            return langevin(self.model, x, z, steps=_CHUNK, noise=noise, **settings)

        def one_more(step, z):
            drawn = noise and {name: draws[step][None] for name, draws in noise.items()}
            return step + 1, langevin(self.model, x, z, steps=1, noise=drawn, **settings)

        return tf.while_loop(lambda step, _: step < _CHUNK, one_more, (0, dict(z)))[1]


def _in_every_class(zero, name, count):
    """The latents [B, d] of the starts from zero, once with each class of a group."""
    classes = zero[name].shape[1]
    tiled = {other: tf.tile(z, [classes, 1]) for other, z in zero.items()}
    return {**tiled, name: tf.repeat(tf.eye(classes), count, axis=0)}


def _first_frame(x):
    """Clips [B, F, S, S, C] as their first frames; anything else as it is."""
    return x[:, 0] if x.shape.rank == 5 else x


def _small(images):
    """Images [B, S, S, C] averaged down to at most 32x32 and flattened."""
    factor = max(1, images.shape[1] // _COMPARED_SIDE) if images.shape.rank == 4 else 1
    if factor > 1:
        images = tf.nn.avg_pool2d(images, factor, factor, "VALID")
    return tf.reshape(images, [len(images), -1])
