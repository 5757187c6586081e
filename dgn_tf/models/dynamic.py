"""The dynamic model: clips whose latents follow a transition (Eq. 10 to 12, Table V)."""

from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from dgn_tf.models.deformable import DeformableGenerator
from dgn_tf.ops.remat import over_frames
from dgn_tf.types import Latents, Parts, Tensor


@keras.saving.register_keras_serializable(package="dgn_tf")
class TransitionNetwork(keras.Model):
    """f of Eq. 11: s_{t+1} = f(s_t, xi_{t+1}), two hidden layers and a tanh (Table V).

    Args:
        state_dim: length of s, that of the group's latent vector.
        noise_dim: length of xi.
        hidden: units of each hidden layer.
        residual: tanh(network + s_t) instead of tanh(network).

    Raises:
        ValueError: a size below 1.
    """

    def __init__(
        self,
        state_dim: int,
        noise_dim: int,
        hidden: int = 20,
        residual: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if min(state_dim, noise_dim, hidden) < 1:
            raise ValueError(
                f"state_dim, noise_dim and hidden must be at least 1, got {state_dim}, "
                f"{noise_dim}, {hidden}"
            )
        self.settings = {
            "state_dim": state_dim,
            "noise_dim": noise_dim,
            "hidden": hidden,
            "residual": residual,
        }
        self.network = keras.Sequential(
            [
                keras.Input((state_dim + noise_dim,), dtype=self.compute_dtype),
                keras.layers.Dense(hidden, "relu", dtype=self.dtype_policy, name="fc1"),
                keras.layers.Dense(hidden, "relu", dtype=self.dtype_policy, name="fc2"),
                keras.layers.Dense(state_dim, dtype=self.dtype_policy, name="fc3"),
            ],
            name="network",
        )
        self.built = True

    def call(self, state: Tensor, noise: Tensor) -> Tensor:
        """The next state [B, state_dim] of a state and a noise [B, noise_dim]."""
        change = self.network(tf.concat([state, noise], axis=-1))
        return tf.tanh(change + state) if self.settings["residual"] else tf.tanh(change)

    def unroll(self, noise: Tensor) -> Tensor:
        """States s_0 = 0, s_1, ..., s_T [B, T + 1, state_dim] of noises [B, T, noise_dim]."""
        state = tf.zeros([tf.shape(noise)[0], self.settings["state_dim"]], noise.dtype)
        states = [state]
        for step in range(noise.shape[1]):
            state = self(state, noise[:, step])
            states.append(state)
        return tf.stack(states, axis=1)

    def get_config(self) -> dict[str, Any]:
        """Arguments that make this network again."""
        return {**super().get_config(), **self.settings}


@keras.saving.register_keras_serializable(package="dgn_tf")
class DynamicDeformableGenerator(keras.Model):
    """X_t = F_w(F_a(Z^a_t), F_g(Z^g_t)), Z_t = Z_0 + s_t, for both groups (Eq. 10 to 12).

    The latent vector of a group packs (Z_0, xi_1, ..., xi_T): [B, d + T noise_dim]. Parts are
    clips: canonical images [B, T + 1, S, S, C] in [-1, 1], displacements [B, T + 1, S, S, 2] in
    pixels. T follows from the length of the latent vector, so that a model can make longer clips
    than those it learned from; `latent_dims` are those of `steps`.

    Args:
        emission: the `DeformableGenerator` that makes each frame.
        transitions: a `TransitionNetwork` for "appearance" and for "geometry".
        steps: T, transitions in a clip of T + 1 frames.
        frames_per_chunk: the most frames of a clip whose activations are kept for the gradient;
            those of the others are recomputed. 0 keeps all. Memory for activations falls from
            T + 1 frames a clip to this, at the cost of one more forward pass.

    Raises:
        ValueError: a transition's state does not fit its group, or a negative number.
    """

    def __init__(
        self,
        emission: DeformableGenerator,
        transitions: Mapping[str, TransitionNetwork],
        steps: int,
        frames_per_chunk: int = 0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if steps < 0 or frames_per_chunk < 0:
            raise ValueError(
                f"steps and frames_per_chunk must be at least 0, got {steps}, {frames_per_chunk}"
            )
        for name, dim in emission.latent_dims.items():
            state_dim = transitions[name].settings["state_dim"]
            if state_dim != dim:
                raise ValueError(
                    f"the {name} transition has a state of {state_dim} numbers, the latent vector "
                    f"has {dim}"
                )
        self.emission = emission
        self.appearance_transition = transitions["appearance"]
        self.geometry_transition = transitions["geometry"]
        self.steps = steps
        self.frames_per_chunk = frames_per_chunk
        self.built = True

    @property
    def transitions(self):
        """The transition networks by group."""
        return {"appearance": self.appearance_transition, "geometry": self.geometry_transition}

    @property
    def latent_dims(self) -> dict[str, int]:
        """Length of each group's latent vector, for clips of `steps` transitions."""
        return {
            name: dim + self.steps * self.transitions[name].settings["noise_dim"]
            for name, dim in self.emission.latent_dims.items()
        }

    @property
    def frame_dims(self) -> dict[str, int]:
        """Length of each group's latent vector for a clip of one frame: Z_0 alone."""
        return self.emission.latent_dims

    @property
    def given_groups(self) -> tuple[str, ...]:
        """Groups that come with the data, as of the emission."""
        return self.emission.given_groups

    @property
    def class_groups(self) -> tuple[str, ...]:
        """Groups that are inferred by trying every class, as of the emission."""
        return self.emission.class_groups

    @property
    def networks(self) -> dict[str, keras.Model]:
        """All networks by name."""
        moving = {f"{name}_transition": network for name, network in self.transitions.items()}
        return {**self.emission.networks, **moving}

    def unpack(self, name: str, z: Tensor) -> tuple[Tensor, Tensor]:
        """Z_0 [B, d] and the noises xi [B, T, noise_dim] of a group's latent vector."""
        dim = self.emission.latent_dims[name]
        noise_dim = self.transitions[name].settings["noise_dim"]
        length = (z.shape[1] - dim) // noise_dim
        return z[:, :dim], tf.reshape(z[:, dim:], [tf.shape(z)[0], length, noise_dim])

    def frame_latents(self, name: str, z: Tensor) -> Tensor:
        """Z_t = Z_0 + s_t of every frame, [B, T + 1, d] (Eq. 10 and 11)."""
        first, noise = self.unpack(name, z)
        return first[:, None] + self.transitions[name].unroll(noise)

    def part(self, name: str, z: Tensor) -> Tensor:
        """The clip [B, T + 1, S, S, ...] that a group makes of its packed latents [B, d + T n]."""
        return self.emit(name, self.frame_latents(name, z))

    def emit(self, name: str, frames: Tensor) -> Tensor:
        """The same of latents [B, T + 1, d] that are given for every frame."""
        return over_frames(self.emission.networks[name], frames, self.frames_per_chunk)

    def combine(self, parts: Parts) -> Tensor:
        """The clip [B, T + 1, S, S, C]: every canonical image warped by its own displacement."""
        length = parts["appearance"].shape[1]
        images = self.emission.combine(_flat(parts))
        return tf.reshape(images, [-1, length, *images.shape[1:]])

    def call(self, latents: Latents) -> Tensor:
        """Clips [B, T + 1, S, S, C] in [-1, 1] of packed latents of both groups."""
        return self.combine({name: self.part(name, latents[name]) for name in self.latent_dims})

    def regularization(self, parts: Parts) -> Tensor:
        """What the emission adds to the loss, over all frames."""
        return self.emission.regularization(_flat(parts))

    def diagnostics(self, parts: Parts) -> dict[str, Tensor]:
        """The emission's scalars to watch, over all frames."""
        return self.emission.diagnostics(_flat(parts))

    def get_config(self) -> dict[str, Any]:
        """Arguments that make this model again."""
        return {
            **super().get_config(),
            "emission": keras.saving.serialize_keras_object(self.emission),
            "transitions": {
                name: keras.saving.serialize_keras_object(network)
                for name, network in self.transitions.items()
            },
            "steps": self.steps,
            "frames_per_chunk": self.frames_per_chunk,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "DynamicDeformableGenerator":
        """The model of a `get_config`."""
        config = dict(config)
        restore = keras.saving.deserialize_keras_object
        config["emission"] = restore(config["emission"])
        config["transitions"] = {n: restore(t) for n, t in config["transitions"].items()}
        return cls(**config)


def _flat(parts: Parts) -> Parts:
    """Clips [B, T + 1, ...] as images [B (T + 1), ...]."""
    return {name: tf.reshape(part, [-1, *part.shape[2:]]) for name, part in parts.items()}
