"""A trained model as .tflite files for phones and browsers."""

import contextlib
import os
import tempfile
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from dgn_tf.serving.signatures import unit
from dgn_tf.utils.errors import InputError

QUANTIZATIONS = ("float32", "float16", "dynamic", "int8")
# A part of a model, and what it makes.
OUTPUTS = {"geometry": "displacement", "appearance": "canonical", "generator": "image"}
# Latents that ranges are measured on, and that errors are: never the same.
_CALIBRATION, _TEST = 300, 200


class Conversion(NamedTuple):
    """A .tflite file in memory, and how far from the Keras model it is.

    `errors` are those at the 99th percentile and at most, over pixels and examples: the length of
    the difference in pixels for a displacement, the greatest of the channels' differences on the
    scale [0, 1] for images.
    """

    content: bytes
    errors: tuple[float, float]


def make_parts(model):
    """Functions of one example that a device may want: {part: `tf.function`}.

    geometry: z_geometry [1, d_g] to displacement; appearance: z_appearance [1, d_a] to canonical in
    [0, 1]; generator: both to image. A model without geometry has the generator alone.

    Args:
        model: of images, as `portable` makes it; of clips, its emission.
    """
    dims = dict(model.latent_dims)

    def generate(*values):
        z = dict(zip(dims, values, strict=True))
        parts = {name: model.part(name, value) for name, value in z.items()}
        return {OUTPUTS["generator"]: unit(model.combine(parts))}

    parts = {"generator": _function(generate, dims)}
    if "geometry" in dims:
        parts["geometry"] = _function(
            lambda z: {OUTPUTS["geometry"]: model.part("geometry", z)},
            {"geometry": dims["geometry"]},
        )
        parts["appearance"] = _function(
            lambda z: {OUTPUTS["appearance"]: unit(model.part("appearance", z))},
            {"appearance": dims["appearance"]},
        )
    return parts


def calibration_latents(model, chains):
    """Latents that occur: to measure ranges on, and others to measure errors on.

    Args:
        model: as of `make_parts`.
        chains: latents of training examples, [N, d] by group, or None for draws from the prior.

    Returns:
        Two dicts of float32 [n, d] by input name.
    """
    rng = np.random.default_rng(0)
    count = _CALIBRATION + _TEST
    drawn = {}
    for name, dim in model.latent_dims.items():
        chain = None if chains is None else chains.get(name)
        if chain is None:
            drawn[name] = rng.standard_normal((count, dim))
        else:
            # Of a model of clips: Z_0, the first numbers of the packed latents.
            drawn[name] = chain[:, :dim]
    rows = rng.permutation(min(len(z) for z in drawn.values()))[:count]
    split = max(1, round(len(rows) * _CALIBRATION / count))
    return tuple(
        {f"z_{name}": np.float32(z[chosen]) for name, z in drawn.items()}
        for chosen in (rows[:split], rows[split:] if len(rows) > split else rows)
    )


def convert(function, quantization, calibration, test):
    """One part in one quantization.

    Args:
        function: one of `make_parts`.
        quantization: "float32"; "float16" weights; "dynamic": int8 weights; "int8": integers
            throughout, with inputs and outputs in float32.
        calibration: latents [n, d] by input, that occur.
        test: others, to measure errors on.

    Returns:
        A `Conversion`; its model has built-in operations and no variables.

    Raises:
        InputError: the converter makes something that does not run, or is not finite.
    """
    names = [spec.name for spec in function.input_signature]
    with tempfile.TemporaryDirectory() as folder:
        archive = keras.export.ExportArchive()
        trace = function.get_concrete_function()
        archive.add_endpoint(
            "serve", lambda *z: trace(*z), input_signature=list(function.input_signature)
        )
        archive.write_out(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["serve"])
        _quantize(converter, quantization, [calibration[name] for name in names], names)
        with _quiet():
            content = converter.convert()
    found = run(content, {name: test[name] for name in names})
    wanted = np.concatenate(
        [
            next(iter(function(*(z[i : i + 1] for z in map(test.get, names))).values())).numpy()
            for i in range(len(test[names[0]]))
        ]
    )
    if not np.isfinite(found).all():
        raise InputError(f"the {quantization} conversion gives numbers that are not finite.")
    difference = np.abs(found - wanted)
    if OUTPUTS["geometry"] in function.get_concrete_function().structured_outputs:
        errors = np.linalg.norm(difference, axis=-1)
    else:
        errors = difference.max(axis=-1)
    return Conversion(content, (float(np.quantile(errors, 0.99)), float(errors.max())))


def run(content, inputs):
    """The output of a .tflite model for inputs [n, d], example after example.

    Args:
        content: of the file.
        inputs: {input: array}.
    """
    with _quiet():
        runner = require_litert()(model_content=content).get_signature_runner()
    rows = zip(*inputs.values(), strict=True)
    results = [runner(**{n: z[None] for n, z in zip(inputs, row, strict=True)}) for row in rows]
    return np.concatenate([next(iter(result.values())) for result in results])


def require_litert():
    """The interpreter of the package ai-edge-litert.

    Raises:
        InputError: it is not installed.
    """
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise InputError(
            "--format=tflite measures what it makes with ai-edge-litert: "
            'pip install "dgn_tf[lite]".'
        ) from None
    return Interpreter


def _quantize(converter, quantization, calibration, names):
    if quantization == "float32":
        return
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantization == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if quantization == "int8":
        converter.representative_dataset = lambda: (
            ("serve", dict(zip(names, (z[None] for z in row), strict=True)))
            for row in zip(*calibration, strict=True)
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]


@contextlib.contextmanager
def _quiet():
    """Keep the converter's log, which no flag silences, off standard error."""
    before, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(null)


def _function(python_function, dims):
    specs = [tf.TensorSpec([1, dim], tf.float32, f"z_{name}") for name, dim in dims.items()]
    return tf.function(python_function, input_signature=specs, autograph=False)
