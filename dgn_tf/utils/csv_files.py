"""CSV files, read strictly: a row that cannot be understood is an error, and never left out."""

import codecs
import csv
from pathlib import Path

from dgn_tf.utils.reading import read_regular


def read_rows(path: Path) -> list[tuple[int, list[str]]]:
    """The rows of a CSV file that are not empty, each with its line number; the header first.

    Lines in front of the header that begin with "#" are comments. The text is UTF-8, or UTF-16 that
    begins with its mark, as spreadsheets write it.

    A value holds neither a line break nor another control character, so that a missing quote
    damages one line and not all that follow it.

    Raises:
        OSError: the file cannot be read, or is a pipe or device.
        ValueError: it is text in another encoding, or a line is damaged.
    """
    content = read_regular(path)
    is_wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"byte {error.start} is no text in {error.encoding.upper()}: save it as UTF-8"
        ) from None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = [(n, line) for n, line in enumerate(text.split("\n"), 1) if line]
    first = next((k for k, (_, line) in enumerate(lines) if not line.startswith("#")), len(lines))
    return [(n, cells(line, n)) for n, line in lines[first:]]


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
