"""A Keras model from a SavedModel that `saved_model` wrote."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from dgn_tf.cli.paths import version_folder
from dgn_tf.config import Config
from dgn_tf.models.factory import encoder_of, make_model
from dgn_tf.serving.saved_model import (
    CONFIG,
    ENCODER,
    ENCODER_WEIGHTS,
    FOLDERS,
    LATENTS,
    WEIGHTS,
)
from dgn_tf.types import LatentArrays
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import literal_path, user_path
from dgn_tf.utils.npz_files import read_npz
from dgn_tf.utils.reading import read_text

_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"


class Exported(NamedTuple):
    """An exported model.

    Attributes:
        config: the settings of its run.
        model: the Keras model.
        latents: [N, d] of training examples by group, or None where there are none.
        folders: those that a labeled model numbers its classes by, or None.
        encoder: that guesses the latents of images or clips, or None.
    """

    config: Config
    model: Any
    latents: LatentArrays | None
    folders: list[str] | None
    encoder: keras.Model | None


def load(path: Path) -> Exported:
    """An exported model, its settings and what goes with it.

    Args:
        path: saved_models/NAME or saved_models/NAME/VERSION, a path.

    Raises:
        InputError: there is none, or its files are damaged.
    """
    folder = version_folder(user_path(path))
    try:
        config = Config.from_json(read_text(folder / CONFIG))
        data = config.data
        model = make_model(config.model, data.side, data.channels, data.frames)
        latents = folders = encoder = None
        with literal_path(folder / "variables") as readable:
            reader = tf.train.load_checkpoint(str(readable / "variables"))
            _fill(model, reader, WEIGHTS)
            if (folder / ENCODER).is_file():
                described = json.loads(read_text(folder / ENCODER))
                encoder = encoder_of(described)
                _fill(encoder, reader, ENCODER_WEIGHTS)
        if (folder / LATENTS).is_file():
            latents = read_npz(str(folder / LATENTS))
        if (folder / FOLDERS).is_file():
            folders = json.loads(read_text(folder / FOLDERS))
    # What a damaged file makes of each reader.
    except (OSError, KeyError, ValueError, TypeError, IndexError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"`saved_model={path}` cannot be read: {reason}") from None
    return Exported(config, model, latents, folders, encoder)


def _fill(network: keras.Model, reader: Any, collection: str) -> None:
    """Gives a network the weights of a collection among the variables of an export."""
    for index, weight in enumerate(network.weights):
        weight.assign(reader.get_tensor(f"{collection}/{index}{_VALUE}"))
