"""What a trained generator is asked: to infer, paint, draw, warp and be measured."""

import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from dgn_tf.api.images import Images
from dgn_tf.api.latents import Latents
from dgn_tf.api.loading import Source
from dgn_tf.api.settings import near
from dgn_tf.config.fields import whole_number
from dgn_tf.data.decoding import upright
from dgn_tf.data.examples import Examples, as_bytes, as_float
from dgn_tf.data.labels import class_labels
from dgn_tf.data.sources.arrays import stored_bytes
from dgn_tf.data.sources.files import load_photograph
from dgn_tf.data.squares import whole
from dgn_tf.evaluation.experiments.clips import clips
from dgn_tf.evaluation.experiments.held_out import held_out
from dgn_tf.evaluation.inferring import edited_field
from dgn_tf.evaluation.report import Report
from dgn_tf.inference.energy import reconstruction_errors
from dgn_tf.inference.statistics import HARDLY_TRAINED, SOURCES
from dgn_tf.models.dynamic import DynamicDeformableGenerator
from dgn_tf.runs.restoring import given_latents
from dgn_tf.types import ClipModel, LatentArrays, LatentModel, has_geometry
from dgn_tf.utils.arrays import channels_hint, named_array
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.progress import progress_bar
from dgn_tf.utils.words import counted
from dgn_tf.visualize.clips import decode_clips
from dgn_tf.visualize.decoding import decode
from dgn_tf.visualize.editing import apply_edits
from dgn_tf.visualize.morphing import sample_latents
from dgn_tf.visualize.photographs import warp_photograph

if TYPE_CHECKING:
    from dgn_tf.api.generator import Generator

_log = logging.getLogger(__name__)


