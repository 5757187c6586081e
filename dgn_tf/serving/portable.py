"""A trained model made of plain float32 operations, which any runtime has."""

import dataclasses
from typing import Any

from dgn_tf.config import Config
from dgn_tf.models.autoencoder import EncodedGenerator
from dgn_tf.models.deformable import DeformableGenerator
from dgn_tf.models.dynamic import DynamicDeformableGenerator
from dgn_tf.models.factory import make_model
from dgn_tf.ops.conv_transpose import Deconvolution
from dgn_tf.ops.layers import leaf_layers
from dgn_tf.utils.errors import InputError


def portable(config: Config, model: Any) -> Any:
    """A copy of a trained model without compiled, recomputed or low-precision operations.

    TF Serving and LiteRT have no XLA, and a SavedModel with a compiled function fails there.

    Args:
        config: the settings of its run.
        model: the trained model.

    Returns:
        A model with the same weights and, up to rounding, the same outputs.

    Raises:
        InputError: a model that has no signatures to export.
    """
    if config.model.model == "mocogan":
        raise InputError(
            "`model=mocogan` cannot be exported: it is a baseline to compare with, and has neither "
            "a canonical image nor a displacement."
        )
    data = config.data
    settings = dataclasses.replace(config.model, precision="float32", frames_per_chunk=0)
    copy = make_model(settings, data.side, data.channels, data.frames)
    copy.set_weights(model.get_weights())
    deforming = deforming_generator(copy)
    if deforming is not None:
        deforming.jit_compile_warp = False
    for network in copy.networks.values():
        for layer in leaf_layers(network):
            if isinstance(layer, Deconvolution):
                layer.plain = True
    return copy


def portable_encoder(encoder: Any) -> Any:
    """A copy of an encoder that computes in float32, with the same weights."""
    copy = type(encoder).from_config({**encoder.get_config(), "dtype": "float32"})
    copy.set_weights(encoder.get_weights())
    return copy


def image_generator(model: Any) -> Any:
    """The model of single images that is in a model of clips; a model of images is its own."""
    return model.emission if isinstance(model, DynamicDeformableGenerator) else model


def deforming_generator(model: Any) -> DeformableGenerator | None:
    """The `DeformableGenerator` that is in a model, or None if nothing deforms."""
    inner = image_generator(model)
    if isinstance(inner, EncodedGenerator):
        inner = inner.generator
    return inner if isinstance(inner, DeformableGenerator) else None
