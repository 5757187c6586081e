"""Latents by an encoder, in one pass."""

import numpy as np
import tensorflow as tf

from dgn_tf.inference.posterior import Inference
from dgn_tf.types import EncodedModel


class EncoderInference:
    """Latents by a model's encoder, the means of q(z|x), in one pass and without noise.

    Args:
        model: a trained model with `latent_dims` and `encode`.
    """

    def __init__(self, model):
        self.model = model
        self._encode = tf.function(model.encode, reduce_retracing=True, autograph=False)

    def __call__(self, images, ids=None, batch_size=100, progress=None, given=None):
        """Latents of `images` [N, S, S, C] in [-1, 1]: float32 [N, d] for each group.

        Args:
            images: images, a NumPy array.
            ids: without effect: nothing is drawn.
            batch_size: images at a time.
            progress: called with (images done, all images), or None.
            given: nothing: an encoder infers all groups.

        Raises:
            ValueError: there are no images.
        """
        del ids, given
        if len(images) == 0:
            raise ValueError("there are no images to infer latents for")
        means = {name: [] for name in self.model.latent_dims}
        for first in range(0, len(images), batch_size):
            x = tf.constant(images[first : first + batch_size], tf.float32)
            for name, (mean, _) in self._encode(x).items():
                means[name].append(mean.numpy())
            if progress:
                progress(first + len(x), len(images))
        return {name: np.concatenate(rows) for name, rows in means.items()}


def make_inference(model, **settings):
    """What infers the latents of new images: a model's encoder, or Langevin dynamics without one.

    Args:
        model: a trained model.
        **settings: those of `Inference`, for a model without an encoder.
    """
    return (
        EncoderInference(model) if isinstance(model, EncodedModel) else Inference(model, **settings)
    )