def infer(model: "Generator", inference: Any, examples: Examples, batch_size: int) -> Latents:
    """Latents of examples; arguments and errors as of `Generator.infer`."""
    batch_size = whole_number("batch_size", batch_size, 1)
    given = given_latents(model.config, examples, model.known.folders)
    images = examples.images[:]
    with progress_bar("Langevin steps") as report:
        at_once = max(1, batch_size // (examples.frames or 1))
        z = inference(as_float(images), examples.ids, at_once, report, given)
    finite = np.all([np.isfinite(values).all(axis=1) for values in z.values()], axis=0)
    if not finite.all():
        name = examples.names[int(np.argmin(finite))]
        raise InputError(f"the inference of {name} diverged: compile with a smaller `step_size`.")
    errors = reconstruction_errors(model.network, images, z)
    statistics = model.known.statistics
    typical = None if statistics is None else statistics.typical(images, z, errors)
    _tell_training(model)
    return Latents(z, examples.names, images, errors, typical)


def _tell_training(model: "Generator") -> None:
    """Warn, once, of a model that is not trained, or hardly."""
    known = model.known
    if known.told:
        return
    if not known.trained:
        _log.warning("This model is not trained: what it paints is that of new networks.")
    elif known.statistics is not None and known.statistics.hardly_trained:
        _log.warning("%s", HARDLY_TRAINED)
    known.told = True


def edit(model: "Generator", z: Latents, steps: Mapping[str, Any]) -> Latents:
    """Latents after steps along directions; arguments and errors as of `Generator.edit`."""
    require_latents(z)
    table = model.directions
    edits = table.edits(steps)
    directions = {}
    for group in {edit.group for edit in edits}:
        # Those of clips are of the first frame, whose numbers come first.
        more = z[group].shape[1] - len(table.groups[group].mean)
        axes = np.pad(table.groups[group].axes, [(0, 0), (0, more)])
        directions[group] = table.groups[group]._replace(axes=axes)
    moved = apply_edits(z.groups, edits, directions)
    return z.moved({name: values.astype(np.float32) for name, values in moved.items()})


def paint(network: LatentModel, z: Latents) -> Images:
    """The images or clips of latents.

    Raises:
        InputError: there are none, or they are of another model.
    """
    require_latents(z)
    clips = isinstance(network, ClipModel)
    dims = {name: values.shape[1] for name, values in z.groups.items()}
    # Clips may be longer than those that a model has learned from.
    if dims.keys() != network.latent_dims.keys() or not (clips or dims == network.latent_dims):
        raise InputError(f"`z` has {dims}, and the model {network.latent_dims}.")
    made, _ = decode_clips(network, z.groups) if clips else decode(network, z.groups)
    return Images(as_bytes(made), z.names, z)


def require_latents(z: Any, name: str = "z") -> None:
    """Check that an argument, of this name, is latents of at least one image.

    Raises:
        InputError: it is not.
    """
    if not isinstance(z, Latents):
        raise InputError(
            f"`{name}` must be Latents, as `infer` gives them; it is {type(z).__name__}."
        )
    if not len(z):
        raise InputError(f"`{name}` holds no latents: give those of at least one image.")


def sample(model: "Generator", count: int, seed: int, source: str) -> Images:
    """New images; arguments and errors as of `Generator.sample`."""
    if source not in SOURCES:
        raise InputError(f"`source={source}`: there is no such source{near(source, SOURCES)}")
    count, seed = whole_number("count", count, 1), whole_number("seed", seed, 0)
    network, statistics = model.network, model.known.statistics
    _tell_training(model)
    # There is nothing that an untrained model could have learned of its latents.
    known = source if model.known.trained else "prior"
    latents = sample_latents(network, statistics, range(seed, seed + count), known)
    return paint(network, Latents(latents))


def warp(model: "Generator", source: Source, steps: Mapping) -> Images:
    """An image that is moved; arguments and errors as of `Generator.warp`."""
    network = model.network
    if not has_geometry(network):
        raise InputError("`warp`: the model has no geometry.")
    if not steps:
        raise InputError("`warp` needs a step along a direction, such as widen=2.")
    table = model.directions
    edits = table.edits(steps)
    other = next((edit.group for edit in edits if edit.group != "geometry"), None)
    if other:
        raise InputError(f"`{other}`: only the geometry moves an image.")
    names: tuple[str, ...] = ()
    if isinstance(source, str | os.PathLike):
        names = (os.path.basename(source),)
        photograph = load_photograph(os.fspath(source))
    elif isinstance(source, Image.Image):
        try:
            photograph = whole(upright(source), channels=3)
        except ValueError as error:
            raise InputError(f"`source`: {error}.") from None
    else:
        values = named_array("`source`", source)
        if values.ndim != 3 or values.shape[-1] != 3 or values.size == 0:
            raise InputError(
                f"`source` must have shape [H, W, 3]; it has {list(values.shape)}."
                f"{channels_hint(values.shape)}"
            )
        photograph = stored_bytes(values, "`source`")
    mean = mean_latents(model)["geometry"]
    field = edited_field(network, table.groups, mean, edits)
    return Images(warp_photograph(photograph, field)[None], names)


def mean_latents(model: "Generator") -> LatentArrays:
    """The mean of the training latents, [1, d] of each group; zero where nothing is known."""
    statistics = model.known.statistics
    if statistics is None:
        return {name: np.zeros([1, d], "f") for name, d in model.network.latent_dims.items()}
    return {name: mean[None] for name, mean in statistics.means.items()}


def evaluate(
    model: "Generator",
    inference: Any,
    test: Examples,
    train: Examples | None,
    seed: int,
    named: str,
) -> Report:
    """A report on examples; arguments and errors as of `Generator.evaluate`.

    Args:
        model: that is measured.
        inference: of the latents.
        test: the examples.
        train: what it has learned from, or None.
        seed: decides who is recombined with whom.
        named: path of the examples; empty for others.
    """
    seed = whole_number("seed", seed, 0)
    what = counted(len(test), "image" if test.frames is None else "clip")
    what = f"{what} of {named}" if named else what
    mean = None if model.known.statistics is None else model.known.statistics.mean_image
    network = model.network
    latents = infer(model, inference, test, 100).groups
    if test.frames is not None:
        if not isinstance(network, DynamicDeformableGenerator):
            raise InputError("`evaluate` of clips is for `model=dynamic`.")
        return clips(network, train, test, latents, seed, what, mean)
    config = model.config
    labels = None
    if config.model.appearance == "categorical" and config.data.label in test.factors:
        labels = class_labels(test, config.data.label)
    return held_out(network, train, test, latents, seed, labels, what, mean)
