"""The source `folder`: image files under a folder."""

import collections
import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from dgn_tf.config import DataConfig
from dgn_tf.data.cropping.cutting import FaceCutter
from dgn_tf.data.cropping.faces import NoFace
from dgn_tf.data.cropping.noted import SETTINGS, noted_source
from dgn_tf.data.decoding import FORMATS, File, decode, kind_and_line
from dgn_tf.data.examples import Examples, stable_id
from dgn_tf.data.sources.source import Source
from dgn_tf.data.sources.walking import (
    class_folders,
    class_number,
    classes_of,
    is_hidden,
    kind_of,
    left_out,
    printable,
    tell_left_out,
    walk,
)
from dgn_tf.data.squares import square, whole
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import user_path
from dgn_tf.utils.progress import Progress
from dgn_tf.utils.words import counted

_log = logging.getLogger(__name__)

_CHUNK = 512
# Folders that are parts of a data set, and no classes.
_PARTS = {"train", "training", "test", "testing", "val", "valid", "validation", "dev"}
# Finding a face takes so long that people want to know of less.
_FACES_CHUNK = 16


def load_folder(
    path: str,
    side: int,
    channels: int,
    limit: int = 0,
    progress: Progress | None = None,
    faces: FaceCutter | None = None,
) -> Examples:
    """Reads every image under a folder, sorted by relative path.

    JPEG, PNG, WebP, BMP, GIF (the first frame), TIFF, AVIF, JPEG 2000, PGM and PPM and, with its
    plugin, HEIC are looked for at any depth, by suffix or else by content (PGM and PPM by suffix
    alone); hidden files and folders are skipped.
    Images become squares as `square` says. Files that are no images are left out, counted by suffix
    in one warning; so are images that cannot be read, named in another. Metadata that cannot be
    read are ignored, counted in a third.

    Args:
        path: the folder.
        side: the side of the images, in pixels.
        channels: 1 or 3.
        limit: take only the first `limit` readable images; 0 takes all.
        progress: called with (files done, files needed in all) now and then.
        faces: what cuts the faces out; None takes the middle. Images without a face that it refuses
            are left out, counted in one more warning.

    Returns:
        The examples; an id is the first 63 bits of the SHA-256 of the relative path. If all images
        lie in at least two folders, `label` is the number of the outermost, in their order (2
        before 10); one that is empty has a number too, as a warning says.

    Raises:
        InputError: the folder is missing, is no folder, holds no readable image, or has folders
            that cannot be read.
    """
    root, name = user_path(path), f"folder {path}"
    files = find_images(root)
    empty = _empty_folders(root)
    with _finder(path) as find:
        return read_all(name, files, find, side, channels, limit, progress, faces, empty)


def _empty_folders(root: Path) -> list[str]:
    """The outermost folders that hold nothing, but perhaps what is hidden."""
    folders = [name for name in os.listdir(root) if not is_hidden(name)]
    folders = [name for name in folders if (root / name).is_dir()]
    return [name for name in folders if _is_empty(root / name)]


def _is_empty(folder: Path) -> bool:
    # Of a large folder the first entries will do.
    with os.scandir(folder) as entries:
        return all(is_hidden(entry.name) for entry in entries)


@contextlib.contextmanager
def _finder(path: str) -> Iterator[Callable[[str], File]]:
    """What finds the files of a folder by their relative paths."""
    root = user_path(path)
    yield lambda file: root / file


