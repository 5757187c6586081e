"""A baseline for clips without a warp: content and motion codes, as in MoCoGAN (Table III)."""

from typing import Any

import keras
import tensorflow as tf

from dgn_tf.models.generators import AppearanceGenerator
from dgn_tf.ops.remat import over_frames
from dgn_tf.types import Latents, Parts, Tensor


@keras.saving.register_keras_serializable(package="dgn_tf")
class ContentMotionGenerator(keras.Model):
    """X_t = G(z_c, h_t), h_t = GRU(xi_t, h_{t-1}), h_0 = 0.

    The generator of MoCoGAN (Tulyakov et al., CVPR 2018): one code for the content of the whole
    clip and one for the motion of each frame. There it is trained against discriminators; here
    like the other models, so that its codes can be inferred, and the state h_0 is zero instead of
    random.

    Groups: "content", z_c [B, d]; "motion", the noises xi_1, ..., xi_F packed, [B, F noise_dim].
    Parts are the codes: z_c, and h [B, F, motion_dim]. F follows from the length of
    the latent vector.

    Args:
        generator: an `AppearanceGenerator` whose latent vector is (z_c, h_t).
        motion_dim: length of h, below that of the generator's latent vector.
        noise_dim: length of xi.
        frames: F of `latent_dims`.
        frames_per_chunk: as of `DynamicDeformableGenerator`.

    Raises:
        ValueError: a number below 1, or a motion code that leaves nothing for the content.
    """

    def __init__(
        self,
        generator: AppearanceGenerator,
        motion_dim: int,
        noise_dim: int,
        frames: int,
        frames_per_chunk: int = 0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if min(motion_dim, noise_dim, frames) < 1 or frames_per_chunk < 0:
            raise ValueError(
                f"motion_dim, noise_dim and frames must be at least 1, got {motion_dim}, "
                f"{noise_dim}, {frames}; frames_per_chunk at least 0, got {frames_per_chunk}"
            )
        content_dim = generator.settings["latent_dim"] - motion_dim
        if content_dim < 1:
            raise ValueError(
                f"a motion code of {motion_dim} numbers leaves no content in the generator's "
                f"{generator.settings['latent_dim']}"
            )
        self.generator = generator
        self.content_dim, self.noise_dim, self.frames = content_dim, noise_dim, frames
        self.frames_per_chunk = frames_per_chunk
        self.recurrence = keras.Sequential(
            [
                keras.Input((None, noise_dim), dtype=self.compute_dtype),
                keras.layers.GRU(motion_dim, return_sequences=True, dtype=self.dtype_policy),
            ],
            name="recurrence",
        )
        self.built = True

    @property
    def latent_dims(self) -> dict[str, int]:
        """Length of each group's latent vector."""
        return {"content": self.content_dim, "motion": self.frames * self.noise_dim}

    @property
    def frame_dims(self) -> dict[str, int]:
        """Length of each group's latent vector for a clip of one frame."""
        return {"content": self.content_dim, "motion": self.noise_dim}

    @property
    def given_groups(self) -> tuple[str, ...]:
        """No group comes with the data."""
        return ()

    @property
    def class_groups(self) -> tuple[str, ...]:
        """No group is one of several classes."""
        return ()

    @property
    def networks(self) -> dict[str, keras.Model]:
        """All networks by name."""
        return {"generator": self.generator, "recurrence": self.recurrence}

    def unpack(self, name: str, z: Tensor) -> tuple[Tensor, Tensor]:
        """Latents [B, d] of the first frame, and the noises of those after it, [B, F - 1, n].

        The content is the same in all frames: nothing follows.
        """
        dim = self.frame_dims[name]
        later = tf.reshape(z[:, dim:], [tf.shape(z)[0], z.shape[1] // dim - 1, dim])
        return z[:, :dim], later

    def part(self, name: str, z: Tensor) -> Tensor:
        """The code of one group: z_c as it is, or the motion of every frame."""
        if name == "content":
            return z
        noise = tf.reshape(z, [tf.shape(z)[0], z.shape[1] // self.noise_dim, self.noise_dim])
        return self.recurrence(noise)

    def combine(self, parts: Parts) -> Tensor:
        """The clip [B, F, S, S, C] of both codes."""
        content, motion = parts["content"], parts["motion"]
        frames = motion.shape[1]
        codes = tf.concat([tf.repeat(content[:, None], frames, axis=1), motion], axis=-1)
        return over_frames(self.generator, codes, self.frames_per_chunk)

    def call(self, latents: Latents) -> Tensor:
        """Clips [B, F, S, S, C] in [-1, 1] of packed latents of both groups."""
        return self.combine({name: self.part(name, latents[name]) for name in self.latent_dims})

    def regularization(self, parts: Parts) -> Tensor:
        """Nothing is added to the loss: 0."""
        return tf.zeros([])

    def diagnostics(self, parts: Parts) -> dict[str, Tensor]:
        """Standard deviation of the motion codes, which a tanh bounds by 1."""
        return {"motion_std": tf.math.reduce_std(parts["motion"])}

    def get_config(self) -> dict[str, Any]:
        """Arguments that make this model again."""
        return {
            **super().get_config(),
            "generator": keras.saving.serialize_keras_object(self.generator),
            "motion_dim": self.generator.settings["latent_dim"] - self.content_dim,
            "noise_dim": self.noise_dim,
            "frames": self.frames,
            "frames_per_chunk": self.frames_per_chunk,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "ContentMotionGenerator":
        """The model of a `get_config`."""
        config = dict(config)
        config["generator"] = keras.saving.deserialize_keras_object(config["generator"])
        return cls(**config)
