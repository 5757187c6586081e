"""A trained model as a SavedModel, the way TF Serving looks for it."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from dgn_tf.config import Config
from dgn_tf.config.fields import last_value
from dgn_tf.inference.starts import Encoder, lowest_class
from dgn_tf.inference.statistics import FILE as STATISTICS
from dgn_tf.inference.statistics import LatentStatistics
from dgn_tf.models.factory import encoder_settings
from dgn_tf.serving.card import PICTURE, card_picture, model_card
from dgn_tf.serving.clip_signatures import clip_signatures
from dgn_tf.serving.portable import portable, portable_encoder
from dgn_tf.serving.signatures import (
    Signatures,
    encode_function,
    image_signatures,
    of_files,
    reconstruct_function,
)
from dgn_tf.serving.warmup import Requests, write_warmup
from dgn_tf.types import EncodedModel, LatentArrays, Latents, Tensor
from dgn_tf.utils.files import free_path, literal_path, user_path, write_text
from dgn_tf.utils.folders import new_folder
from dgn_tf.utils.quiet import quiet_logs
from dgn_tf.visualize.directions import FILE as DIRECTIONS
from dgn_tf.visualize.directions import Directions, write_directions
from dgn_tf.visualize.images import png_bytes, save_sheet

# {signature: {output: array}}.
Answers = dict[str, dict[str, np.ndarray]]
# The files of a version folder, beside those that TensorFlow writes.
CONFIG, LATENTS, GOLDEN = "config.json", "latents.npz", "golden.npz"
FOLDERS, ENCODER = "folders.json", "encoder.json"
CARD, SUMS = "MODEL_CARD.md", "SHA256SUMS"
# Their weights among the variables, in the order of `Model.weights`.
WEIGHTS, ENCODER_WEIGHTS = "weights", "encoder"
# Latents that are kept: reconstructions to begin with, and ranges for integers.
_KEPT_LATENTS = 2000
# Samples for golden requests and the picture, where no latents are kept.
_DRAWN_LATENTS = 8
# The inputs of golden requests that are single numbers, and the frames of a golden clip.
GOLDEN_NUMBERS = {
    "steps": np.int32(10),
    "seed": np.int64(0),
    "step_size": np.float32(0),
    "sigma": np.float32(0),
}
_GOLDEN_FRAMES = 2
_TOLERANCE = 1e-5
# Pixels in a row of the same value, in golden images: divides the sides of all.
_SQUARE = 4


def model_signatures(config: Config, plain: Any, encoder: Encoder | None = None) -> Signatures:
    """All functions that a model is served with, by name.

    Args:
        config: the settings of its run.
        plain: the model, as `portable` makes it.
        encoder: where "reconstruct" starts, and what "encode" answers; or None.
    """
    data, learning = config.data, config.learning
    settings = last_value(learning.step_size), last_value(learning.sigma)
    if data.frames:
        functions = clip_signatures(plain, *settings, encoder)
        functions |= _of_files(functions, [data.frames, data.side, data.side, data.channels])
        return {"serving_default": functions["generate_clip"], **functions}

    def named(z: Latents) -> dict[str, Tensor]:
        return {f"z_{group}": value for group, value in z.items()}

    shape = [data.side, data.side, data.channels]
    functions = image_signatures(plain)
    functions["reconstruct"] = reconstruct_function(
        plain, shape, "image", named, *settings, encoder
    )
    guess = plain.encode if isinstance(plain, EncodedModel) else encoder
    if guess is not None:
        if plain.class_groups:
            guess = lowest_class(plain, guess, settings[1])
        functions["encode"] = encode_function(guess, shape, "image", named)
    functions |= _of_files(functions, shape)
    return {"serving_default": functions["generate"], **functions}


def _of_files(functions: Signatures, shape: Sequence[int]) -> Signatures:
    """The signatures that take an observation, for files: reconstruct_bytes, encode_bytes."""
    names = [name for name in ("reconstruct", "encode") if name in functions]
    return {f"{name}_bytes": of_files(functions[name], shape) for name in names}


def export_saved_model(
    config: Config,
    model: Any,
    folder: Path,
    *,
    chains: LatentArrays | None = None,
    directions: Mapping[str, Directions] | None = None,
    folders: list[str] | None = None,
    encoder: keras.Model | None = None,
    metrics: Mapping[str, float] | None = None,
    statistics: LatentStatistics | None = None,
    keep_latents: bool = True,
) -> Path:
    """Write a trained model to `folder`/VERSION, VERSION being one above those that are there.

    The version holds the SavedModel, warm-up requests, config.json (from which `exported.load`
    makes the Keras model again), latents.npz (latents of training examples), directions.npz (the
    principal directions that edits follow), statistics.npz (`LatentStatistics`), encoder.json if
    there is one, golden.npz (requests and answers of the Keras model), MODEL_CARD.md with its
    picture, and SHA256SUMS. It is written to a folder beside, read back by the loader of TF
    Serving, compared with the Keras model, and renamed: a server that watches `folder` sees it
    whole.

    Args:
        config: the settings of the run.
        model: the trained model.
        folder: saved_models/NAME; NAME is what it is served as.
        chains: latents of training examples, [N, d] by group, or None.
        directions: principal directions of the latents by group, or None; for a model of clips,
            those of its first frames.
        folders: those that a labeled model numbers its classes by, or None.
        encoder: that guesses the latents of the model, in whatever precision; it becomes part of
            the version, where "reconstruct" starts and what "encode" answers. Or None.
        metrics: what was measured, by name, for the model card.
        statistics: of the latents and errors of training examples, or None.
        keep_latents: whether latents of training examples become part of the version. Without
            them golden requests and picture are of samples drawn from `statistics`, and what
            follows from these (samples, edits along `directions`) stays possible.

    Returns:
        The path of the version folder.

    Raises:
        InputError: a model that cannot be exported, or a folder that cannot be written.
        RuntimeError: the SavedModel's answers differ from those of the Keras model.
    """
    folder, plain = user_path(folder), portable(config, model)
    # Of training examples, or drawn.
    shown = chains if keep_latents else None
    if shown is None and statistics:
        shown = statistics.sample(_DRAWN_LATENTS)
    encoder = None if encoder is None else portable_encoder(encoder)
    partial = free_path(folder / f"partial-{os.getpid()}")
    with new_folder(partial, f"{folder} cannot be written"):
        functions = model_signatures(config, plain, encoder)
        requests = golden_requests(functions, shown)
        _write_functions(partial, plain, functions, encoder)
        answers = {name: answer(functions[name], inputs) for name, inputs in requests.items()}
        _require_equal(answers, answers_of(partial, requests))
        write_text(partial / CONFIG, config.to_json())
        if chains and keep_latents:
            first: dict[str, Any] = {name: z[:_KEPT_LATENTS] for name, z in chains.items()}
            np.savez_compressed(partial / LATENTS, **first)
        if directions:
            write_directions(partial / DIRECTIONS, directions)
        if statistics:
            # The mean of a few images shows these.
            kept = statistics if keep_latents else dataclasses.replace(statistics, mean_image=None)
            kept.save(partial / STATISTICS)
        if encoder is not None:
            described = json.dumps(encoder_settings(encoder), indent=2)
            write_text(partial / ENCODER, described + "\n")
        if folders:
            write_text(partial / FOLDERS, json.dumps(folders) + "\n")
        _write_golden(partial, folder.name, requests, answers)
        card = model_card(folder.name, config, plain, functions, metrics or {})
        write_text(partial / CARD, card)
        save_sheet(partial / PICTURE, card_picture(plain, shown))
        _write_sums(partial)
        return _publish(partial, folder)


def _write_functions(
    path: Path, plain: Any, functions: Signatures, encoder: keras.Model | None = None
) -> None:
    archive = keras.export.ExportArchive()
    # `exported.load` finds the weights by their order here. The archive itself finds what functions
    # use in any order, and would write the variables of a tracked model twice.
    archive.add_variable_collection(WEIGHTS, [weight.value for weight in plain.weights])
    if encoder is not None:
        values = [weight.value for weight in encoder.weights]
        archive.add_variable_collection(ENCODER_WEIGHTS, values)
    traces = {}
    for name, function in functions.items():
        # Given the function itself, the archive would trace it twice more and write all traces.
        trace = traces.setdefault(id(function), function.get_concrete_function())
        archive.add_endpoint(name, _calling(trace), input_signature=list(function.input_signature))
    # Nobody differentiates what is served; "reconstruct" has its gradients in its graph.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    with quiet_logs():
        archive.write_out(str(path), options=options, verbose=False)


def _calling(trace: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *values: trace(*values)


def golden_requests(functions: Signatures, chains: LatentArrays | None = None) -> Requests:
    """A small request for each signature, always the same.

    Args:
        functions: `model_signatures`.
        chains: latents [N, d] by group that requests take theirs from; None for those of the prior.
    """
    rng = np.random.default_rng(0)

    def drawn_image(sizes: list[int]) -> np.ndarray:
        # Large squares, which take little room.
        corner = [*sizes[:-3], sizes[-3] // _SQUARE, sizes[-2] // _SQUARE, sizes[-1]]
        small = rng.uniform(size=corner).astype(np.float32)
        return small.repeat(_SQUARE, axis=-3).repeat(_SQUARE, axis=-2)

    def value(spec: Any) -> Any:
        if spec.shape.rank == 0:
            return GOLDEN_NUMBERS[spec.name]
        group = spec.name.removeprefix("z_")
        if chains and group in chains and spec.shape[-1] == chains[group].shape[-1]:
            return np.float32(chains[group][:1])
        sizes = [1, *(_GOLDEN_FRAMES if size is None else size for size in spec.shape[1:])]
        if spec.name == "image" and spec.shape[-1] is None:
            sizes = [1, 12, 20, 3]
        if spec.dtype == tf.string:
            files = [_file(drawn_image([12, 20, 3])) for _ in range(np.prod(sizes))]
            return np.array(files, object).reshape(sizes)
        if spec.name in ("image", "clip"):
            return drawn_image(sizes)
        return rng.standard_normal(sizes).astype(np.float32)

    return {
        name: {spec.name: value(spec) for spec in function.input_signature}
        for name, function in functions.items()
        if name != "serving_default"
    }


def _file(image: np.ndarray) -> bytes:
    return png_bytes(np.rint(255 * image).astype(np.uint8))


def answer(function: Any, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """What a signature's function answers in this process.

    Args:
        function: one of `model_signatures`.
        inputs: arrays by name.

    Returns:
        Arrays by name of the output.
    """
    values = [tf.constant(inputs[spec.name], spec.dtype) for spec in function.input_signature]
    return {name: value.numpy() for name, value in function(*values).items()}


def answers_of(path: str | os.PathLike, requests: Requests) -> Answers:
    """What a SavedModel answers when it is loaded as TF Serving does.

    Args:
        path: the version folder.
        requests: one for each signature.

    Returns:
        The answers by signature.
    """
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        # TensorFlow calls the loader of TF Serving deprecated.
        with literal_path(path) as readable, quiet_logs():
            graph = tf.compat.v1.saved_model.loader.load(session, ["serve"], str(readable))
        answers = {}
        for name, inputs in requests.items():
            signature = graph.signature_def[name]
            feed = {signature.inputs[key].name: value for key, value in inputs.items()}
            fetch = {key: info.name for key, info in signature.outputs.items()}
            answers[name] = session.run(fetch, feed)
    return answers


def _require_equal(wanted: Answers, found: Answers) -> None:
    for signature, outputs in wanted.items():
        for name, value in outputs.items():
            other, tolerance = found[signature][name], _TOLERANCE
            if value.dtype == object:
                # PNG files: a number at the edge between two levels may be rounded either way.
                value, other = _decoded(value), _decoded(other)
                tolerance = 1.0
            if not np.all(np.abs(value - other) <= tolerance * (1 + np.abs(value))):
                raise RuntimeError(
                    f"the SavedModel's {signature} answers with another {name} than the Keras "
                    "model: it was not exported"
                )


def _decoded(files: np.ndarray) -> np.ndarray:
    return np.stack([np.float32(tf.io.decode_png(file)) for file in files])


def _write_golden(partial: Path, name: str, requests: Requests, answers: Answers) -> None:
    extra = partial / "assets.extra"
    extra.mkdir()
    write_warmup(extra / "tf_serving_warmup_requests", name, requests)
    pairs: dict[str, Any] = {
        f"{signature}/{kind}/{key}": value.astype("S") if value.dtype == object else value
        for kind, sides in (("inputs", requests), ("outputs", answers))
        for signature, values in sides.items()
        for key, value in values.items()
    }
    np.savez_compressed(partial / GOLDEN, **pairs)


def _write_sums(partial: Path) -> None:
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(partial)}\n"
        for path in sorted(partial.rglob("*"))
        if path.is_file()
    ]
    write_text(partial / SUMS, "".join(lines))


def _publish(partial: Path, folder: Path) -> Path:
    """Rename `partial` to the next free version, even if another process takes one meanwhile."""
    while True:
        taken = [int(p.name) for p in folder.iterdir() if p.name.isdecimal()]
        target = folder / str(max(taken, default=0) + 1)
        try:
            os.rename(partial, target)
        except OSError:
            if not target.exists():
                raise
        else:
            return target
