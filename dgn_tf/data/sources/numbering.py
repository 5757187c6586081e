"""Which numbers are missing among files that are numbered, such as the frames of a clip."""

import collections
import re
from collections.abc import Sequence


def missing_before(names: Sequence[str]) -> dict[str, int] | None:
    """Before which files others are missing, as far as their names tell.

    Names tell it that differ in a single number, which most often grows by one step (of 1, or of 5
    where every fifth frame was kept) and else by a multiple of it.

    Args:
        names: of the files, in the order of their numbers.

    Returns:
        How many are missing, by the name of the file behind them; None where names differ in a
        single number that grows in no such way.
    """
    if len({tuple(re.split("[0-9]+", name.lower())) for name in names}) != 1:
        return {}
    columns = list(zip(*(re.findall("[0-9]+", name) for name in names), strict=True))
    # A number can be longer than Python would convert; such ones count nothing.
    changing = [column for column in columns if len(set(column)) > 1]
    if len(changing) != 1 or max(map(len, changing[0])) > 18:
        return {}
    numbers = [int(digits) for digits in changing[0]]
    steps = [after - before for before, after in zip(numbers, numbers[1:], strict=False)]
    step = min(steps)
    usual = collections.Counter(steps)[step] * 2 >= len(steps)
    if step < 1 or not usual or any(each % step for each in steps):
        return None
    return {
        name: each // step - 1 for name, each in zip(names[1:], steps, strict=True) if each > step
    }
