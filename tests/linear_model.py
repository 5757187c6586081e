"""A generator whose learning has a closed form: probabilistic principal components."""

import keras
import tensorflow as tf


class LinearModel(keras.Model):
    """x = z W, z [B, dim] to x [B, pixels], with one latent group, "appearance"."""

    given_groups = class_groups = ()

    def __init__(self, pixels, dim):
        super().__init__()
        self.latent_dims = {"appearance": dim}
        self.layer = keras.layers.Dense(pixels, use_bias=False)
        self.layer.build((None, dim))

    def call(self, latents):
        return self.layer(latents["appearance"])

    def part(self, name, z):
        return self.layer(z)

    def combine(self, parts):
        return parts["appearance"]

    def regularization(self, parts):
        return tf.zeros([])

    def diagnostics(self, parts):
        return {}
