"""Five landmarks for the images of a data set, in the pixels that the model sees.

In this order: left eye, right eye, nose, left mouth corner, right mouth corner, where "left" is
the left of the image. Coordinates are (x, y) in pixels with pixel centers at whole numbers.
"""

import collections
import logging
import os
from collections.abc import Callable

import numpy as np

from dgn_tf.data.decoding import File, first_line, upright_size
from dgn_tf.data.examples import Examples
from dgn_tf.data.landmark_columns import HEADER, POINTS, read_header
from dgn_tf.data.rows import match, named, read_table
from dgn_tf.data.sources import source_of
from dgn_tf.data.sources.walking import composed
from dgn_tf.data.squares import to_square
from dgn_tf.utils.errors import InputError

_log = logging.getLogger(__name__)

# Points may lie beyond the square by at most its side: what the crop cut off may, numbers of a
# larger image may not. And they may not all lie within this share of it: those are fractions.
_BEYOND = 1.0
_SPOT = 0.03
# Of `POINTS`, the left one first.
_PAIRS = ((0, 1), (3, 4))
_NAMED = 10


def landmarks_of(examples: Examples, spec: str) -> np.ndarray:
    """The label `landmarks` that heads and .npz files can bring.

    Args:
        examples: a data set, or a part of it, as `dgn_tf.data.sources.load` gives it, with
            landmarks [N, 5, 2] in pixels of its images. An .npz file may also hold [N, 10], in
            pixels of its own images, if only one order of the ten numbers makes faces that stand
            upright.
        spec: what it was loaded from, in a form of `data`.

    Returns:
        float32 [N, 5, 2], (x, y) in pixels of `examples.images`.

    Raises:
        InputError: there are no landmarks, or they cannot be used.
    """
    source, rest = source_of(spec)
    if source.table == "landmarks":
        raise InputError(f"{spec} needs `landmarks=FILE.csv`, a table {HEADER}.")
    if not source.landmarks or "landmarks" not in examples.factors:
        listing = ", ".join(examples.factors) or "no labels"
        raise InputError(
            f"{spec} has no label 'landmarks' of five points; it has {listing}. Heads, .npz files "
            "and folders with `landmarks=FILE.csv` can have them."
        )
    values = examples.factors["landmarks"]
    points = _five_points(values, spec)
    # Points [N, 5, 2] were moved when they were loaded; of [N, 10], x and y were not known then.
    if source.stored_size and values.ndim == 2:
        points = to_square(points, *source.stored_size(rest), examples.side)
    for name, row in zip(examples.names, points, strict=True):
        _check(row, examples.side, f"{spec}: landmarks of example {name}")
    return points.astype(np.float32)


