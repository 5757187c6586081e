"""All data sources by kind, and the one way to load what the settings name."""

import dataclasses
import difflib
import logging
from pathlib import Path
from typing import Any

import numpy as np

from dgn_tf.config import DataConfig
from dgn_tf.data.cropping.cutting import FaceCutter
from dgn_tf.data.decoding import first_line
from dgn_tf.data.examples import Examples
from dgn_tf.data.masks import tell_masks
from dgn_tf.data.sources.archives import ZIP
from dgn_tf.data.sources.arrays import NPZ
from dgn_tf.data.sources.clips import CLIPS
from dgn_tf.data.sources.folders import FOLDER
from dgn_tf.data.sources.heads import HEADS, HEADS_CLIPS, STEADY_CLIPS
from dgn_tf.data.sources.memory import MEMORY
from dgn_tf.data.sources.packed import SHARDS
from dgn_tf.data.sources.source import Loader, Source
from dgn_tf.data.sources.tfds_sets import TFDS
from dgn_tf.data.sources.walking import left_out, walk
from dgn_tf.data.sources.where import select
from dgn_tf.utils.errors import InputError, telling_closed
from dgn_tf.utils.files import user_path
from dgn_tf.utils.progress import Progress
from dgn_tf.utils.reading import open_regular

_log = logging.getLogger(__name__)

SOURCES: dict[str, Source] = {
    source.kind: source
    for source in (HEADS, FOLDER, ZIP, TFDS, NPZ, SHARDS, HEADS_CLIPS, STEADY_CLIPS, CLIPS)
}
# What a setting may say too, though it is nothing that a user can name.
_KNOWN = {**SOURCES, MEMORY.kind: MEMORY}
# A path without a kind belongs to the first of these that claims it, so that a folder which holds
# more images than videos is one of images.
_CLAIMING = (SHARDS, NPZ, ZIP, FOLDER, CLIPS)
# What to do about data that are none.
_WANTED = "give a folder of images or of videos (`dgn train --help=all` lists all else, at --data)."