def read_all(
    name: str,
    files: list[str],
    find: Callable[[str], File],
    side: int,
    channels: int,
    limit: int = 0,
    progress: Progress | None = None,
    faces: FaceCutter | None = None,
    empty: Sequence[str] = (),
) -> Examples:
    """Reads image files, of a folder or an archive, as `load_folder` says.

    Args:
        name: of the folder or archive, for messages.
        files: their paths inside of it, in the order of the examples.
        find: where the file of such a path is, or its content.
        side: the side of the images, in pixels.
        channels: 1 or 3.
        limit: take only the first `limit` readable images; 0 takes all.
        progress: called with (files done, files needed in all) now and then.
        faces: what cuts the faces out; None takes the middle.
        empty: outermost folders that hold nothing.

    Raises:
        InputError: none of them can be read, or none has a face.
    """
    wanted = min(limit, len(files)) if limit else len(files)
    images = np.empty((wanted, side, side, channels), np.uint8)
    kept: list[str] = []
    unreadable: list[str] = []
    ignored: list[str] = []
    faceless: list[str] = []
    chunk_size = _CHUNK if faces is None else _FACES_CHUNK
    done = 0

    def read(file: str) -> tuple[np.ndarray, str] | str | NoFace:
        # A broken file makes decoders raise nearly anything: each is named, none ends the run.
        try:
            if faces is None:
                return read_square(find(file), side, channels, printable(file))
            image, damage = decode(find(file), name=printable(file))
            return faces(image, printable(file)), damage
        except NoFace as error:
            return error
        except Exception as error:
            return kind_and_line(error)

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        while done < len(files) and len(kept) < wanted:
            chunk = files[done : done + min(chunk_size, wanted - len(kept))]
            for file, result in zip(chunk, pool.map(read, chunk), strict=True):
                if isinstance(result, NoFace):
                    faceless.append(f"{printable(file)}: {result}")
                    continue
                if isinstance(result, str):
                    unreadable.append(f"{printable(file)} ({result})")
                    continue
                images[len(kept)], damage = result
                kept.append(file)
                if damage:
                    ignored.append(f"{printable(file)} ({damage})")
            done += len(chunk)
            if progress:
                progress(done, min(len(files), done + wanted - len(kept)))
    if not kept and faceless:
        raise InputError(
            f"{name}: no face for `align=eyes` in any of its images; the first is {faceless[0]}"
        )
    tell_unreadable(name, unreadable, done)
    if faceless:
        _log.warning(
            "%s: %d of %d images are left out, which have no face that can be aligned; the first "
            "is %s",
            name,
            len(faceless),
            done,
            faceless[0],
        )
    tell_ignored(name, ignored)
    ids = np.array([stable_id(os.fsencode(file)) for file in kept], np.int64)
    names = tuple(printable(file) for file in kept)
    return Examples(images[: len(kept)], ids, names, _classes(name, files, kept, empty))


def tell_unreadable(name: str, unreadable: list[str], count: int) -> None:
    """Warns of the images that cannot be read, as "FILE (reason)", of `count` in all.

    Raises:
        InputError: that is all of them.
    """
    if unreadable and len(unreadable) == count:
        raise InputError(
            f"{name}: none of its {count} image files can be read; the first is {unreadable[0]}"
        )
    if unreadable:
        summary = f"{len(unreadable)} of {count} files cannot be read and are left out"
        _log.warning("%s: %s:\n  %s", name, summary, "\n  ".join(unreadable))


def tell_ignored(name: str, ignored: list[str]) -> None:
    """Warns of images whose metadata could not be read, as "FILE (reason)"."""
    if ignored:
        _log.warning(
            "%s: damaged metadata is ignored, and what it may say of the orientation (images: %d; "
            "the first is %s)",
            name,
            len(ignored),
            ignored[0],
        )


def _classes(
    name: str, files: list[str], kept: list[str], empty: Sequence[str]
) -> dict[str, np.ndarray]:
    """The label of images that lie in a folder for each class: numbers in the folders' order."""
    classes = classes_of(files)
    if not classes:
        return {}
    if _PARTS.issuperset(folder.lower() for folder in classes):
        _log.warning(
            "%s: its folders %s are read together, and told apart as the classes of a label: "
            "name one of them alone if they are parts of a data set.",
            name,
            ", ".join(printable(folder) for folder in classes),
        )
    folders = class_folders([*classes, *empty])
    if empty:
        _log.warning(
            "%s: empty folders keep their numbers in the label of classes: %s. Remove them if they "
            "are none.",
            name,
            ", ".join(f"{printable(f)} ({class_number(f, folders)})" for f in sorted(empty)),
        )
    numbers = {folder: class_number(folder, folders) for folder in {_outer(f) for f in kept}}
    return {"label": np.array([numbers[_outer(file)] for file in kept], np.int64)}


