"""Rows of tables, found by the names of the files that they are about."""

from collections.abc import Iterable

from dgn_tf.data.sources.walking import composed
from dgn_tf.utils.csv_files import read_rows
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import user_path

# Between values where there are commas elsewhere.
_OTHERS = {";": "semicolons", "\t": "tabs", " ": "blanks"}


def read_table(table: str, setting: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header of a CSV file, and its rows with their line numbers.

    Args:
        table: path of the file.
        setting: that names it, for messages.

    Raises:
        InputError: it is missing, no regular file or broken, has no header, separates values by
            something else than commas, or a row has more or fewer values than the header.
    """
    path, where = user_path(table), f"`{setting}={table}`"
    try:
        (_, header), *rows = read_rows(path) or [(1, [])]
    except FileNotFoundError:
        raise InputError(f"{where}: there is no such file.") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{where}: cannot be read: {error}") from error
    if not header:
        raise InputError(f"{where}: is empty; it needs a header.")
    header = [name.strip() for name in header]
    # Of as many values as the header it is a row about a file of such a name.
    rows = [row for row in rows if not _is_comment(row[1], len(header))]
    counted = len(header) == 1 and header[0].isdecimal() and bool(rows)
    # Some files begin with the number of their rows, as those of CelebA do.
    first = rows[0][1] if counted else header
    for mark, marks in _OTHERS.items():
        if len(first) == 1 and mark in first[0].strip():
            also = "leave out its first line, which is no header, and " if counted else ""
            raise InputError(f"{where}: its values are separated by {marks}: {also}write commas.")
    if counted and len(first) > 1:
        raise InputError(f"{where}: its first line, {header[0]}, is no header: leave it out.")
    for line, cells in rows:
        if len(cells) != len(header):
            raise InputError(
                f"{where}, line {line}: has {len(cells)} columns, not {len(header)} as its header."
            )
    return header, rows


def _is_comment(cells: list[str], columns: int) -> bool:
    """Whether a line behind the header is a comment."""
    return cells[0].lstrip().startswith("#") and len(cells) != columns


def named(cell: str) -> str:
    """The name of a file as a table may write it: without "./" and blanks around it."""
    return cell.strip().removeprefix("./")


def match(names: Iterable[str], rows: Iterable[str]) -> dict[str, str]:
    """Which row is about which file.

    A row has the name of its file, or one that people take for the same: systems write accented
    letters in two ways.

    Args:
        names: of files.
        rows: the names that rows have.

    Returns:
        The row's name for each name of a file that has one.

    Raises:
        InputError: two rows differ only in how accents are written, and no file tells them apart.
    """
    names, rows = list(names), set(rows)
    found = {name: name for name in names if name in rows}
    spelled: dict[str, str] = {}
    for row in sorted(rows - found.keys()):
        if composed(row) in spelled:
            raise InputError(f"two rows are about {row}: their names differ only in accents.")
        spelled[composed(row)] = row
    for name in names:
        if name not in found and composed(name) in spelled:
            found[name] = spelled[composed(name)]
    return found
