"""The explorer's sliders as a folder of static files: no server, no installation, no network.

The page computes the generators and the encoder itself. They are a dense layer and convolutions,
for which a runtime would be twenty times the size of the model.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import numpy as np

from dgn_tf.config import Config
from dgn_tf.explorer.describe import describe, prior_directions
from dgn_tf.explorer.server import SCRIPTS, read_static
from dgn_tf.models.autoencoder import EncodedGenerator
from dgn_tf.models.baselines.abp import PlainGenerator
from dgn_tf.models.deformable import DeformableGenerator
from dgn_tf.models.generators import AppearanceGenerator, GeometricGenerator
from dgn_tf.types import LatentModel, one_hot_groups
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import user_path
from dgn_tf.utils.folders import atomic_folder
from dgn_tf.utils.ownership import PAGE, Ownership
from dgn_tf.visualize.directions import Directions

FOLDER = "web"
# The files of the page, and what they are put together from.
_PAGE = {
    "index.html": ("index.html",),
    "style.css": ("style.css",),
    **{name: (name,) for name in SCRIPTS},
    "backend.js": ("networks.js", "gif.js", "live.js", "web.js"),
}
# The file with the model, and how it begins.
_MODEL, _BEGIN = "model.js", "const MODEL = "


def write_web(
    target: Path,
    config: Config,
    model: LatentModel,
    directions: Mapping[str, Directions] | None,
    classes: Sequence[str] | None = None,
    encoder: keras.Model | None = None,
) -> Path:
    """Writes `target`/web with index.html, which a browser can open from a disk or any server.

    Args:
        target: folder of the model, which names it.
        config: the `Config` of its run.
        model: the trained model.
        directions: along which the sliders move, for each group that is not one-hot; None takes
            `prior_directions`.
        classes: names of the classes of a labeled model, or None.
        encoder: that guesses the latents of photographs, which the page then takes; or None.

    Returns:
        The folder; a page that was there before is replaced.

    Raises:
        InputError: the model has layers that the page has not, or the folder holds something else
            or cannot be written.
    """
    networks, arrays = _networks(config, model)
    guessing, more = _guessing(model, encoder, sum(array.size for array in arrays))
    weights = np.concatenate([array.ravel() for array in arrays + more])
    shape = config.data.side, config.data.channels
    description = {
        **describe(target.name, model, shape, directions or prior_directions(model), classes),
        # As what the directions of the page are spread.
        "samples": ["training" if directions else "prior"],
        "border": config.model.border,
        "networks": networks,
        "encoder": guessing,
        "weights": base64.b64encode(weights.astype("<f2").tobytes()).decode(),
    }
    folder = user_path(target) / FOLDER
    _record_older(folder)
    try:
        with atomic_folder(folder, PAGE) as partial:
            for name, sources in _PAGE.items():
                (partial / name).write_bytes(b"\n".join(map(read_static, sources)))
            text = f"{_BEGIN}{json.dumps(description)};\n"
            (partial / _MODEL).write_text(text, "utf-8")
    except OSError as error:
        raise InputError(f"`output_dir`: {folder} cannot be written: {error.strerror}.") from None
    return folder


def _record_older(folder: Path) -> None:
    """Make up for the record of a page that a version which kept none has written."""
    owned, model = Ownership(folder, PAGE), folder / _MODEL
    if not owned.recorded and model.is_file():
        with open(model, encoding="utf-8", errors="replace") as file:
            written = file.read(len(_BEGIN)) == _BEGIN
        if written:
            owned.add(name for name in (*_PAGE, _MODEL) if (folder / name).is_file())


def _guessing(
    model: LatentModel, encoder: keras.Model | None, start: int
) -> tuple[dict | None, list[np.ndarray]]:
    """The layers of an encoder that guesses all latents, and its weights; (None, []) without."""
    encoder = model.encoder if isinstance(model, EncodedGenerator) else encoder
    if encoder is None or one_hot_groups(model):
        return None, []
    layers, arrays = [], []
    dims, each = encoder.settings["latent_dims"], 2 if encoder.settings["variance"] else 1
    for layer in encoder.network.layers:
        if not isinstance(layer, keras.layers.Dense | keras.layers.Conv2D):
            continue
        kernel, bias = (np.asarray(weight, np.float32) for weight in layer.get_weights())
        if isinstance(layer, keras.layers.Dense):
            # A convolution without a border of the 4x4 map, of the means alone.
            heads = np.split(np.arange(bias.size), np.cumsum(np.repeat(list(dims.values()), each)))
            means = np.concatenate(heads[: each * len(dims) : each])
            kernel, bias = kernel[:, means].reshape(4, 4, -1, means.size), bias[means]
            stride = 4
        else:
            stride = layer.strides[0]
        layers.append(_convolution(layer, kernel, bias, stride, start))
        arrays += [kernel, bias]
        start += kernel.size + bias.size
    return {"layers": layers, "dims": dims}, arrays


def _networks(config: Config, model: LatentModel) -> tuple[dict, list[np.ndarray]]:
    """The layers of each group, and their weights one after the other, float32."""
    inner = model.generator if isinstance(model, EncodedGenerator) else model
    plain = isinstance(inner, DeformableGenerator | PlainGenerator)
    parts = inner.networks if plain and not config.data.frames else {}
    if not parts or not all(
        isinstance(part, AppearanceGenerator | GeometricGenerator) for part in parts.values()
    ):
        raise InputError(
            "`format=web` is for `model=deformable` without `refinement`, deformable_vae, abp and "
            "vae: the page has no other layers."
        )
    networks, weights = {}, []
    for group, part in parts.items():
        start = sum(array.size for array in weights)
        layers, arrays = _layers(part.decoder, start)
        weights += arrays
        networks[group] = {"layers": layers}
        if group == "geometry":
            smoothing = part.settings["smoothing"] * part.settings["side"]
            networks[group] |= {"maxPixels": part.max_pixels, "smoothing": smoothing}
    return networks, weights


def _layers(decoder: keras.Model, start: int) -> tuple[list[dict], list[np.ndarray]]:
    """Layers of a decoder as transposed convolutions [kernel, kernel, inputs, outputs].

    The dense layer to a 4x4 map is one of a 1x1 map; a rescaling before a layer goes into its
    weights.
    """
    layers, arrays, scale = [], [], 1.0
    for layer in decoder.layers:
        if isinstance(layer, keras.layers.Rescaling):
            scale = layer.scale
        if not isinstance(layer, keras.layers.Dense | keras.layers.Conv2DTranspose):
            continue
        kernel, bias = (np.asarray(weight, np.float32) for weight in layer.get_weights())
        if isinstance(layer, keras.layers.Dense):
            inputs = kernel.shape[0]
            kernel = kernel.reshape(inputs, 4, 4, -1).transpose(1, 2, 0, 3)
            bias, stride = bias.reshape(16, -1), 4
        else:
            kernel, stride = kernel.transpose(0, 1, 3, 2), layer.strides[0]
        layers.append(_convolution(layer, kernel, bias, stride, start))
        arrays += [kernel * scale, bias]
        start += kernel.size + bias.size
        scale = 1.0
    return layers, arrays


def _convolution(
    layer: keras.Layer, kernel: np.ndarray, bias: np.ndarray, stride: int, start: int
) -> dict:
    """What the page must know of a layer whose weights begin at `start`."""
    side, _, inputs, outputs = kernel.shape
    return {
        "kernel": side,
        "stride": stride,
        "inputs": inputs,
        "outputs": outputs,
        "start": start,
        "biases": bias.size,
        "relu": layer.activation.__name__ == "relu",
    }