def read_landmarks(table: str, spec: str, examples: Examples) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks from a CSV file for the images of a folder or archive.

    The file has a header whose names say which column is which (`landmark_columns.read_header`), as
    name, x1, y1, ..., x5, y5: an image's file name, or its path inside the folder, and pixels of
    the original file as it is shown (its EXIF orientation applied). Images without a row are left
    out, named in one warning.

    Args:
        table: path of the CSV file.
        spec: the folder or archive, in a form of `data`.
        examples: its images, as `dgn_tf.data.sources.load` gives them.

    Returns:
        Which examples have landmarks, rising indices int64 [M]; and these, float32 [M, 5, 2] in
        pixels of `examples.images`.

    Raises:
        InputError: the file is missing or broken, names no image, or a number is not finite or far
            outside its image.
    """
    rows = _read_table(table)
    bases = [os.path.basename(path) for path in examples.names]
    uses = collections.Counter(composed(name) for name in bases)
    try:
        by_path = match(examples.names, rows)
        by_name = match(dict.fromkeys(bases), rows)
    except InputError as error:
        raise InputError(f"`landmarks={table}`: {error}") from None
    chosen, missing = {}, []
    for index, (path, name) in enumerate(zip(examples.names, bases, strict=True)):
        if path not in by_path and name in by_name and uses[composed(name)] > 1:
            raise InputError(
                f"`landmarks={table}`: {name} is the name of several images: give their paths "
                f"inside the folder, for example {path}."
            )
        found = by_path.get(path) or by_name.get(name)
        if found is None:
            missing.append(path)
            continue
        chosen[index] = rows[found]
    if not chosen:
        raise InputError(
            f"`landmarks={table}`: has no row for any of the {len(examples)} images; the first "
            f"is {missing[0]}, the first row of {next(iter(rows), 'none')}."
        )
    if missing:
        listing = ", ".join(missing[:_NAMED]) + (", ..." if len(missing) > _NAMED else "")
        _log.warning(
            "%s: %d of %d images have no row and are left out: %s",
            table,
            len(missing),
            len(examples),
            listing,
        )
    source, rest = source_of(spec)
    if source.files is None:
        raise InputError(f"`landmarks={table}`: {spec} holds no image files.")
    points, side = [], examples.side
    with source.files(rest) as find:
        for index, (line, values) in chosen.items():
            where = f"`landmarks={table}`, line {line}, {examples.names[index]}"
            points.append(_moved(values, find, examples.names[index], side, where))
            _check(points[-1], side, where)
    return np.array(list(chosen), np.int64), np.stack(points)


def _five_points(values: np.ndarray, spec: str) -> np.ndarray:
    """Landmarks [N, 5, 2] or [N, 10] as float64 [N, 5, 2]."""
    count = len(values)
    if values.dtype.kind in "biuf" and values.shape == (count, len(POINTS), 2):
        return values.astype(np.float64)
    if values.dtype.kind not in "biuf" or values.shape != (count, 2 * len(POINTS)):
        raise InputError(
            f"{spec}: landmarks must be numbers [N, 5, 2]; found {values.dtype} "
            f"{list(values.shape)}."
        )
    pairs = values.reshape(count, len(POINTS), 2).astype(np.float64)
    apart = np.moveaxis(values.reshape(count, 2, len(POINTS)), 1, 2).astype(np.float64)
    upright = [order for order in (pairs, apart) if _upright(order.mean(axis=0))]
    if len(upright) != 1:
        raise InputError(
            f"{spec}: landmarks are {list(values.shape)}, and x1,y1,..,x5,y5 or x1,..,x5,y1,..,y5 "
            f"cannot be told apart: give them as [N, 5, 2] ({', '.join(POINTS)})."
        )
    return upright[0]


def _upright(points: np.ndarray) -> bool:
    """Whether [5, 2] are eyes, nose and mouth from above to below, each left to right."""
    x, y = points.T
    return bool(x[0] < x[1] and x[3] < x[4] and max(y[:2]) < y[2] < min(y[3:]))


def _check(points: np.ndarray, side: int, where: str) -> None:
    """Refuses points [5, 2] in a square that are not finite, far outside, or all in one spot."""
    if not np.isfinite(points).all():
        raise InputError(f"{where}: a number is not finite.")
    if np.ptp(points, axis=0).max() < _SPOT * side:
        raise InputError(f"{where}: all five points are in one spot: give them in pixels.")
    outside = ((points < -_BEYOND * side) | (points > (1 + _BEYOND) * side)).any(axis=1)
    if outside.any():
        k = int(np.argmax(outside))
        raise InputError(
            f"{where}: the {POINTS[k]} lies far outside the image, at ({points[k, 0]:.0f}, "
            f"{points[k, 1]:.0f}) of its {side} x {side} pixel square: give pixels of the original "
            "image."
        )


def _moved(
    points: np.ndarray, find: Callable[[str], File], name: str, side: int, where: str
) -> np.ndarray:
    """Points [5, 2] of an original image file, in pixels of the square made from it."""
    # A broken file makes decoders raise nearly anything.
    try:
        # As it is opened to be used: JPEGs decode at a whole fraction of their size.
        width, height, fraction = upright_size(find(name), side)
    except Exception as error:
        raise InputError(f"{where}: the image cannot be read: {first_line(error)}") from error
    return to_square((points + 0.5) * fraction - 0.5, width, height, side)


def _read_table(table: str) -> dict[str, tuple[int, np.ndarray]]:
    """(line, points [5, 2]) by name."""
    header, lines = read_table(table, "landmarks")
    if header[1:] and all(_number(cell) is not None for cell in header[1:]):
        raise InputError(
            f"`landmarks={table}`: its first line is numbers; it needs a header {HEADER}."
        )
    try:
        name_column, columns, are_named = read_header(header)
    except InputError as error:
        raise InputError(f"`landmarks={table}`: {error}") from None
    rows = {}
    for line, cells in lines:
        name, where = named(cells[name_column]), f"`landmarks={table}`, line {line}"
        if name in rows:
            raise InputError(f"{where}: {name} has a row already, line {rows[name][0]}.")
        rows[name] = line, _numbers([cells[k] for k in columns], f"{where} ({name})")
    across = np.array([points[:, 0] for _, points in rows.values()]).reshape(-1, len(POINTS))
    for left, right in _PAIRS if are_named and len(across) else ():
        if np.median(across[:, left] - across[:, right]) > 0:
            raise InputError(
                f"`landmarks={table}`: the {POINTS[left]} is to the right of the {POINTS[right]}: "
                "left is meant as the viewer sees it; exchange the names of left and right."
            )
    if not are_named and rows:
        middle = np.median([points for _, points in rows.values()], axis=0)
        if not _upright(middle):
            _log.warning(
                "%s: the points that it numbers do not lie as %s do, seen by the viewer: if they "
                "are in another order, exchange their numbers.",
                table,
                ", ".join(POINTS),
            )
    return rows


def _numbers(cells: list[str], where: str) -> np.ndarray:
    values = [_number(cell) for cell in cells]
    for cell, value in zip(cells, values, strict=True):
        if value is None or not np.isfinite(value):
            raise InputError(f"{where}: {cell.strip()!r} is not a finite number.")
    return np.array(values, np.float64).reshape(len(POINTS), 2)


def _number(cell: str) -> float | None:
    try:
        # Python takes 2_5 for 25: here it is a damaged 2.5.
        return float(cell.replace("_", "?"))
    except ValueError:
        return None
