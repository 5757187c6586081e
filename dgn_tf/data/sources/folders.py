"""A folder of image files as a data set, and the one way any image becomes a square."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from absl import logging
from PIL import Image, ImageOps

from dgn_tf.data.examples import Examples, stable_id
from dgn_tf.utils.errors import InputError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif")
# Naming the formats keeps Pillow from handing a mislabeled file to its other decoders.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
# Where Pillow refuses an image as a decompression bomb; videos are held to the same.
MOST_PIXELS = 2 * Image.MAX_IMAGE_PIXELS
_CHUNK = 512

Progress = Callable[[int, int], None]


def square(image: Image.Image, side: int, channels: int) -> np.ndarray:
    """Turns any image into a square one of the wanted size.

    The EXIF orientation is applied; 16-bit gray is scaled to 8 bits; transparency is composited
    on white; the center is cropped to a square and resized with an antialiasing Lanczos filter.
    An image whose shorter side is `side` already keeps its pixels exactly.

    Args:
      image: a Pillow image of any mode but "F", of any size.
      side: the side of the result, in pixels.
      channels: 1 (ITU-R 601 luma) or 3 (RGB).

    Returns:
      uint8 [side, side, channels].

    Raises:
      ValueError: for a floating-point image, whose range nothing states.
    """
    image = eight_bits(ImageOps.exif_transpose(image))
    edge = min(image.size)
    left, top = (image.width - edge) // 2, (image.height - edge) // 2
    if image.size != (edge, edge):
        image = image.crop((left, top, left + edge, top + edge))
    if edge != side:
        image = image.resize((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return pixels.reshape(side, side, channels)


def eight_bits(image: Image.Image) -> Image.Image:
    """Returns the opaque 8-bit image, "L" or "RGB"; what shows through is white."""
    if image.mode == "F":
        raise ValueError("a floating-point image states no range of values")
    if image.mode == "I" or image.mode.startswith("I;16"):
        # Pillow's own conversion clips at 255; 65535 / 257 is exactly 255.
        values = np.clip(np.asarray(image.convert("I")), 0, 65535)
        return Image.fromarray(np.rint(values / 257).astype(np.uint8))
    if image.has_transparency_data:
        color = image.convert("RGBA")
        white = Image.new("RGBA", color.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, color).convert("RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


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
      InputError: if the folder is missing, is no folder, or holds no readable image.
    """
    root = Path(path).expanduser()
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
    """Returns the square image, or in words why the file cannot be read."""
    # A broken file makes decoders raise nearly anything: each is told, none ends the run.
    try:
        return _decode(root / file, side, channels)
    except Exception as error:
        return f"{type(error).__name__}: {error}".replace(str(root) + os.sep, "")


def _decode(file: Path, side: int, channels: int) -> np.ndarray:
    """Reads one file, uint8 [side, side, channels]; raises whatever its decoder raises."""
    with Image.open(file, formats=FORMATS) as image:
        # Large JPEGs decode several times faster at a fraction of their size; twice the wanted
        # side leaves the last halving to the Lanczos filter.
        image.draft(None, (2 * side, 2 * side))
        return square(image, side, channels)


def find_images(root: Path) -> list[str]:
    """Returns the image files under `root` as sorted relative POSIX paths."""
    if not root.exists():
        raise InputError(f"folder {root} does not exist")
    if not root.is_dir():
        raise InputError(f"{root} is a file; give the folder that holds the images")
    found = [
        Path(folder, name).relative_to(root).as_posix()
        for folder, files in walk(root)
        for name in files
        if name.lower().endswith(SUFFIXES)
    ]
    if not found:
        raise InputError(f"folder {root} holds no image file ({', '.join(SUFFIXES)})")
    return sorted(found)


def walk(root: Path) -> Iterator[tuple[str, list[str]]]:
    """Every folder under `root` and the names of its files; what is hidden is left out.

    Linked folders are followed, each folder is visited once.
    """
    visited: set[str] = set()
    # The visited set ends circles of links.
    for folder, folders, files in os.walk(root, followlinks=True):
        if os.path.realpath(folder) in visited:
            folders.clear()
            continue
        visited.add(os.path.realpath(folder))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield folder, [name for name in files if not name.startswith(".")]


def printable(file: str) -> str:
    """Returns the path as valid text, whatever bytes the file system allowed in it."""
    return os.fsencode(file).decode("utf-8", "backslashreplace")
