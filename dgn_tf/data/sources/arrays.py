"""The source `npz`: an .npz file of images, or of the frames of clips."""

import logging

import numpy as np

from dgn_tf.config import DataConfig
from dgn_tf.data.examples import Examples, stable_id
from dgn_tf.data.sources.source import Source
from dgn_tf.data.sources.windows import cut, name_of
from dgn_tf.data.squares import square_array, to_square
from dgn_tf.utils.arrays import ROUNDING, channels_hint, require_told_apart
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import user_path
from dgn_tf.utils.npz_files import npz_headers, read_npz
from dgn_tf.utils.progress import Progress

# What int64 does not hold.
_MOST = 2.0**63
_log = logging.getLogger(__name__)


def load_npz(data: DataConfig, rest: str, progress: Progress | None = None) -> Examples:
    """Reads images, or with `data.frames` clips, from an .npz file.

    The images are uint8 [N, H, W] or [N, H, W, 1 or 3], or floats in [0, 1]. For clips the
    file also says, in the integer arrays `clip` and `frame` [N], which frame of which clip each
    image is; a window of `frames` frames of one clip never goes over a gap in `frame`.

    Args:
        data: side, channels, limit on the examples; frames and stride of clips.
        rest: PATH or PATH:KEY; without KEY, the array `images` or the only one of such a shape.
        progress: called with (examples done, examples in all) now and then.

    Returns:
        The examples. Ids of images are row numbers, those of clips hashes of their names, such as
        "7#002". Further arrays of length N are factors, [n, ...] of images, [n, F, ...] of clips;
        a warning names those of other lengths;
        `clip` is [n]; points (x, y) in an array `landmarks` [N, K, 2] move into the squares.

    Raises:
        InputError: the file or an array cannot be used, or no clip is long enough.
    """
    where, values, others = _arrays(rest)
    frames, side, channels = data.frames, data.side, data.channels
    if frames:
        rows, names = _windows(others, where, len(values), frames, data.stride)
        ids = np.array([stable_id(name.encode()) for name in names], np.int64)
    else:
        rows, names = np.arange(len(values)), [str(row) for row in range(len(values))]
        ids = np.arange(len(values), dtype=np.int64)
    if data.limit:
        rows, names, ids = rows[: data.limit], names[: data.limit], ids[: data.limit]
    used = stored_bytes(values[rows.ravel()] if frames else values[: len(rows)], where)
    images = np.empty((len(used), side, side, channels), np.uint8)
    each = frames or 1
    for row, image in enumerate(used):
        images[row] = square_array(image, side, channels)
        done = (row + 1) // each
        if progress and (row + 1) % each == 0 and (done % 100 == 0 or done == len(rows)):
            progress(done, len(rows))
    factors = {n: a[rows] for n, a in others.items() if a.ndim and len(a) == len(values)}
    unused = [f"{n} {list(a.shape)}" for n, a in others.items() if a.ndim and n not in factors]
    if unused:
        _log.warning(
            "%s: arrays without a row for each of the %d images are left out: %s",
            where,
            len(values),
            ", ".join(unused),
        )
    points = factors.get("landmarks")
    if points is not None and points.ndim >= 3 and points.shape[-1] == 2:
        if points.dtype.kind not in "iuf":
            raise InputError(f"{where}: `landmarks` beside it are {points.dtype}, not numbers")
        factors["landmarks"] = to_square(points, values.shape[2], values.shape[1], side)
    if frames:
        factors["clip"] = factors["clip"].reshape(len(rows), -1)[:, 0]
    return Examples(images.reshape(*rows.shape, side, side, channels), ids, tuple(names), factors)


def stored_size(rest: str) -> tuple[int, int]:
    """(width, height) of the images in PATH[:KEY], which `load_npz` has read before."""
    path, key = _path_and_key(rest)
    # The headers alone: the images themselves are read already.
    shapes = {name: header.shape for name, header in npz_headers(path).items()}
    if not key:
        images = [name for name, shape in shapes.items() if len(shape) in (3, 4)]
        key = "images" if "images" in shapes else images[0]
    return shapes[key][2], shapes[key][1]


def _path_and_key(rest: str) -> tuple[str, str]:
    """The parts of PATH or PATH:KEY; a file may have a colon in its name."""
    if user_path(rest).is_file() or ":" not in rest:
        return rest, ""
    path, _, key = rest.rpartition(":")
    return path, key


