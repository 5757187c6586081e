"""What a training begins with: labels, networks, and a summary of all for people."""

import os
import shlex
import textwrap
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from dgn_tf.config import Config
from dgn_tf.config.serialization import flagfile
from dgn_tf.data.batches import steps_per_epoch
from dgn_tf.data.examples import Examples
from dgn_tf.data.labels import class_labels
from dgn_tf.runs.restoring import given_latents
from dgn_tf.training.memory import step_memory
from dgn_tf.types import EncodedModel, LatentArrays
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.words import counted


def given_training_latents(
    config: Config, examples: Examples, folders: list[str] | None = None
) -> LatentArrays:
    """What a labeled model is given of its training examples.

    Args:
        config: the settings.
        examples: the N training examples.
        folders: those that a run which goes on has numbered its classes by.

    Returns:
        One-hot labels [N, d] by latent group: none for other models.

    Raises:
        InputError: the data lack the labels that the model needs.
    """
    given = given_latents(config, examples, folders)
    for group, labels in given.items():
        missing = np.flatnonzero(~labels.any(axis=0))
        if len(missing):
            raise InputError(
                f"`appearance=label`: no example has the label {missing[0]}, and "
                f"`{group}_dim={labels.shape[1]}` asks for 0 to {labels.shape[1] - 1}: give the "
                "number of classes, and data (`limit`) that have them all."
            )
    if config.model.appearance == "categorical":
        # The labels that classes will be compared with are missed now, not after the training.
        class_labels(examples, config.data.label)
    return given


def freeze(model: Any, config: Config) -> None:
    """Keep the weights of the network that `freeze` names from changing.

    Raises:
        InputError: the model has no such network.
    """
    name = config.learning.freeze
    if name and name not in model.networks:
        raise InputError(
            f"`freeze={name}`: `model={config.model.model}` has no such network; it has "
            f"{', '.join(model.networks)}."
        )
    if name:
        model.networks[name].trainable = False


def summary(
    config: Config,
    examples: Examples,
    model: Any,
    discriminator: keras.Model | None = None,
    encoder: keras.Model | None = None,
) -> str:
    """Settings that differ from the defaults, data, networks, memory and device, for people.

    Args:
        config: the settings.
        examples: what is learned from.
        model: the model.
        discriminator: that judges its images, if there is one.
        encoder: that proposes latents, if there is one.
    """
    noun = "image" if examples.frames is None else "clip"
    count = counted(len(examples) // (1 + config.data.mirror), noun)
    if config.data.mirror:
        count += " and their mirror images"
    kind = "" if examples.frames is None else f" of {counted(examples.frames, 'frame')}"
    networks = " + ".join(
        f"{network.count_params():,} ({name}{'' if network.trainable else ', frozen'})"
        for name, network in model.networks.items()
    )
    lines = [
        textwrap.fill(f"settings: {changed_settings(config)}", 120, subsequent_indent="  "),
        f"data: {count}{kind} of {examples.side}x{examples.side}x{examples.channels}",
        f"parameters: {networks}",
    ]
    if discriminator is not None:
        lines.append(f"discriminator: {discriminator.count_params():,} parameters")
    if encoder is not None:
        lines.append(f"encoder: {encoder.count_params():,} parameters")
    per_epoch = steps_per_epoch(len(examples), config.learning.batch_size, config.learning.shards)
    memory = _memory(config, examples, model, discriminator, encoder)
    gpus = tf.config.list_logical_devices("GPU")
    device = ", ".join(gpu.name for gpu in gpus) or f"CPU, {os.cpu_count()} cores"
    lines += [
        f"steps: {counted(config.learning.epochs, 'epoch')} of {per_epoch:,}",
        f"memory: about {memory / 1e9:.1f} GB for a step",
        f"device: {device}",
    ]
    return "\n".join(lines)


def changed_settings(config: Config) -> str:
    """The settings that differ from the defaults, as flags for the shell."""
    defaults = type(config)().settings()
    changed = {
        name: value for name, value in config.settings().items() if value[0] != defaults[name][0]
    }
    return shlex.join(flagfile(changed).splitlines()[1:]) or "those that are usual"


def _memory(
    config: Config,
    examples: Examples,
    model: Any,
    discriminator: keras.Model | None,
    encoder: keras.Model | None,
) -> int:
    """Bytes that a step takes, see `step_memory`."""
    learning, encoded = config.learning, isinstance(model, EncodedModel)
    inferred = not (encoded or (discriminator is not None and not learning.likelihood_weight))
    return step_memory(
        model,
        min(learning.batch_size, len(examples)),
        frames=examples.frames or 1,
        examples=0 if encoded else len(examples),
        langevin_steps=learning.langevin_steps if inferred else 0,
        discriminator=discriminator,
        encoder=encoder,
    )
