"""The contracts that the rooms of this package share.

One idea carries everything. A model makes *parts* from *latent groups* and combines the parts into
an observation:

    latents  = {"appearance": z_a, "geometry": z_g}         # one vector [B, d] an example and group
    parts    = {"appearance": image, "geometry": field}     # [B, S, S, C] and [B, S, S, 2]
    observed = warp(parts["appearance"], parts["geometry"])

Sampling, chains, learning, inference, evaluation and export are written once, against
`LatentModel`. What only some models can do is a contract of its own, and asked for with
`isinstance`. A model fulfills a contract by having its members; it inherits nothing.
"""

import warnings
from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias, runtime_checkable

import keras
import numpy as np
import tensorflow as tf


def _configure_keras() -> None:
    """Give Keras the settings that the models are written for.

    Whatever keras.json, the environment or the program says, the numbers are the same.

    Raises:
        ImportError: Keras was imported with another backend before.
    """
    if keras.config.backend() != "tensorflow":
        raise ImportError(
            "dgn_tf needs Keras with TensorFlow, and it was imported with "
            f"{keras.config.backend()}: set the environment variable KERAS_BACKEND=tensorflow, or "
            "import dgn_tf before keras."
        )
    wanted = {
        "image_data_format": "channels_last",
        "floatx": "float32",
        "epsilon": 1e-7,
        "dtype_policy": "float32",
        "max_epochs": None,
        "max_steps_per_epoch": None,
    }
    for name, value in wanted.items():
        found = getattr(keras.config, name)()
        found = getattr(found, "name", found)
        if found != value:
            warnings.warn(
                f"dgn_tf needs Keras with {name}={value} and sets it in this process, in place of "
                f"{found}.",
                stacklevel=3,
            )
            getattr(keras.config, f"set_{name}")(value)


_configure_keras()

# A tensor. TensorFlow's own annotations refuse sound code, such as x[..., 0], so that type checkers
# are told nothing of it.
Tensor: TypeAlias = Any
# A vector [B, d] for each latent group, in the order of the Langevin updates.
Latents: TypeAlias = dict[str, Tensor]
# The same of N examples, outside of a graph.
LatentArrays: TypeAlias = dict[str, np.ndarray]
# What each group contributes to an observation, [B, ...].
Parts: TypeAlias = dict[str, Tensor]


@runtime_checkable
class LatentModel(Protocol):
    """A generator of images or clips: x = combine({name: part(name, z)}) (Eq. 1)."""

    @property
    def latent_dims(self) -> dict[str, int]:
        """Length of each group's latent vector, in the order of the Langevin updates."""
        ...

    @property
    def given_groups(self) -> tuple[str, ...]:
        """Groups whose latents come with the data, such as labels; never inferred."""
        ...

    @property
    def class_groups(self) -> tuple[str, ...]:
        """Groups whose latents are one-hot and are inferred by trying every class."""
        ...

    @property
    def networks(self) -> dict[str, keras.Model]:
        """The networks by name; those of a group by the group's name."""
        ...

    def __call__(self, latents: Latents) -> Tensor:
        """The observation of latents: `combine` of every `part`."""
        ...

    def part(self, name: str, z: Tensor) -> Tensor:
        """The part [B, ...] that a group makes of its latents [B, d]."""
        ...

    def combine(self, parts: Parts) -> Tensor:
        """The observation [B, ...] in [-1, 1] of the parts of all groups."""
        ...

    def regularization(self, parts: Parts) -> Tensor:
        """What the learning step adds to its loss, a scalar."""
        ...

    def diagnostics(self, parts: Parts) -> dict[str, Tensor]:
        """Scalars to watch while the model learns, by name."""
        ...


@runtime_checkable
class EncodedModel(LatentModel, Protocol):
    """A generator that brings its own inference network, and is learned with it."""

    def encode(self, x: Tensor) -> dict[str, tuple[Tensor, Tensor | None]]:
        """(Mean [B, d], log-variance [B, d] or None) of each group, of observations x."""
        ...


@runtime_checkable
class ClipModel(LatentModel, Protocol):
    """A generator of clips [B, F, S, S, C], whose latent vectors pack those of the frames.

    Attributes:
        frames_per_chunk: how many frames of a clip keep their inner values for the gradient; 0
            keeps all.
    """

    frames_per_chunk: int

    @property
    def frame_dims(self) -> dict[str, int]:
        """Length of each group's latent vector for a clip of a single frame."""
        ...

    def unpack(self, name: str, z: Tensor) -> tuple[Tensor, Tensor]:
        """Latents [B, d] of the first frame, and what moves the later ones, [B, F - 1, n]."""
        ...


@runtime_checkable
class Learner(Protocol):
    """What the training loop steps: a model, its optimizer, and all else that learning keeps.

    Attributes:
        model: the model that learns.
        optimizer: of the model's networks; its iterations count the learning steps.
        scale: multiplies step size and learning rate; the loop halves it to rescue a run.
        offset: int64, added to the learning steps for the place in the run that schedules follow.
    """

    model: Any
    optimizer: keras.optimizers.Optimizer
    scale: tf.Variable
    offset: tf.Variable

    @property
    def state(self) -> Mapping[str, Any]:
        """What a checkpoint holds beside model and optimizer, by name."""
        ...

    def step(self, index: Tensor, ids: Tensor, x: Tensor) -> dict[str, Tensor]:
        """One learning step on a batch; scalars to log, by name.

        Args:
            index: int64 [B], rows of the examples in the data set.
            ids: int64 [B], the examples' ids, which key the noise.
            x: their images or clips [B, ...] in [-1, 1].
        """
        ...

    def latents(self, examples: Any) -> LatentArrays:
        """Latents [N, d] of each group, of the first N examples that the learner knows any of."""
        ...


def one_hot_groups(model: LatentModel) -> tuple[str, ...]:
    """Groups whose latents are one-hot, given or inferred: nothing moves them by degrees."""
    return (*model.given_groups, *model.class_groups)


def has_geometry(model: LatentModel) -> bool:
    """Whether the model deforms: a plain generator has no group "geometry"."""
    return "geometry" in model.latent_dims
