"""A trained model as .tflite files for phones and browsers."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from dgn_tf.config.export import ENCODER, OUTPUTS
from dgn_tf.inference.starts import guess_of
from dgn_tf.serving.lite import make_interpreter
from dgn_tf.serving.signatures import Signatures, signed, unit
from dgn_tf.types import LatentArrays, LatentModel, Tensor
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import atomic_write, user_path
from dgn_tf.utils.ownership import LITE, Ownership
from dgn_tf.utils.quiet import quiet_libraries, quiet_logs

# Latents that ranges are measured on, and others that errors are measured on.
_CALIBRATION, _TEST = 300, 200


class Conversion(NamedTuple):
    """A .tflite file in memory, and how far from the Keras model it is.

    Attributes:
        content: of the file.
        errors: at the 99th percentile and at most, over pixels and examples: for a displacement the
            length of the difference in pixels, for images the greatest of the channels' differences
            on the scale [0, 1], for an encoder the greatest difference of an example's latents.
    """

    content: bytes
    errors: tuple[float, float]


def make_parts(model: LatentModel, encoder: keras.Model | None = None) -> Signatures:
    """Functions of any number of examples that a device may need, by part.

    geometry: z_geometry [B, d_g] to displacement; appearance: z_appearance [B, d_a] to canonical in
    [0, 1]; generator: both to image; encoder: image [B, S, S, C] in [0, 1] to the latents that it
    guesses. A model without geometry has generator and encoder alone.

    Args:
        model: of images, as `portable` makes it; of clips, its `image_generator`.
        encoder: of images, as `portable_encoder` makes it, or None for no such part.
    """
    dims = dict(model.latent_dims)

    def generate(*values: Tensor) -> dict[str, Tensor]:
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
    if encoder is not None:
        size = [encoder.settings[name] for name in ("side", "channels")]
        spec = tf.TensorSpec([None, size[0], *size], tf.float32, "image")
        parts[ENCODER] = tf.function(
            lambda x: {f"z_{name}": z for name, z in guess_of(encoder, signed(x)).items()},
            input_signature=[spec],
            autograph=False,
        )
    return parts


def calibration_latents(
    model: LatentModel, chains: LatentArrays | None
) -> tuple[LatentArrays, LatentArrays]:
    """Typical latents: some to measure ranges on, and others to measure errors on.

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
    calibration, test = rows[:split], rows[split:] if len(rows) > split else rows
    return _chosen(drawn, calibration), _chosen(drawn, test)


def with_images(model: LatentModel, latents: LatentArrays) -> LatentArrays:
    """Latents [n, d] by input name, and as "image" the images in [0, 1] that a model makes of them.

    Args:
        model: as of `make_parts`.
        latents: some of `calibration_latents`.
    """
    z = {name: latents[f"z_{name}"] for name in model.latent_dims}
    rows = range(len(next(iter(z.values()))))
    made = [unit(model({n: tf.constant(each[i : i + 1]) for n, each in z.items()})) for i in rows]
    return {**latents, "image": np.concatenate(made)}


def _chosen(latents: LatentArrays, rows: np.ndarray) -> LatentArrays:
    return {f"z_{name}": z[rows].astype(np.float32) for name, z in latents.items()}


def write_tflite(
    folder: Path,
    parts: Mapping[str, Any],
    quantizations: Iterable[str],
    calibration: LatentArrays,
    test: LatentArrays,
) -> Iterator[tuple[str, str, Conversion]]:
    """Write `folder`/PART_QUANTIZATION.tflite for each part in each quantization.

    Args:
        folder: is made if need be.
        parts: some of `make_parts`.
        quantizations: some of `QUANTIZATIONS`.
        calibration: latents to measure ranges on, as of `calibration_latents`.
        test: latents to measure errors on.

    Yields:
        Part, quantization and `Conversion` of each file, once it is written.

    Raises:
        InputError: the folder cannot be made, a file is there that this program has not written,
            or a conversion does not work.
    """
    folder = user_path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"`output_dir`: {folder} cannot be made: {error.strerror}.") from None
    owned, quantizations = Ownership(folder, LITE), list(quantizations)
    files = [f"{part}_{quantization}.tflite" for part in parts for quantization in quantizations]
    for name in files:
        if name not in owned.names and (folder / name).exists():
            raise InputError(
                f"`output_dir`: {folder / name} is there, and is not recorded as an export of this "
                "program: remove it yourself, or name another folder."
            )
    owned.add(files)
    for part, function in parts.items():
        for quantization in quantizations:
            made = convert(function, quantization, calibration, test)
            with atomic_write(folder / f"{part}_{quantization}.tflite") as partial:
                partial.write_bytes(made.content)
            yield part, quantization, made


def convert(
    function: Any, quantization: str, calibration: LatentArrays, test: LatentArrays
) -> Conversion:
    """One part in one quantization.

    Args:
        function: one of `make_parts`.
        quantization: "float32"; "float16" weights; "dynamic": int8 weights; "int8": integers
            throughout, with inputs and outputs in float32.
        calibration: latents [n, d] (and images) by input, to measure ranges on.
        test: others, to measure errors on.

    Returns:
        The conversion; its model has built-in operations and no variables.

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
        with quiet_libraries(), quiet_logs():
            archive.write_out(folder, verbose=False)
            converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["serve"])
            _quantize(converter, quantization, [calibration[name] for name in names], names)
            content = converter.convert()
    found = run(content, {name: test[name] for name in names})
    wanted = np.concatenate(
        [
            _joined(function(*(test[name][i : i + 1] for name in names)))
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


def run(content: bytes, inputs: LatentArrays) -> np.ndarray:
    """The output of a .tflite model, example after example.

    Args:
        content: of the file.
        inputs: [n, ...] by name.

    Returns:
        [n, ...]; several outputs one after the other in the last axis, in the order of their names.
    """
    rows = zip(*inputs.values(), strict=True)
    # What it has made of the file it says at the first example.
    with quiet_libraries():
        runner = make_interpreter(model_content=content).get_signature_runner()
        results = [runner(**{n: z[None] for n, z in zip(inputs, row, strict=True)}) for row in rows]
    return np.concatenate([_joined(result) for result in results])


def _joined(outputs: Mapping[str, Any]) -> np.ndarray:
    """The outputs of one example, in the order of their names."""
    return np.concatenate([np.asarray(outputs[name]) for name in sorted(outputs)], axis=-1)


def require_litert() -> None:
    """Check that the package ai-edge-litert is there, which what is converted is measured with.

    Raises:
        InputError: it is not installed.
    """
    try:
        import ai_edge_litert.interpreter  # noqa: F401
    except ImportError:
        raise InputError(
            "`format=tflite` measures what it makes with ai-edge-litert: "
            'pip install "dgn_tf[lite]".'
        ) from None


def _quantize(
    converter: Any, quantization: str, calibration: list[np.ndarray], names: list[str]
) -> None:
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


def _function(python_function: Callable[..., dict[str, Tensor]], dims: Mapping[str, int]) -> Any:
    specs = [tf.TensorSpec([None, dim], tf.float32, f"z_{name}") for name, dim in dims.items()]
    return tf.function(python_function, input_signature=specs, autograph=False)
