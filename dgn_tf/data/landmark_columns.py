"""Which column of a table is which coordinate of which of five points, told by its header."""

import re
from collections.abc import Sequence

from dgn_tf.utils.errors import InputError

POINTS = ("left eye", "right eye", "nose", "left mouth corner", "right mouth corner")
HEADER = "name,x1,y1,x2,y2,x3,y3,x4,y4,x5,y5"
_AXES = ("x", "y")
_NAMES = {
    "lefteye": 0,
    "eyeleft": 0,
    "leye": 0,
    "righteye": 1,
    "eyeright": 1,
    "reye": 1,
    "nose": 2,
    "leftmouth": 3,
    "mouthleft": 3,
    "lmouth": 3,
    "rightmouth": 4,
    "mouthright": 4,
    "rmouth": 4,
}
# Words that say nothing of which point it is.
_FILLING = {"corner", "tip", "center", "centre", "landmark", "lm", "point", "pt", "p", "kp", "px"}


def read_header(header: Sequence[str]) -> tuple[int, list[int], bool]:
    """Finds the columns of the names and of the ten coordinates, in any order.

    A coordinate is named by x or y and a point: its number, from 0 or from 1 on in the order of
    `POINTS` (x1, 1_y, lm0_x), or its name (left_eye_x, x_nose, mouthLeftY). One more column, of any
    title, holds the names.

    Returns:
        The column of the names; the columns of x and y of the first point, of the second, and so
        on; and whether points are named.

    Raises:
        InputError: it is another header, which says what is missing or not understood.
    """
    found: dict[tuple[int | str, str], int] = {}
    others: list[int] = []
    for column, title in enumerate(header):
        point = _coordinate(title)
        if point is None:
            others.append(column)
        elif point in found:
            raise InputError(f"{header[found[point]]} and {title} are the same coordinate.")
        else:
            found[point] = column
    if len(others) > 1 and len(found) == 2 * len(POINTS):
        raise InputError(
            f"which of {', '.join(header[column] for column in others)} holds the names of the "
            "files cannot be told: leave the others out."
        )
    keys = {point for point, _ in found}
    for points in (list(range(1, 6)), list(range(5)), list(POINTS)):
        if keys == set(points) and len(found) == 2 * len(POINTS) and len(others) == 1:
            columns = [found[point, axis] for point in points for axis in _AXES]
            return others[0], columns, points[0] == POINTS[0]
    raise InputError(
        f"its header is {','.join(header)}: name a column of file names, and x and y of five "
        f"points, as in {HEADER} or left_eye_x,left_eye_y,... ({', '.join(POINTS)})."
    )


def _coordinate(title: str) -> tuple[int | str, str] | None:
    """(The number or name of the point, the axis), or None for another column."""
    apart = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", title).lower()
    words = re.findall(r"[^\W\d_]+|\d+", apart)
    axes = [word for word in words if word in _AXES]
    rest = [word for word in words if word not in _AXES and word not in _FILLING]
    if len(axes) != 1 or not rest:
        return None
    if len(rest) == 1 and re.fullmatch("[0-9]", rest[0]):
        return int(rest[0]), axes[0]
    name = re.sub("corner|center|centre|tip", "", "".join(rest))
    return (POINTS[_NAMES[name]], axes[0]) if name in _NAMES else None