def _outer(file: str) -> str:
    return file.partition("/")[0]


def read_square(file: File, side: int, channels: int, name: str = "") -> tuple[np.ndarray, str]:
    """Reads one image file as `square` does, or with side 0 whole; `name` as of `decode`.

    Returns:
        uint8 [side, side, channels] or [H, W, channels], and what metadata were ignored, or empty.

    Raises:
        Exception: whatever the decoder raises for a broken file.
    """
    # Twice the wanted side leaves the last halving to the Lanczos filter.
    image, ignored = decode(file, side, name=name)
    return (square(image, side, channels) if side else whole(image, channels)), ignored


def find_images(root: Path) -> list[str]:
    """The image files under a folder, at any depth, as sorted relative POSIX paths.

    Other files are counted by suffix in a warning; links that lead nowhere are named in another.

    Raises:
        InputError: there is no such folder, it or one of its folders cannot be read, or it holds no
            image file.
    """
    if not root.exists():
        raise InputError(f"folder {root} does not exist")
    if not root.is_dir():
        raise InputError(f"{root} is a file; give the folder that holds the images")
    found, others, ours = [], [], []
    for path, kind in _files(root, ours):
        (found if kind == "image" else others).append(path)
    passed = sum(kind_of(Path(path)) == "image" for path in ours)
    if not found:
        holds = f": it holds {left_out(others)}" if others else ""
        but = f" but {passed} that this program wrote" if passed else ""
        raise InputError(f"folder {root} holds no image file ({FORMATS}){but}{holds}")
    if passed:
        told = "folder %s: passed over %s that this program wrote."
        _log.warning(told, root, counted(passed, "image"))
    tell_left_out(f"folder {root}", "images", root, others)
    tell_crops(f"folder {root}", root, found, others)
    return sorted(found)


def tell_crops(name: str, root: Path, found: Sequence[str], others: Sequence[str]) -> None:
    """Warns of crops of `prepare` that lie in one folder with what they were cut out of.

    Args:
        name: of what is read, for the message.
        root: the folder.
        found: images or clips in it, as relative POSIX paths.
        others: what else lies in it, likewise.
    """
    for path in others:
        inside, _, name = path.rpartition("/")
        source = noted_source(root / inside) if name == SETTINGS else None
        if source is None or not source.is_relative_to(root.resolve()):
            continue
        whole = source.relative_to(root.resolve()).as_posix()
        crops = f"{inside}/crops/".lstrip("/")
        apart = [file for file in found if not file.startswith(crops)]
        if whole == "." and apart or any(f"{file}/".startswith(f"{whole}/") for file in apart):
            _log.warning(
                "%s: holds %s, which was cut out of %s, and that too: each is there twice. Name "
                "one of the folders alone.",
                name,
                printable(crops.rstrip("/")),
                printable(str(source)),
            )


def _files(root: Path, ours: list[str] | None = None) -> Iterator[tuple[str, str | None]]:
    """Every file under a folder as a relative POSIX path, and its kind (`walk`)."""
    for folder, names in walk(root, ours):
        for name in names:
            path = Path(folder, name)
            yield path.relative_to(root).as_posix(), kind_of(path)


def _load(
    data: DataConfig, rest: str, progress: Progress | None, faces: FaceCutter | None = None
) -> Examples:
    return load_folder(rest, data.side, data.channels, data.limit, progress, faces)


def _holds_images(path: str) -> bool:
    """Whether a folder holds images, and more of them than videos, whose posters they may be."""
    root = user_path(path)
    if not root.is_dir():
        return False
    kinds = collections.Counter(kind for _, kind in _files(root))
    return kinds["image"] > kinds["video"]


FOLDER = Source(
    kind="folder",
    form="folder:PATH",
    example="folder:photos/cats",
    load=_load,
    photographs=_load,
    images=True,
    claims=_holds_images,
    paths=lambda path: [user_path(path)],
    class_folders=True,
    table="landmarks",
    files=_finder,
)
