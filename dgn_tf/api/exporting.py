"""Generators as files: of Keras, for servers, for devices and for the web."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from dgn_tf.api.hub import HUB, hub_error
from dgn_tf.api.settings import near
from dgn_tf.config.export import ENCODER, FORMATS, QUANTIZATIONS
from dgn_tf.explorer.web import write_web
from dgn_tf.models.autoencoder import EncodedGenerator
from dgn_tf.serving import convert
from dgn_tf.serving.portable import image_generator, portable, portable_encoder
from dgn_tf.serving.saved_model import export_saved_model
from dgn_tf.types import LatentArrays
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import atomic_write, looks_like_file, user_path

if TYPE_CHECKING:
    from dgn_tf.api.generator import Generator

_PLACES = (
    "there are NAME.tflite and folders, whose names have no suffix: a SavedModel or, with "
    '`format="web"`, a page. NAME.keras is written by `save`.'
)
# Draws from the training latents' distribution that ranges of integers are measured on.
_DRAWN = 500


def save(
    model: "Generator", filepath: str | os.PathLike, overwrite: bool, options: dict[str, Any]
) -> None:
    """Save a generator as Keras does; arguments and errors as of `Generator.save`."""
    path = os.fspath(filepath)
    if path.startswith(HUB):
        if not overwrite:
            raise InputError(
                f"`overwrite=False` is for files: {HUB} keeps the versions before. Leave it out."
            )
        try:
            keras.saving.save_model(model, path, **options)
        # The libraries that reach the Hub raise errors of many kinds.
        except Exception as error:
            raise hub_error("filepath", path, error) from error
        return
    target = user_path(path)
    if target.suffix != ".keras":
        raise InputError(f"`filepath={path}`: must end in .keras, or begin with {HUB}.")
    if target.is_dir():
        raise InputError(f"`filepath={path}` is a folder: name a file.")
    if target.exists() and not overwrite:
        raise InputError(f"`filepath={path}` is there: name another, or give overwrite=True.")
    with atomic_write(target) as partial:
        keras.saving.save_model(model, partial, **options)


def export(
    model: "Generator",
    path: str | os.PathLike,
    part: str = "generator",
    quantization: str = "float32",
    format: str | None = None,
) -> Path:
    """Write a generator for servers, devices or the web.

    Args:
        model: a trained generator.
        path: NAME.tflite, or a folder: a name without a suffix.
        part: of a .tflite file: generator, geometry, appearance or encoder.
        quantization: of a .tflite file: float32, float16, dynamic or int8.
        format: "tflite", "saved_model" (a new version in the folder, for TF Serving) or "web" (a
            page of sliders in the folder); None takes that of the path's suffix.

    Raises:
        InputError: an argument cannot be used, or what it needs is not installed.
    """
    target = user_path(path)
    chosen = format or ("tflite" if target.suffix == ".tflite" else "saved_model")
    if chosen not in FORMATS:
        raise InputError(f"`format={format}`: there is no such format{near(chosen, FORMATS)}")
    if target.suffix != ".tflite" if chosen == "tflite" else looks_like_file(target):
        raise InputError(f"`path={path}` is no place for `format={chosen}`: {_PLACES}")
    if chosen == "tflite":
        return _tflite(model, target, part, quantization)
    if part != "generator" or quantization != "float32":
        raise InputError("`part` and `quantization` are of .tflite files: name the path so.")
    if chosen == "web":
        return _web(model, target)
    if not re.fullmatch(r"[A-Za-z0-9_][\w.-]*", target.name, re.ASCII):
        raise InputError(
            f"`path={path}`: the folder's name becomes part of a server's addresses: letters, "
            "digits, dots, dashes and underscores."
        )
    return export_saved_model(
        model.config,
        model.network,
        target,
        chains=_typical(model),
        directions=model.known.directions.groups if model.known.directions else None,
        folders=model.known.folders,
        encoder=model.encoder,
        statistics=model.known.statistics,
    )


def _typical(model: "Generator") -> LatentArrays | None:
    """Latents as those of the training examples, as far as they are known."""
    statistics = model.known.statistics
    return None if statistics is None else statistics.sample(_DRAWN)


def _tflite(model: "Generator", target: Path, part: str, quantization: str) -> Path:
    convert.require_litert()
    plain = image_generator(portable(model.config, model.network))
    network = model.network
    encoder = network.encoder if isinstance(network, EncodedGenerator) else model.encoder
    usable = encoder is not None and not model.clips and not network.class_groups
    parts = convert.make_parts(plain, portable_encoder(encoder) if usable else None)
    for name, value, known in (
        ("part", part, parts),
        ("quantization", quantization, QUANTIZATIONS),
    ):
        if value not in known:
            raise InputError(f"`{name}={value}`: there is no such {name}{near(value, known)}")
    latents = convert.calibration_latents(plain, _typical(model))
    if part == ENCODER:
        latents = tuple(convert.with_images(plain, each) for each in latents)
    made = convert.convert(parts[part], quantization, *latents)
    with atomic_write(target) as partial:
        partial.write_bytes(made.content)
    return target


def _web(model: "Generator", target: Path) -> Path:
    directions = model.known.directions
    groups = directions.groups if directions else None
    encoder = None if model.clips else model.encoder
    return write_web(target, model.config, model.network, groups, model.known.folders, encoder)
