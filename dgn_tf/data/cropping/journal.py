"""A CSV file that grows by what is finished, and stays valid when its writer is killed."""

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from dgn_tf.utils.csv_files import cells
from dgn_tf.utils.errors import InputError, naming
from dgn_tf.utils.files import write_text
from dgn_tf.utils.reading import read_regular

_AGAIN = "delete the line, and what it was about is done again"


class Journal:
    """Rows about sources; all rows of a source are written at once.

    A writer that was killed can leave the last line torn: it is dropped, and with it the rows of
    the source that it may have belonged to. No value may hold a line break.

    Attributes:
        rows: a dictionary for each row that was in the file.
    """

    def __init__(self, path: Path, columns: Sequence[str]):
        """Opens the file, or begins it with its heading.

        Raises:
            InputError: the file has other columns, cannot be read, or a line of it is damaged.
        """
        self._path, self._columns = path, list(columns)
        try:
            content = read_regular(path) if path.exists() else b""
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
        # Whoever edits a table may write the ends of its lines in another way.
        text = content.decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n")
        whole = text[: text.rfind("\n") + 1]
        try:
            rows = [cells(line, n) for n, line in enumerate(whole.split("\n")[:-1], 1)]
        except ValueError as error:
            raise InputError(f"{path}: {error}: {_AGAIN}.") from None
        if rows and rows[0] != self._columns:
            raise InputError(
                f"{path} has other columns than {', '.join(columns)}: it is not from this "
                "program; name another folder."
            )
        for number, row in enumerate(rows, 1):
            if len(row) != len(columns):
                raise InputError(f"{path}: line {number} is damaged: {_AGAIN}.")
        self.rows = [dict(zip(columns, row, strict=True)) for row in rows[1:]]
        if whole != text or not whole:
            torn = self.rows[-1]["source"] if self.rows else None
            self.rows = [row for row in self.rows if row["source"] != torn]
            write_text(path, self._lines([self._columns, *(row.values() for row in self.rows)]))

    def append(self, rows: Sequence[dict[str, str]]) -> None:
        """Adds the rows of one source: values by column, missing ones empty."""
        text = self._lines([row.get(column, "") for column in self._columns] for row in rows)
        with naming(self._path), open(self._path, "ab") as file:
            file.write(text.encode())

    @staticmethod
    def _lines(rows: Iterable[Iterable[str]]) -> str:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        return text.getvalue()
