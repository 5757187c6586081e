"""Latents of images that were not trained on."""

import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from dgn_tf.config import MAX_STARTS
from dgn_tf.inference.dynamics import STEPS, Dynamics
from dgn_tf.inference.observations import (
    checked_ids,
    checked_labels,
    checked_observations,
    observation_shape,
)
from dgn_tf.inference.starts import Encoder, PriorSamples, first_starts
from dgn_tf.types import LatentArrays, LatentModel, Latents, Tensor
from dgn_tf.utils.memory import keep_freed_memory


class Inference:
    """Langevin inference of latents with the networks fixed (Eq. 7), from several starts.

    The energy of an image has local minima in the field's latents. Each image is therefore
    started from zero and from the `starts - 1` best of 1,024 prior samples; after a quarter of the
    steps the start with the lowest energy goes on alone. Without noise the steps are a descent
    with momentum: ten steps that raise the energy of an example are taken back, and its step size
    is halved; ten that lower it let its step size grow by a fifth.

    A model with classes (`class_groups`) is started from zero in every class, instead of once, and
    a start stays in its class: the posterior of the classes is found by trying them all.

    A clip starts from what fits its first frame, as above; the noises of the others are zero.

    Args:
        model: a trained model, whose weights stay as they are.
        steps: Langevin steps, rounded up to tens (the paper: 300).
        step_size: delta of Eq. 7.
        sigma: standard deviation of a pixel on the [0, 1] scale.
        noise: whether the steps are noisy and sample from the posterior; without noise they descend
            to one of its modes.
        starts: how many starts, 1 to 1,024.
        seed: keys the noise, with the examples' ids, and the prior samples.
        encoder: an `Encoder` whose guess takes the place of the start from zero (`fit_encoder`).

    Raises:
        ValueError: steps or starts out of range.
    """

    def __init__(
        self,
        model: LatentModel,
        *,
        steps: int = 300,
        step_size: float = 0.1,
        sigma: float = 1.0,
        noise: bool = False,
        starts: int = 4,
        seed: int = 0,
        encoder: Encoder | None = None,
    ):
        if steps < 1 or not 1 <= starts <= MAX_STARTS:
            raise ValueError(
                f"steps must be at least 1 and starts from 1 to {MAX_STARTS}, got {steps}, {starts}"
            )
        keep_freed_memory()
        self.model = model
        self.chunks = -(-steps // STEPS)
        self.sigma = sigma
        self.starts = starts
        self.seed = seed
        self.encoder = encoder
        self._dynamics = Dynamics(model, step_size=step_size, sigma=sigma, seed=seed)
        self._advance = self._dynamics.sample if noise else self._dynamics.descend

    def __call__(
        self,
        images: np.ndarray,
        ids: Sequence[int] | np.ndarray | None = None,
        batch_size: int = 100,
        progress: Callable[[int, int], None] | None = None,
        given: Mapping[str, np.ndarray] | None = None,
        watch: Callable[[LatentArrays], None] | None = None,
    ) -> LatentArrays:
        """Latents of `images` [N, S, S, C] in [-1, 1]: float32 [N, d] of each group.

        Args:
            images: floating images of the model's size; clips [N, F, S, S, C] for a model of clips.
            ids: int64 [N], 0..N-1 by default; an image's latents depend on its id, not on its
                neighbors.
            batch_size: images at a time.
            progress: called with (Langevin steps done, all steps) summed over the batches, or None.
            given: one-hot labels [N, d] of each group that the model does not infer.
            watch: called with the latents [B, d] that a batch has reached, at its start and after
                every ten steps; as long as there are several starts, those of the first. Or None.

        Raises:
            InputError: there are no images; their shape or type is not the model's, or a number is
                not finite or out of range; ids or labels are not one for each image.
        """
        images = checked_observations(images, self._shape)
        given = checked_labels(self.model, given, len(images))
        ids = checked_ids(ids, len(images))
        batches = range(0, len(images), batch_size)
        results = []
        for number, first in enumerate(batches):
            x = tf.constant(images[first : first + batch_size])

            def done(chunks, z, number=number, x=x):
                if progress and chunks:
                    steps = STEPS * self.chunks
                    progress(number * steps + chunks * STEPS, len(batches) * steps)
                if watch:
                    watch({name: value[: len(x)].numpy() for name, value in z.items()})

            rows = slice(first, first + batch_size)
            known = {name: tf.constant(value[rows]) for name, value in given.items()}
            z = self._infer(x, tf.constant(ids[rows]), self.chunks, done, known)
            results.append({name: value.numpy() for name, value in z.items()})
        return {name: np.concatenate([r[name] for r in results]) for name in self.model.latent_dims}

    def warm_up(self) -> None:
        """Traces and compiles what the inference of one image takes, so that the first is quick."""
        x, ids = tf.zeros([1, *self._shape]), tf.zeros([1], tf.int64)
        dims = self.model.latent_dims
        known = {name: tf.one_hot([0], dims[name]) for name in self.model.given_groups}
        # Before and after the choice among several starts.
        self._infer(x, ids, min(2, self.chunks), lambda *_: None, known)

    @functools.cached_property
    def _shape(self) -> list[int | None]:
        return observation_shape(self.model)

    def starts_of(self, x: Tensor, library: PriorSamples | None, known: Latents) -> Latents:
        """Latents [starts * B, d]: zero (in every class), then prior samples of the lowest energy.

        Args:
            x: images [B, S, S, C] or clips, in [-1, 1].
            library: what the other starts are chosen from; None for no others.
            known: one-hot [B, d] of each group that the model does not infer.
        """
        starts = first_starts(self.model, x, known, self.encoder)
        if library is None:
            return starts
        others = library.nearest(x, known, self.starts - 1, self.sigma)
        return {name: tf.concat([starts[name], others[name]], 0) for name in starts}

    @functools.cached_property
    def _library(self) -> PriorSamples | None:
        return PriorSamples(self.model, self.seed) if self.starts > 1 else None

    def _infer(
        self,
        x: Tensor,
        ids: Tensor,
        chunks: int,
        done: Callable[[int, Latents], None],
        known: Latents,
    ) -> Latents:
        """Latents [B, d] of a batch after so many tens of steps.

        `done` is called with the number of those done, from 0, and the latents of all starts.
        """
        z = self.starts_of(x, self._library, known)
        done(0, z)
        # All starts of all images are one batch, start after start.
        starts = len(next(iter(z.values()))) // len(x)
        x_all, ids_all = tf.tile(x, [starts] + [1] * (x.shape.rank - 1)), tf.tile(ids, [starts])
        scale = tf.ones([len(x_all), 1])
        for chunk in range(1, chunks + 1):
            z, scale = self._advance(x_all, z, ids_all, tf.constant(chunk, tf.int64), scale)
            if chunk == max(1, chunks // 4) and starts > 1:
                z, scale = self._dynamics.lowest(x_all, z, scale, len(x))
                x_all, ids_all = x, ids
            done(chunk, z)
        return z
