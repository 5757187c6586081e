"""What a training learns from and with: its data and its networks, before the first step."""

import dataclasses
import logging
from typing import Any

import keras
import tensorflow as tf

from dgn_tf.config import Config
from dgn_tf.data.cropping.noted import noted_faces
from dgn_tf.data.examples import Examples
from dgn_tf.data.sources import paths_of, with_kind
from dgn_tf.models.discriminator import Discriminator
from dgn_tf.models.factory import make_model, proposing_encoder
from dgn_tf.runs.caller import Caller, Weights
from dgn_tf.runs.examples import run_examples
from dgn_tf.runs.preparing import freeze, given_training_latents, summary
from dgn_tf.runs.restoring import initialize_encoder, initialize_from, weights_checksum
from dgn_tf.training.devices import Devices
from dgn_tf.types import LatentArrays

_log = logging.getLogger(__name__)


@dataclasses.dataclass
class Prepared:
    """What a training learns from and with.

    Attributes:
        config: its settings; `data` has its kind in front.
        devices: that learn together.
        examples: the training examples.
        held_out: the examples to measure on, or None.
        given: one-hot labels [N, d] by group, of a labeled model.
        model: the model, made in the scope of the devices' strategy.
        encoder: that proposes latents, made in the same scope, or None.
        begun_from: the `weights_checksum` of the model that the networks begin with, or empty.
    """

    config: Config
    devices: Devices
    examples: Examples
    held_out: Examples | None
    given: LatentArrays
    model: Any
    encoder: keras.Model | None
    begun_from: str

    def begin_with(self, weights: Weights) -> None:
        """Give the networks the weights that they begin with."""
        self.model.set_weights(weights.model)
        if self.encoder is not None and weights.encoder is not None:
            try:
                self.encoder.set_weights(weights.encoder)
            except ValueError:
                _log.warning("The encoder that is there has other layers: a new one begins.")
        self.begun_from = weights_checksum(self.model)


def with_noted_kind(config: Config) -> Config:
    """The run says what a path was taken for and how it was made, whatever is there later."""
    spec = with_kind(config.data.data)
    faces = config.data.faces or noted_faces(paths_of(spec))
    data = dataclasses.replace(config.data, data=spec, faces=faces)
    return dataclasses.replace(config, data=data)


def prepare(
    config: Config,
    devices: Devices,
    init_from: str,
    caller: Caller,
    folders: list[str] | None = None,
) -> Prepared:
    """Reads the data, unless they are given, and makes the networks.

    Args:
        config: the settings.
        devices: that learn together.
        init_from: folder of a run that the networks begin with, or empty.
        caller: what a Python program gives.
        folders: that a labeled run which goes on has numbered its classes by, or None.

    Raises:
        InputError: the data cannot be read, or do not suit the model.
    """
    # Without it the order in which threads meet would change the last bits, and a resumed run would
    # not be the same as one that was never interrupted.
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(config.learning.seed)
    data = config.data
    examples, held_out = run_examples(config, caller.examples)
    held_out = held_out or caller.validation
    given = given_training_latents(config, examples, folders)
    with devices.together(), devices.strategy.scope():
        model = make_model(config.model, data.side, data.channels, data.frames)
        begun_from = initialize_from(model, config, init_from) if init_from else ""
        encoder = _encoder(config, model, init_from)
    freeze(model, config)
    return Prepared(config, devices, examples, held_out, given, model, encoder, begun_from)


def described(prepared: Prepared) -> str:
    """What people are told before the first step: settings, data, networks and held-out images."""
    config, examples = prepared.config, prepared.examples
    discriminator = new_discriminator(config, examples)
    lines = summary(config, examples, prepared.model, discriminator, prepared.encoder)
    if prepared.held_out is None:
        return lines
    held_out = f"{len(prepared.held_out)} more, for val_msre (fewer steps than evaluate takes)"
    return f"{lines}\nheld out: {held_out}"


def new_discriminator(config: Config, examples: Examples) -> keras.Model | None:
    """An untrained discriminator, if the settings ask for one."""
    learning = config.learning
    if not learning.adversarial:
        return None
    return Discriminator(
        examples.side,
        examples.channels,
        learning.discriminator_width,
        learning.minibatch_deviation,
        dtype=config.model.precision,
    )


def _encoder(config: Config, model: Any, init_from: str) -> keras.Model | None:
    """The encoder that proposes latents, as learning begins, if the settings ask for one.

    Args:
        config: the settings.
        model: whose latents it proposes.
        init_from: folder of a run whose encoder it begins with, or empty.
    """
    encoder = proposing_encoder(config, model)
    if encoder is not None and init_from:
        initialize_encoder(encoder, init_from)
    return encoder
