"""An encoder of clips: where each frame is, and what moves one frame to the next."""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from dgn_tf.models.autoencoder import Encoder
from dgn_tf.types import Tensor

# What a frame tells beside its latents, and the units of the layer that looks at two frames.
FEATURES = 32
_HIDDEN = 64


@keras.saving.register_keras_serializable(package="dgn_tf")
class ClipEncoder(keras.Model):
    """A guess of packed latents (Z_0, xi_1, ..., xi_T) of clips (Eq. 10 and 11).

    One `Encoder` looks at every frame, as at a still image: it guesses the latents of the frame,
    and some features. Z_0 of a group that moves is the guess for the first frame, where s_0 = 0;
    that of a group that does not, the mean over the frames. xi_t, which moves frame t - 1 to frame
    t, is read off the guesses and features of these two.

    Args:
        frame_dims: length of Z_0 by group.
        noise_dims: length of each xi by group; 0 for a group that does not move.
        side: side of the frames in pixels: 32, 64, 128 or 256.
        channels: 1 (gray) or 3 (RGB).
        width: as of `Encoder`.

    Raises:
        ValueError: `side` is none of these, `width` is not above 0, or the groups differ.
    """

    def __init__(
        self,
        frame_dims: Mapping[str, int],
        noise_dims: Mapping[str, int],
        side: int = 64,
        channels: int = 3,
        width: float = 1.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if list(frame_dims) != list(noise_dims):
            raise ValueError(f"groups differ: {list(frame_dims)}, {list(noise_dims)}")
        self.settings = {
            "frame_dims": dict(frame_dims),
            "noise_dims": dict(noise_dims),
            "side": side,
            "channels": channels,
            "width": width,
        }
        self.frame_encoder = Encoder(
            {**frame_dims, "features": FEATURES},
            side,
            channels,
            width,
            variance=False,
            dtype=self.dtype_policy,
        )
        # float32 whatever the compute dtype, as the latents are.
        self.motion = keras.Sequential(
            [
                keras.Input((2 * (sum(frame_dims.values()) + FEATURES),)),
                keras.layers.Dense(_HIDDEN, "relu", dtype="float32", name="fc1"),
                keras.layers.Dense(max(1, sum(noise_dims.values())), dtype="float32", name="fc2"),
            ],
            name="motion",
        )
        self.built = True

    def call(self, x: Tensor) -> dict[str, tuple[Tensor, None]]:
        """The guess of the packed latents of clips.

        Args:
            x: [B, F, S, S, C] in [-1, 1], of any number of frames.

        Returns:
            {group: ([B, d + (F - 1) n], None)}, float32.
        """
        count, frames = tf.shape(x)[0], x.shape[1]
        guesses = self.frame_encoder(tf.reshape(x, [-1, *x.shape[2:]]))
        each = {n: tf.reshape(z, [count, frames, z.shape[1]]) for n, (z, _) in guesses.items()}
        seen = tf.concat(list(each.values()), axis=2)
        pairs = tf.concat([seen[:, :-1], seen[:, 1:]], axis=2)
        noise = tf.reshape(
            self.motion(tf.reshape(pairs, [-1, pairs.shape[2]])),
            [count, frames - 1, self.motion.output_shape[1]],
        )
        packed, start = {}, 0
        for name, length in self.settings["noise_dims"].items():
            own = noise[:, :, start : start + length]
            first = each[name][:, 0] if length else tf.reduce_mean(each[name], axis=1)
            later = tf.reshape(own, [count, (frames - 1) * length])
            packed[name] = (tf.concat([first, later], axis=1), None)
            start += length
        return packed

    def begin_from(self, encoder: Encoder) -> None:
        """Takes over what an encoder of still images knows of frames.

        Args:
            encoder: without variances, of the same groups and size.

        Raises:
            ValueError: its layers have other shapes.
        """
        *inner, kernel, bias = encoder.get_weights()
        *_, own_kernel, own_bias = self.frame_encoder.get_weights()
        known = bias.size
        own_kernel[:, :known], own_bias[:known] = kernel, bias
        self.frame_encoder.set_weights([*inner, own_kernel, own_bias])

    def get_config(self) -> dict[str, Any]:
        """Arguments that make this encoder again."""
        return {**super().get_config(), **self.settings}