@telling_closed()
def load(
    data: DataConfig, progress: Progress | None = None, faces: FaceCutter | None = None
) -> Examples:
    """The examples that the settings describe.

    Images of any other size become squares of `data.side` pixels as `dgn_tf.data.squares.square`
    says. What comes with them as numbers (features of a TFDS set, further arrays of an .npz file)
    become factors. `data.limit` counts the examples that `data.where` has chosen.

    Args:
        data: the settings.
        progress: called with (examples done, examples in all) now and then.
        faces: what cuts the faces out of image files that are no crops yet; None takes the middle.

    Returns:
        N images or clips, in an order that every call repeats.

    Raises:
        InputError: the data cannot be used.
    """
    source, rest = source_of(data.data)
    spec = with_kind(data.data)
    _check_frames(source, spec, data)
    if data.stills:
        # As many clips as have the images that are wanted; `where` chooses among clips.
        clips = load(
            dataclasses.replace(
                data, stills=0, frames=data.stills, limit=-(-data.limit // data.stills)
            ),
            progress,
            faces,
        )
        images = clips.stills(source.moving)
        return images.subset(np.arange(min(data.limit, len(images)))) if data.limit else images
    folder = str(user_path(data.data_dir)) if data.data_dir else ""
    named = dataclasses.replace(data, data=spec, data_dir=folder)
    read = _reader(source, rest, spec, faces)
    wanted = dataclasses.replace(named, where="", limit=0) if data.where else named
    whole = read(wanted, rest, progress)
    # Of packed data it was told when they were packed.
    if isinstance(whole.images, np.ndarray):
        tell_masks(whole.images, spec)
    if not data.where:
        return whole
    chosen = select(whole, source, spec, data.where)
    return chosen.subset(np.arange(min(data.limit, len(chosen)))) if data.limit else chosen


def _reader(source: Source, rest: str, spec: str, faces: FaceCutter | None) -> Loader:
    """What reads the data, with their faces cut out if that is wanted of them."""
    if faces is None or faces.made(source.paths(rest)):
        return source.load
    if source.photographs is None:
        if faces.asked:
            raise InputError(
                f"`align=eyes` is for image files, and {spec} holds none: leave it out."
            )
        return source.load
    read = source.photographs
    return lambda data, rest, progress: read(data, rest, progress, faces)


@telling_closed()
def source_of(spec: str) -> tuple[Source, str]:
    """The source that `spec` names, and what follows its kind.

    `spec` is KIND, KIND:REST or a path: of a folder of images or of videos, a folder that
    `dgn_tf.pack` has written, an .npz file, a ZIP archive of images or a video. A kind goes before
    a path of the same name.

    Raises:
        InputError: it is none of these, or may not be read.
    """
    kind, _, rest = spec.partition(":")
    source = _KNOWN.get(kind)
    if source and (rest or source.alone):
        return source, rest
    for source in _CLAIMING:
        if spec and source.claims(spec):
            return source, spec
    if not spec:
        raise InputError(f"`data` is needed: {_WANTED}")
    if user_path(spec).exists():
        raise InputError(f"{spec} holds no data{_instead(user_path(spec))}: {_WANTED}")
    if source := SOURCES.get(kind):
        raise InputError(f"{spec} names no data: write {source.form}, as in {source.example}.")
    near = difflib.get_close_matches(kind, SOURCES, n=1, cutoff=0.7)
    meant = f"did you mean {near[0]}{spec.removeprefix(kind)}? Else " if near else ""
    raise InputError(f"{spec} does not exist: {meant}{_WANTED}")


def _instead(path: Path) -> str:
    """What a folder without data holds, and what would be data; why a file cannot be read."""
    if not path.is_dir():
        try:
            with telling_closed():
                open_regular(path).close()
        except OSError as error:
            return f": it {first_line(error)}"
        return ""
    files = [name for _, names in walk(path) for name in names]
    if not files:
        return ""
    return (
        f" but {left_out(files)} (images are .jpg, .png, .webp, .bmp, .tif and the like, videos "
        ".mp4, .mov, .avi and the like: convert others to these)"
    )


def paths_of(spec: str) -> list[Path]:
    """The files and folders on a disk that `spec` names; none for data that are drawn or fetched.

    Raises:
        InputError: it is none that `source_of` knows.
    """
    source, rest = source_of(spec)
    return source.paths(rest)


def may_share(one: str, other: str) -> bool:
    """Whether two names of data may be of the same ones, as far as names and paths tell.

    Raises:
        InputError: one is none that `source_of` knows.
    """
    (source, rest), (other_source, other_rest) = source_of(one), source_of(other)
    paths, others = ({p.resolve() for p in paths_of(spec)} for spec in (one, other))
    if not paths and not others:
        # Without a split, heads and TFDS sets give "train".
        return one.removesuffix(":train") == other.removesuffix(":train")
    parts = source.part(rest), other_source.part(other_rest)
    # Another array of the same file is other data.
    return bool(paths & others) and (parts[0] == parts[1] or not all(parts))


def with_kind(spec: str) -> str:
    """`spec` with its kind in front, which a path may lack.

    Raises:
        InputError: it is none that `source_of` knows.
    """
    source, rest = source_of(spec)
    return f"{source.kind}:{spec}" if rest == spec else spec


def require_data(settings: Any) -> None:
    """Check that the data which settings name are there, as far as their names tell.

    Args:
        settings: of a dataclass whose fields `dgn_tf.config.fields.setting` has declared.

    Raises:
        InputError: `source_of` does not know them, or a Python program alone has them.
    """
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if field.metadata.get("reads") != "data":
            continue
        if value:
            source, _ = source_of(value)
            if source is MEMORY:
                MEMORY.load(DataConfig(data=value), "", None)
        elif field.default:
            # Others may be left out.
            raise InputError(f"`{field.name}` is needed: {_WANTED}")


def other_data(trained: DataConfig, spec: str, limit: int = 0, where: str = "") -> DataConfig:
    """The settings to load other data with, in the size and channels of what a run learned from.

    Args:
        trained: what the run learned from.
        spec: the other data, in a form of `data`. Data that can hold images are taken as images by
            a run on stills.
        limit: on their number, 0 for all.
        where: LABEL=VALUE that they must have, or empty.

    Raises:
        InputError: `source_of` does not know them.
    """
    other = dataclasses.replace(trained, data=spec, limit=limit, where=where)
    if trained.stills and source_of(spec)[0].images:
        other = dataclasses.replace(other, stills=0, stride=1, fps=0.0)
    return other


def _check_frames(source: Source, spec: str, data: DataConfig) -> None:
    """Refuse settings of frames that the source cannot follow."""
    wanted = f"`stills={data.stills}`" if data.stills else f"`frames={data.frames}`"
    if (data.stills or data.frames) and not source.clips:
        raise InputError(
            f"{wanted}: {spec} holds images; clips come from a folder of videos or, "
            "as clips:PATH, of folders of frames. `dgn train --help=all` lists all, at --data."
        )
    if not (data.stills or data.frames or source.images):
        raise InputError(
            f"{spec} holds clips: give `frames`, how many frames each has, or `stills` to take "
            "the frames as images."
        )
    given = {"stride": data.stride != 1, "fps": data.fps != 0}
    if any(used and name not in source.timing for name, used in given.items()):
        raise InputError(f"{spec} {source.refusal}.")
