"""A generator with an encoder: what the variational learner learns (section 2 of the paper)."""

import keras


@keras.saving.register_keras_serializable(package="dgn_tf")
class EncodedGenerator(keras.Model):
    """A generator and the inference network of its latents, with the generator's own interface.

    With a plain generator it is the paper's rival "VAE"; with a deformable one it is the paper's
    "can also be learned by VAE with an extra inference network".

    Args:
        generator: a model with `latent_dims`, `networks`, `part`, `combine`, `regularization` and
            `diagnostics`.
        encoder: an `Encoder` of the same latent groups.

    Raises:
        ValueError: the groups of generator and encoder differ.
    """

    def __init__(self, generator, encoder, **kwargs):
        super().__init__(**kwargs)
        if dict(generator.latent_dims) != encoder.settings["latent_dims"]:
            raise ValueError(
                f"the encoder's groups {encoder.settings['latent_dims']} are not the generator's "
                f"{dict(generator.latent_dims)}"
            )
        self.generator = generator
        self.encoder = encoder
        self.built = True

    @property
    def latent_dims(self):
        """Length of each group's latent vector."""
        return self.generator.latent_dims

    @property
    def networks(self):
        """The generator's networks by group, and the encoder."""
        return {**self.generator.networks, "encoder": self.encoder}

    def encode(self, x):
        """{group: (mean [B, d], log-variance [B, d] or None)} of pictures x [B, S, S, C]."""
        return self.encoder(x)

    def part(self, name, z):
        """The generator's part of one group."""
        return self.generator.part(name, z)

    def combine(self, parts):
        """The generator's picture [B, S, S, C] in [-1, 1]."""
        return self.generator.combine(parts)

    def call(self, latents):
        """Pictures [B, S, S, C] in [-1, 1] of latents [B, d] by group."""
        return self.generator(latents)

    def regularization(self, parts):
        """What the generator adds to the loss."""
        return self.generator.regularization(parts)

    def diagnostics(self, parts):
        """The generator's scalars to watch."""
        return self.generator.diagnostics(parts)

    def get_config(self):
        """Arguments that make this model again."""
        return {
            **super().get_config(),
            "generator": keras.saving.serialize_keras_object(self.generator),
            "encoder": keras.saving.serialize_keras_object(self.encoder),
        }

    @classmethod
    def from_config(cls, config):
        """The model of a `get_config`."""
        config = dict(config)
        for name in ("generator", "encoder"):
            config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)
