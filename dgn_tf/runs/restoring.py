"""Models, chains and encoders of runs, as their newest checkpoints hold them."""

import dataclasses
import hashlib
import logging
import os
from typing import Any, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from dgn_tf.config import Config
from dgn_tf.data.examples import Examples
from dgn_tf.data.labels import one_hot
from dgn_tf.models.clip_encoder import ClipEncoder
from dgn_tf.models.factory import make_model, proposing_encoder
from dgn_tf.runs.directory import ENCODER, Run
from dgn_tf.training.chains import read_chains
from dgn_tf.training.checkpoints import Checkpoints, check_files
from dgn_tf.training.course import Course, Progress
from dgn_tf.training.ema import WeightAverage
from dgn_tf.types import LatentArrays
from dgn_tf.utils.errors import InputError

_log = logging.getLogger(__name__)

# Settings of the networks that a model of images has no use for.
_OF_CLIPS = (
    "frames",
    "model",
    "width",
    "appearance_noise_dim",
    "geometry_noise_dim",
    "residual",
    "frames_per_chunk",
    "emission",
)

Folder: TypeAlias = str | os.PathLike


def load_run(run_dir: Folder) -> tuple[Config, Any]:
    """The settings and the trained model of a run.

    Returns:
        (Config, Keras model with the weights, averaged if the run averages them, of the newest
        checkpoint that can be read).

    Raises:
        InputError: there is no run in `run_dir`, or it has no checkpoint that can be read.
    """
    config, model, _ = _restored(run_dir)
    return config, model


def load_finished_run(run_dir: Folder) -> tuple[Config, Any]:
    """What `load_run` gives, of a run that has come to its end.

    Raises:
        InputError: also for a run that has not, or whose last checkpoint cannot be read.
    """
    config, model, progress = _restored(run_dir)
    run, learning = Run(run_dir), config.learning
    course = Course(run.described()["examples"], learning.batch_size, learning.shards)
    place, end = course.enter(progress).place, learning.epochs * course.per_epoch
    if place < end:
        raise InputError(
            f"{run.flag} is not finished: the newest checkpoint that can be read is of "
            f"step {place} of {end}. Run its dgn_tf.train command again to finish it."
        )
    return config, model


def _restored(run_dir: Folder) -> tuple[Config, Any, Progress]:
    """Settings, model and progress of the newest checkpoint that can be read."""
    run = Run(run_dir)
    config = run.config()
    data = config.data
    model = make_model(config.model, data.side, data.channels, data.frames)
    average = WeightAverage(model) if config.learning.ema else None
    objects = {"model": model, "average": average} if average else {"model": model}
    progress = Checkpoints(run / "checkpoints", **objects).restore(partial=True)
    if progress is None:
        raise InputError(f"{run.flag} has no checkpoint yet.")
    if average and progress.step:
        average.copy_to(model)
    return config, model, progress


def given_latents(
    config: Config, examples: Examples, folders: list[str] | None = None
) -> LatentArrays:
    """What a labeled model is given of examples: their one-hot labels.

    Args:
        config: of the run.
        examples: N examples.
        folders: `Run.folders` of a run that is there.

    Returns:
        Float32 [N, d] by latent group; empty for a model that infers all groups.

    Raises:
        InputError: the examples lack the label, or have a class that the model does not know.
    """
    if config.model.appearance != "label":
        return {}
    settings = config.data.label, config.model.appearance_dim
    return {"appearance": one_hot(examples, *settings, folders)}


def weights_checksum(model: Any) -> str:
    """The SHA-256, in hex, of the weights of a model."""
    digest = hashlib.sha256()
    for weight in model.get_weights():
        digest.update(np.ascontiguousarray(weight).data)
    return digest.hexdigest()


