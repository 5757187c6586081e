"""Latents by an encoder in one pass, and what infers those of a given model."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from dgn_tf.config import InferenceConfig
from dgn_tf.inference.observations import checked_observations, observation_shape
from dgn_tf.inference.posterior import Inference
from dgn_tf.inference.starts import Encoder
from dgn_tf.types import EncodedModel, LatentArrays, LatentModel


class EncoderInference:
    """Latents by a model's encoder, the means of q(z|x), in one pass and without noise.

    Args:
        model: a trained model with an encoder.
    """

    def __init__(self, model: EncodedModel):
        self.model = model
        self._encode = tf.function(model.encode, reduce_retracing=True, autograph=False)

    def __call__(
        self,
        images: np.ndarray,
        ids: Any = None,
        batch_size: int = 100,
        progress: Callable[[int, int], None] | None = None,
        given: Any = None,
        watch: Any = None,
    ) -> LatentArrays:
        """Latents of `images` [N, S, S, C] in [-1, 1]: float32 [N, d] of each group.

        Args:
            images: floating images of the model's size.
            ids: without effect: there is no noise.
            batch_size: images at a time.
            progress: called with (images done, all images), or None.
            given: without effect: an encoder infers all groups.
            watch: without effect: there are no steps.

        Raises:
            InputError: there are no images, their shape or type is not the model's, or a number is
                not finite or out of range.
        """
        del ids, given, watch
        images = checked_observations(images, self._shape)
        means: dict[str, list[np.ndarray]] = {name: [] for name in self.model.latent_dims}
        for first in range(0, len(images), batch_size):
            x = tf.constant(images[first : first + batch_size])
            for name, (mean, _) in self._encode(x).items():
                means[name].append(mean.numpy())
            if progress:
                progress(first + len(x), len(images))
        return {name: np.concatenate(rows) for name, rows in means.items()}

    def warm_up(self) -> None:
        """Traces what the inference of one image takes, so that the first is quick."""
        self._encode(tf.zeros([1, *self._shape]))

    @functools.cached_property
    def _shape(self) -> list[int | None]:
        return observation_shape(self.model)


def make_inference(
    model: LatentModel, settings: InferenceConfig, encoder: Encoder | None = None
) -> EncoderInference | Inference:
    """What infers the latents of new images: a model's encoder, or Langevin dynamics without one.

    Args:
        model: a trained model.
        settings: of the Langevin dynamics, `resolved`; a model with an encoder needs none.
        encoder: whose guess Langevin dynamics starts from, see `Inference`.
    """
    if isinstance(model, EncodedModel):
        return EncoderInference(model)
    return make_langevin_inference(model, settings, encoder)


def make_langevin_inference(
    model: LatentModel, settings: InferenceConfig, encoder: Encoder | None = None
) -> Inference:
    """Langevin dynamics with these settings, `resolved`, whether or not a model has an encoder.

    Raises:
        ValueError: a setting is missing or out of range.
    """
    steps, starts = settings.steps, settings.starts
    step_size, sigma = settings.step_size, settings.sigma
    if steps is None or starts is None or step_size is None or sigma is None:
        raise ValueError("`steps`, `starts`, `step_size` and `sigma` must be resolved to numbers")
    return Inference(
        model,
        steps=steps,
        step_size=step_size,
        sigma=sigma,
        noise=settings.noise,
        starts=starts,
        seed=settings.seed,
        encoder=encoder,
    )
