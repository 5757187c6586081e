"""CSV files, read strictly: a row that cannot be understood is an error, and never left out."""

import csv
from pathlib import Path

from dgn_tf.utils.reading import read_regular


def read_rows(path: Path) -> list[tuple[int, list[str]]]:
    """The rows of a CSV file that are not empty, each with its line number; the header first.

    A value holds neither a line break nor another control character, so that a missing quote
    damages one line and not all that follow it.

    Raises:
        OSError: the file cannot be read, or is a pipe or device.
        ValueError: it is not text in UTF-8, or a line is damaged.
    """
    text = read_regular(path).decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    return [(n, cells(line, n)) for n, line in enumerate(text.split("\n"), 1) if line]


def cells(line: str, number: int) -> list[str]:
    """The values of one line.

    Raises:
        ValueError: a quote is missing, or there is a control character.
    """
    if any(character < " " and character != "\t" for character in line):
        raise ValueError(f"line {number} holds a control character")
    try:
        (row,) = csv.reader([line], strict=True)
    except csv.Error as error:
        raise ValueError(
            f"line {number}: {error} (a value may not go over several lines)"
        ) from None
    return row