def _arrays(rest: str) -> tuple[str, np.ndarray, dict[str, np.ndarray]]:
    """The images' array of `PATH[:KEY]` with its name for messages, and all the others."""
    path, key = _path_and_key(rest)
    arrays = read_npz(path)
    listing = ", ".join(f"{name} {list(array.shape)}" for name, array in arrays.items())
    candidates = [name for name, array in arrays.items() if array.ndim in (3, 4)]
    if not key:
        if "images" not in arrays and len(candidates) != 1:
            raise InputError(f"npz:{path}: name the images' array (:KEY); it has {listing}")
        key = "images" if "images" in arrays else candidates[0]
    if key not in arrays:
        raise InputError(f"npz:{path}: has no array {key!r}; it has {listing}")
    values = arrays.pop(key)
    where = f"npz:{path}:{key}"
    if values.ndim not in (3, 4) or (values.ndim == 4 and values.shape[3] not in (1, 3)):
        raise InputError(
            f"{where}: is {list(values.shape)}, not [N, H, W] or [N, H, W, 1 or 3]."
            f"{channels_hint(values.shape)}"
        )
    if 0 in values.shape:
        raise InputError(f"{where}: is empty, {list(values.shape)}")
    if values.ndim == 3 and values.shape[2] in (1, 3):
        raise InputError(
            f"{where}: is {list(values.shape)}, which is one image [H, W, 1 or 3]: give [N, H, W, "
            "1 or 3]"
        )
    try:
        require_told_apart(values.shape)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    return where, values, arrays


def _windows(
    arrays: dict[str, np.ndarray], where: str, count: int, frames: int, stride: int
) -> tuple[np.ndarray, list[str]]:
    """The rows of every window, int [n, F], and its name."""
    clip, frame = (_numbers(arrays.get(name), name, where, count) for name in ("clip", "frame"))
    order = np.lexsort((frame, clip))
    same, step = np.diff(clip[order]) == 0, np.diff(frame[order])
    if (same & (step == 0)).any():
        first = order[np.flatnonzero(same & (step == 0))[0]]
        raise InputError(f"{where}: clip {clip[first]} has its frame {frame[first]} twice")
    runs = np.split(order, np.flatnonzero(~(same & (step == 1))) + 1)
    rows, names, numbers = [], [], {}
    for run in runs:
        for window in cut(run[::stride], frames):
            source = clip[window[0]]
            numbers[source] = numbers.get(source, -1) + 1
            rows.append(window)
            names.append(name_of(str(source), numbers[source]))
    if not rows:
        needed = (frames - 1) * stride + 1
        raise InputError(
            f"{where}: no clip has {needed} frames in a row, which `frames={frames}` and "
            f"`stride={stride}` need; the longest has {max(len(run) for run in runs)}"
        )
    return np.array(rows), names


def _numbers(found: np.ndarray | None, name: str, where: str, count: int) -> np.ndarray:
    """Whole numbers [N], signed so that differences of unsigned ones do not wrap around."""
    if found is not None and found.dtype.kind in "iuf" and found.size == count:
        # An infinity is equal to what it rounds to, and int64 does not hold every whole number.
        held = found.dtype.kind != "f" or (np.abs(found) < _MOST).all()
        if held and (found == np.rint(found)).all():
            return found.reshape(count).astype(np.int64)
    has = "nothing" if found is None else f"{found.dtype} {list(found.shape)}"
    raise InputError(
        f"{where}: clips need an integer array `{name}` [{count}] beside the images; found {has}"
    )


def stored_bytes(values: np.ndarray, where: str) -> np.ndarray:
    """uint8 values as they are and floats in [0, 1], which rounding may leave, scaled to 0..255.

    Args:
        values: of any shape, not empty.
        where: they are, for the message.

    Raises:
        InputError: another type, or floats outside of the range.
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind != "f":
        raise InputError(f"{where}: must be uint8, or floats in [0, 1]; is {values.dtype}")
    low, high = float(values.min()), float(values.max())
    if not (low >= -ROUNDING and high <= 1 + ROUNDING):
        raise InputError(f"{where}: floats must lie in [0, 1]; found [{low:g}, {high:g}]")
    return np.rint(np.clip(values, 0, 1) * values.dtype.type(255)).astype(np.uint8)


def _is_npz(path: str) -> bool:
    file = user_path(_path_and_key(path)[0])
    return file.suffix.lower() == ".npz" and file.is_file()


NPZ = Source(
    kind="npz",
    form="npz:PATH[:KEY]",
    example="npz:faces.npz:images",
    load=load_npz,
    images=True,
    clips=True,
    timing=("stride",),
    refusal="states no rate: use `stride`",
    claims=_is_npz,
    paths=lambda rest: [user_path(_path_and_key(rest)[0])],
    part=lambda rest: _path_and_key(rest)[1],
    landmarks=True,
    stored_size=stored_size,
)
