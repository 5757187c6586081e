"""The source `folder`: image files under a folder."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from absl import logging
from PIL import Image

from dgn_tf.config import DataConfig
from dgn_tf.data.examples import Examples, stable_id
from dgn_tf.data.sources.source import Source
from dgn_tf.data.squares import square
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import user_path
from dgn_tf.utils.ownership import written_in
from dgn_tf.utils.progress import Progress

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif")
# Naming the formats keeps Pillow from handing a mislabeled file to its other decoders.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
_CHUNK = 512


def load_folder(
    path: str, side: int, channels: int, limit: int = 0, progress: Progress | None = None
) -> Examples:
    """Reads every image under a folder, sorted by relative path.

    JPEG, PNG, WebP, BMP and GIF (the first frame) are looked for at any depth, by suffix in
    either case; hidden files and folders are skipped. Images become squares as `square` says.
    Files that cannot be read are left out, named together in one warning.

    Args:
        path: the folder.
        side: the side of the images, in pixels.
        channels: 1 or 3.
        limit: take only the first `limit` readable images; 0 takes all.
        progress: called with (files done, files needed in all) now and then.

    Returns:
        The examples; an id is the first 63 bits of the SHA-256 of the relative path. If all images
        lie in at least two folders, `label` is the number of the outermost, in their order.

    Raises:
        InputError: the folder is missing, is no folder, or holds no readable image.
    """
    root = user_path(path)
    files = find_images(root)
    wanted = min(limit, len(files)) if limit else len(files)
    images = np.empty((wanted, side, side, channels), np.uint8)
    kept: list[str] = []
    unreadable: list[str] = []
    done = 0
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        while done < len(files) and len(kept) < wanted:
            chunk = files[done : done + min(_CHUNK, wanted - len(kept))]
            results = pool.map(lambda file: _read(root, file, side, channels), chunk)
            for file, result in zip(chunk, results, strict=True):
                if isinstance(result, str):
                    unreadable.append(f"{printable(file)} ({result})")
                else:
                    images[len(kept)] = result
                    kept.append(file)
            done += len(chunk)
            if progress:
                progress(done, min(len(files), done + wanted - len(kept)))
    if not kept:
        raise InputError(
            f"folder {path}: none of its {len(files)} image files can be read; "
            f"the first is {unreadable[0]}"
        )
    if unreadable:
        summary = f"{len(unreadable)} of {done} files cannot be read and are left out"
        logging.warning("folder %s: %s:\n  %s", path, summary, "\n  ".join(unreadable))
    ids = np.array([stable_id(os.fsencode(file)) for file in kept], np.int64)
    names = tuple(printable(file) for file in kept)
    return Examples(images[: len(kept)], ids, names, _classes(files, kept))


def _classes(files: list[str], kept: list[str]) -> dict[str, np.ndarray]:
    """The label of images that lie in a folder for each class: numbers in the folders' order."""
    folders = sorted({file.partition("/")[0] if "/" in file else "" for file in files})
    if "" in folders or len(folders) < 2:
        return {}
    return {"label": np.array([folders.index(file.partition("/")[0]) for file in kept], np.int64)}


def _read(root: Path, file: str, side: int, channels: int) -> np.ndarray | str:
    """The square image, or in words why the file cannot be read."""
    # A broken file makes decoders raise nearly anything: each is named, none ends the run.
    try:
        return read_square(root / file, side, channels)
    except Exception as error:
        return f"{type(error).__name__}: {error}".replace(str(root) + os.sep, "")


def read_square(file: Path, side: int, channels: int) -> np.ndarray:
    """Reads one image file as `square` does.

    Returns:
        uint8 [side, side, channels].

    Raises:
        Exception: whatever the decoder raises for a broken file.
    """
    with Image.open(file, formats=FORMATS) as image:
        # Large JPEGs decode several times faster at a fraction of their size; twice the wanted
        # side leaves the last halving to the Lanczos filter.
        image.draft(None, (2 * side, 2 * side))
        return square(image, side, channels)


def find_images(root: Path) -> list[str]:
    """The image files under a folder, at any depth, as sorted relative POSIX paths.

    Raises:
        InputError: there is no such folder, or it holds no image file.
    """
    if not root.exists():
        raise InputError(f"folder {root} does not exist")
    if not root.is_dir():
        raise InputError(f"{root} is a file; give the folder that holds the images")
    ours: list[str] = []
    found = sorted(_image_files(root, ours))
    passed = sum(name.lower().endswith(SUFFIXES) for name in ours)
    if not found:
        but = f" but {passed} that this program wrote" if passed else ""
        raise InputError(f"folder {root} holds no image file ({', '.join(SUFFIXES)}){but}")
    if passed:
        logging.warning("folder %s: passed over %d images that this program wrote.", root, passed)
    return found


def _image_files(root: Path, ours: list[str] | None = None) -> Iterator[str]:
    for folder, files in walk(root, ours):
        for name in files:
            if name.lower().endswith(SUFFIXES):
                yield Path(folder, name).relative_to(root).as_posix()


def walk(root: Path, ours: list[str] | None = None) -> Iterator[tuple[str, list[str]]]:
    """Every folder under `root` and the names of its files; what is hidden is left out.

    Linked folders are followed, each folder is visited once. What this program has written into one
    of them, a run or the results of a command, is left out too.

    Args:
        root: the folder.
        ours: gets the paths of the files that are left out because this program wrote them.
    """
    written: set[str] = set()
    # Without it, circles of links would never end.
    visited: set[str] = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        if os.path.realpath(folder) in visited:
            folders.clear()
            continue
        visited.add(os.path.realpath(folder))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        written.update(written_in(folder))
        shown = [name for name in files if not name.startswith(".")]
        paths = {name: os.path.join(folder, name) for name in shown}
        if ours is not None:
            ours += [path for path in paths.values() if path in written]
        yield folder, [name for name in shown if paths[name] not in written]


def printable(file: str) -> str:
    """The path as valid text, whatever bytes the file system allowed in it."""
    return os.fsencode(file).decode("utf-8", "backslashreplace")


def _load(data: DataConfig, rest: str, progress: Progress | None) -> Examples:
    return load_folder(rest, data.side, data.channels, data.limit, progress)


def _holds_images(path: str) -> bool:
    return any(_image_files(user_path(path)))


FOLDER = Source(
    kind="folder",
    form="folder:PATH",
    example="folder:photos/cats",
    load=_load,
    images=True,
    claims=_holds_images,
    paths=lambda path: [user_path(path)],
    class_folders=True,
    table="landmarks",
)
