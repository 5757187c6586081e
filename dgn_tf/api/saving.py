"""Generators from files: of Keras, runs, exports and the Hugging Face Hub."""

import os
import zipfile
from pathlib import Path

import keras

from dgn_tf.api.generator import Generator
from dgn_tf.api.generators import DeformableGenerator, DynamicGenerator
from dgn_tf.api.hub import HUB, hub_error
from dgn_tf.cli.paths import holds_run
from dgn_tf.config import CLIP_MODELS
from dgn_tf.runs.trained import Trained, load_trained
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import user_path
from dgn_tf.utils.quiet import quiet_logs
from dgn_tf.utils.reading import require_regular

_WEIGHTS = ("model.weights.h5", "model.weights.npz")


@quiet_logs()
def load(path: str | os.PathLike) -> Generator:
    """A trained generator of images or of clips.

    Examples:
        >>> import dgn_tf as dgn
        >>> model = dgn.DeformableGenerator.from_preset("debug", alpha=0.1)
        >>> model.save("heads.keras")
        >>> dgn.load("heads.keras")
        DeformableGenerator(32x32x3, appearance 8, geometry 8; not trained)

    Args:
        path: what `save` has written (NAME.keras, or "hf://USER/NAME" of the Hugging Face Hub), the
            folder of a run, or that of an export, saved_models/NAME[/VERSION].

    Raises:
        InputError: there is none of these, or it cannot be read.
    """
    text = os.fspath(path)
    if text.startswith(HUB):
        return _of_keras(text)
    place = user_path(text)
    if not place.exists():
        raise InputError(f"`path={text}`: there is no such file or folder.")
    if not place.is_dir():
        try:
            require_regular(place)
        except OSError as error:
            raise InputError(f"`path={text}` cannot be read: it {error}.") from None
    if place.is_file() or any((place / name).is_file() for name in _WEIGHTS):
        if place.is_file() and not zipfile.is_zipfile(place):
            raise InputError(f"`path={text}` cannot be read: it is no .keras file, or is cut off.")
        return _of_keras(str(place))
    return _of_trained(_trained(place, text))


def _trained(place: Path, text: str) -> Trained:
    """What is in a folder: an export has a SavedModel, or versions that have."""
    versions = [inner for inner in place.iterdir() if inner.name.isdecimal()]
    if versions or (place / "saved_model.pb").is_file():
        return load_trained(None, str(place))
    if not holds_run(str(place)):
        raise InputError(
            f"`path={text}` holds neither a run nor an export: give one, or a .keras file."
        )
    return load_trained(str(place), None)


def _of_trained(trained: Trained) -> Generator:
    clips = trained.config.model.model in CLIP_MODELS
    return (DynamicGenerator if clips else DeformableGenerator).of(trained)


def _of_keras(path: str) -> Generator:
    try:
        model = keras.saving.load_model(path)
    # A broken file makes Keras raise nearly anything.
    except Exception as error:
        if path.startswith(HUB):
            raise hub_error("path", path, error) from error
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(f"`path={path}` cannot be read: {reason[0][:300]}") from error
    if not isinstance(model, Generator):
        raise InputError(
            f"`path={path}` holds networks alone ({type(model).__name__}), as model.keras of a run "
            "does: give the folder of the run, or a file that `save` of a generator has written."
        )
    model.known.name = Path(path).stem
    return model
