"""Paths that a command is given: whether it can read or write there, asked before it begins.

Nothing here needs TensorFlow, which takes seconds to import.
"""

import dataclasses
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dgn_tf.config import Config
from dgn_tf.config.painting import SUFFIXES, check_output
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import user_path
from dgn_tf.utils.reading import read_text

_SETTINGS = "config.json"
# The exported models that come with the project, the one to begin with first.
SHIPPED = ("portraits64", "heads64")


def require_path(name: str, path: str) -> None:
    """Check that there is a file or folder to read.

    Args:
        name: of the file or folder in messages, such as "`labels=names.csv`".
        path: where it should be.

    Raises:
        InputError: there is nothing.
    """
    if not user_path(path).exists():
        raise InputError(f"{name}: there is no such file or folder.")


def holds_run(run_dir: str) -> bool:
    """Whether a training has begun in a folder."""
    return (user_path(run_dir) / _SETTINGS).exists()


def require_run(run_dir: str | None, name: str = "run_dir") -> None:
    """Check that a training has begun in a folder.

    Args:
        run_dir: the folder; None or empty where none is given.
        name: of the setting that gives it.

    Raises:
        InputError: none is given, or none has.
    """
    if not run_dir:
        raise InputError(f"`{name}` is needed: the folder of a training run.")
    if not holds_run(run_dir):
        raise InputError(f"`{name}={run_dir}` holds no run: it has no {_SETTINGS}.")


def run_config(run_dir: str | os.PathLike) -> Config:
    """The settings of a run, read without TensorFlow.

    Raises:
        InputError: there is no run here, or its settings cannot be read.
    """
    folder = user_path(run_dir)
    path = folder / _SETTINGS
    if not path.exists():
        raise InputError(f"`run_dir={folder}` holds no run: it has no {_SETTINGS}.")
    try:
        return Config.from_json(read_text(path))
    except (OSError, ValueError) as error:
        flags = folder / "flags.cfg"
        if not flags.exists():
            # Many programs have a config.json, and nobody should delete theirs.
            raise InputError(
                f"{path}: {error}. Nothing else says that a training has begun there: name "
                "another folder."
            ) from None
        raise InputError(
            f"{path}: {error}. If it is damaged, delete it and give the dgn_tf.train command "
            f"--flagfile={flags}: it goes on from there."
        ) from None


def require_paths(settings: Any) -> None:
    """Check the paths among the settings of a dataclass that `setting` has declared.

    Raises:
        InputError: a setting names a file, a folder or a run that is not there.
    """
    for field in dataclasses.fields(settings):
        value, reads = getattr(settings, field.name), field.metadata.get("reads")
        if value and reads == "path":
            require_path(f"`{field.name}={value}`", value)
        if value and reads == "run":
            require_run(value, field.name)


def check_source(run_dir: str | None, saved_model: str | None) -> None:
    """Check that one of the two is given, and is there.

    Raises:
        InputError: none or both are given, or it holds no run or no exported model.
    """
    if bool(run_dir) == bool(saved_model):
        raise InputError(
            f"give either `run_dir`, a training run, or `saved_model`, an export{_such_as()}."
        )
    if run_dir:
        require_run(run_dir)
    if saved_model:
        version_folder(user_path(saved_model))


def _such_as() -> str:
    """Names the model that comes with the project, where it is there."""
    try:
        return f", such as {os.path.relpath(default_model())}"
    except InputError:
        return ""


def default_model() -> str:
    """The folder of the model that a command takes where none is named.

    It is the first of `SHIPPED` that is there, in the folder saved_models of the project or of the
    working directory.

    Raises:
        InputError: there is none: a wheel holds no models.
    """
    project = Path(__file__).resolve().parents[2]
    for place in (project / "saved_models", Path("saved_models")):
        for name in SHIPPED:
            versions = (place / name).glob(f"[0-9]*/{_SETTINGS}")
            if any(version.is_file() for version in versions):
                return os.fspath(place / name)
    raise InputError(
        "no model is named, and none is here: give `run_dir`, a training run, or `saved_model`, an "
        f"export, such as saved_models/{SHIPPED[-1]} in a clone of the project."
    )


def version_folder(path: Path) -> Path:
    """`path` itself if it is a version of an exported model, else its highest version.

    Args:
        path: saved_models/NAME or saved_models/NAME/VERSION, a path.

    Raises:
        InputError: there is no exported model there.
    """
    versions = [] if not path.is_dir() else [p for p in path.iterdir() if p.name.isdecimal()]
    found = path if (path / _SETTINGS).is_file() else None
    if found is None and versions:
        found = max(versions, key=lambda p: int(p.name))
    if found is None or not (found / _SETTINGS).is_file():
        raise InputError(
            f"`saved_model={path}` holds no exported model: name saved_models/NAME or a version "
            "in it, as dgn_tf.export writes them."
        )
    return found


def require_writable(name: str, folder: str | os.PathLike) -> None:
    """Check that files can be written in a folder, which may still have to be made.

    Args:
        name: of the folder in messages, such as "`output=packed`".
        folder: is left as it is.

    Raises:
        InputError: it or the nearest folder above it is a file, a link to nothing, or cannot be
            written.
    """
    place = user_path(folder).absolute()
    if place.is_file():
        raise InputError(f"{name} is a file: name a folder.")
    while not os.path.lexists(place):
        place = place.parent
    if not place.exists():
        raise InputError(
            f"{name} cannot be written: {place} is a link to {os.readlink(place)}, and nothing is "
            "there: make that folder, or name another."
        )
    try:
        # Permissions are no proof, on a read-only disk for instance: only writing is.
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise InputError(f"{name} cannot be written: {error.strerror}.") from None


def painted_file(
    settings: Any, suffixes: Sequence[str] = SUFFIXES, reads: Sequence[str] = ()
) -> Path:
    """The file that a command paints, once the model and what else it reads are found.

    Args:
        settings: with `output` and `overwrite`.
        suffixes: that the file may have.
        reads: paths of the files that the command reads, none of which it replaces.

    Raises:
        InputError: another suffix, a file that is there or read, MP4 without what writes it, or a
            folder that cannot be written.
    """
    path = user_path(settings.output)
    for read in map(user_path, reads):
        if path.exists() and read.exists() and path.samefile(read):
            raise InputError(
                f"`output={settings.output}` is the file {read}, which is read: name another file."
            )
    check_output(settings.output, settings.overwrite, suffixes)
    require_writable(f"the folder of `output={settings.output}`,", path.parent)
    return path


def require_text(name: str, path: str | os.PathLike) -> None:
    """Check that TensorFlow can write to a path, which it does as UTF-8.

    Args:
        name: of the path in messages, such as "`run_dir=runs/a`".
        path: with bytes that are no text as `os.fsdecode` makes them.

    Raises:
        InputError: it has bytes that are not UTF-8.
    """
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        raise InputError(
            f"{name} is not UTF-8, and TensorFlow writes nothing there: give another name."
        ) from None


def model_name(run_dir: str | None, saved_model: str | None) -> str:
    """The name of a model for people: that of a run's folder, or NAME of saved_models/NAME/1."""
    folder = user_path(run_dir or saved_model or "").resolve()
    return folder.parent.name if saved_model and folder.name.isdecimal() else folder.name