def initialize_from(model: Any, config: Config, run_dir: Folder) -> str:
    """Give a new model the networks of a trained run (`init_from`).

    A dynamic model with `emission=IV` may begin with those of a deformable one of images, which
    become its emission.

    Args:
        model: the untrained model of `config`.
        config: the `Config` of the run that begins; only its penalties may differ from the other's
            model settings.
        run_dir: folder of the trained run.

    Returns:
        The `weights_checksum` of the trained model.

    Raises:
        InputError: there is no trained run in `run_dir`, or its networks are of other sizes.
    """
    try:
        other, trained = load_run(run_dir)
    except InputError as error:
        raise InputError(f"`init_from`: {error}") from None
    before, now = other.settings(), config.settings()
    stills = config.model.emission == "IV" and other.model.model == "deformable"
    # Neither penalties nor the precision of the computation shape the weights.
    shaping = [
        f.name
        for f in dataclasses.fields(config.model)
        if not f.name.endswith("_penalty") and f.name != "precision"
    ]
    names = ["side", "channels", "frames", *shaping]
    differing = [
        f"`{name}={before[name][0]}` there, {now[name][0]} here"
        for name in names
        if before[name][0] != now[name][0] and not (stills and name in _OF_CLIPS)
    ]
    if differing:
        raise InputError(
            f"`init_from={run_dir}` has other networks ({'; '.join(differing)}): use the same."
        )
    (model.emission if stills else model).set_weights(trained.get_weights())
    return weights_checksum(trained)


def initialize_encoder(encoder: keras.Model, run_dir: Folder) -> None:
    """Give a new encoder what that of a trained run (`init_from`) knows, if the run has one.

    An encoder of clips takes over what one of images knows of single frames. On new data it is
    where learning begins: it goes on learning with the model.

    Args:
        encoder: an untrained one, of a model that `initialize_from` has accepted.
        run_dir: folder of the trained run.

    Raises:
        InputError: that of the run cannot be read.
    """
    try:
        trained = find_encoder(run_dir)
    except InputError as error:
        raise InputError(f"`init_from`: {error}") from None
    if trained is None:
        return
    stills = isinstance(encoder, ClipEncoder) and not isinstance(trained, ClipEncoder)
    try:
        if stills:
            encoder.begin_from(trained)
        else:
            encoder.set_weights(trained.get_weights())
    except ValueError:
        # That of dgn_tf.amortise may have another width, and classes may have shared one guess.
        _log.warning(
            "The encoder of %s has other layers than that of this run: a new one begins.", run_dir
        )


def find_encoder(run_dir: Folder, wanted: bool | None = None) -> keras.Model | None:
    """The encoder that has learned beside a run's model, or after it (dgn_tf.amortise).

    Args:
        run_dir: folder of the run.
        wanted: whether to look for one (`InferenceConfig.amortised`); None takes what there is.

    Returns:
        The encoder, or None where there is none or none is wanted.

    Raises:
        InputError: one is wanted and there is none, or it cannot be read.
    """
    run = Run(run_dir)
    path = run / ENCODER
    if wanted is False:
        return None
    if path.exists():
        try:
            return keras.models.load_model(path)
        except Exception as error:
            # A broken file makes Keras raise nearly anything.
            raise InputError(
                f"{path} cannot be read ({type(error).__name__}): remove it to begin at zero, or, "
                "with --proposals, to take what the newest checkpoint has."
            ) from error
    encoder = _unfinished_encoder(run)
    if encoder is None and wanted:
        raise InputError(f"`amortised`: {run.flag} has no {ENCODER}: run dgn_tf.amortise first.")
    return encoder


def _unfinished_encoder(run: Run) -> keras.Model | None:
    """The encoder of the newest checkpoint of a run that is not at its end, or None."""
    config = run.config()
    data = config.data
    model = make_model(config.model, data.side, data.channels, data.frames)
    encoder = proposing_encoder(config, model)
    if encoder is None:
        return None
    found = Checkpoints(run / "checkpoints", encoder=encoder).restore(partial=True)
    return None if found is None else encoder


def load_chains(run_dir: Folder) -> LatentArrays | None:
    """The latents of a run's training examples, as its Langevin chains left them.

    Returns:
        Float32 [N, d] by name of the latent group, in the order of the training examples, from
        the newest checkpoint that can be read; None for a run that keeps no chains, because its
        model infers latents by an encoder, or whose chains nothing has moved, because it learned
        by a discriminator alone.
    """
    run = Run(run_dir)
    learning = run.config().learning
    if learning.adversarial and not learning.likelihood_weight:
        return None
    for path in reversed(Checkpoints(run / "checkpoints").paths()):
        try:
            check_files(path)
            _, chains = read_chains(path)
        # A broken checkpoint; loading the model has reported it already.
        except (tf.errors.OpError, OSError, ValueError, IndexError):
            continue
        return chains or None
    return None
