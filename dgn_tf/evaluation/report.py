"""Reports: what an experiment found, as numbers, as text and as one page to look at."""

import base64
import dataclasses
import datetime
import html
import json
import math
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from dgn_tf import __version__
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import looks_like_file, user_path
from dgn_tf.utils.folders import atomic_folder, require_replaceable
from dgn_tf.utils.ownership import REPORT, Ownership, files_under
from dgn_tf.utils.reading import read_text
from dgn_tf.visualize.animation import save_animation
from dgn_tf.visualize.images import png_bytes, save_sheet

Cell = str | float | int | None

_NOTHING = "–"
# Frames a second: clips are short, and slow enough to be looked at.
_FRAME_RATE = 10
_NUMBER = re.compile(r"[<>≤≥≈±]?\s*[-+−]?\d")
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #222; background: #fff;
       font: 16px/1.5 system-ui, sans-serif; }}
h1 {{ font-size: 1.6rem; line-height: 1.25; }}
h2 {{ font-size: 1.15rem; margin-top: 2.5rem; border-bottom: 1px solid #ddd; }}
.wide {{ overflow-x: auto; margin: 1.2rem 0 1.8rem; }}
table {{ border-collapse: collapse; font-size: 0.95rem; }}
caption, figcaption {{ text-align: left; margin-bottom: 0.4rem; color: #444; }}
figcaption {{ margin: 0.4rem 0 0; }}
caption {{ font-weight: 600; white-space: nowrap; }}
th, td {{ padding: 0.15rem 1rem 0.15rem 0; text-align: left; vertical-align: top;
         white-space: pre-wrap; }}
thead th {{ border-bottom: 1px solid #999; }}
tbody tr:nth-child(even) {{ background: #f6f6f6; }}
.number {{ text-align: right; font-variant-numeric: tabular-nums; }}
.made {{ color: #666; margin-top: -0.6rem; }}
.note {{ color: #666; font-size: 0.9rem; margin: 0.3rem 0 0; }}
figure {{ margin: 1.2rem 0 2rem; }}
img {{ max-width: 100%; height: auto; border: 1px solid #e4e4e4; }}
pre {{ background: #f6f6f6; padding: 0.8rem; overflow-x: auto; font-size: 0.85rem; }}
</style>
</head>
<body>
<h1>{title}</h1>
<p class="made">{made}</p>
{body}
</body>
</html>
"""


@dataclasses.dataclass(frozen=True)
class Table:
    """A table for people.

    Attributes:
        caption: what it shows.
        columns: a heading for each column; may be empty text.
        rows: as many cells each as there are columns; None is shown as a dash, a float with two
            decimals (give text where others are wanted).
        note: what must be known to read it; may be empty.

    Raises:
        ValueError: a row with another number of cells, when made.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""

    def __post_init__(self) -> None:
        """Check the rows."""
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(
                    f"table {self.caption!r} has {len(self.columns)} columns, "
                    f"but a row has {len(row)} cells: {row}"
                )


@dataclasses.dataclass(frozen=True)
class Figure:
    """An image with its caption.

    Attributes:
        name: file name without suffix.
        caption: what it shows.
        image: uint8 [H, W, 3].
        video: the same in motion, uint8 [T, H, W, 3], ten frames a second; or None.
    """

    name: str
    caption: str
    image: np.ndarray
    video: np.ndarray | None = None


@dataclasses.dataclass(frozen=True, repr=False)
class Report:
    """What an experiment found. A notebook shows its tables and figures, `print` its tables.

    Attributes:
        title: one line.
        numbers: every number by name, nested as needed; NumPy scalars and arrays are welcome.
        tables: the numbers for people.
        figures: the images; their names differ.
    """

    title: str
    numbers: dict
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()

    def __repr__(self) -> str:
        error = self.numbers.get("reconstruction", {}).get("msre")
        return f"Report({self.title}" + (f", error {error:.2f})" if error is not None else ")")

    def __str__(self) -> str:
        return "\n\n".join([self.title, *(table_text(table) for table in self.tables)])

    def _repr_html_(self) -> str:
        figures = [
            _figure_html(figure, [_image(png_bytes(figure.image), "png", figure.name)])
            for figure in self.figures
        ]
        tables = [_table_html(table) for table in self.tables]
        return "\n".join([f"<h3>{html.escape(self.title)}</h3>", *tables, *figures])

    def save(self, folder: str | os.PathLike) -> None:
        """Write it as a page with its numbers and figures; see `write_report`.

        Raises:
            InputError: the folder has the name of a file, or holds files and is no report.
        """
        if looks_like_file(user_path(folder)):
            raise InputError(
                f"`folder={folder}`: a report is a folder, which holds report.html and "
                "report.json: give its name without a suffix."
            )
        write_report(folder, self, {})


def write_report(folder: str | os.PathLike, report: Report, origin: Mapping[str, Any]) -> None:
    """Write report.json, each figure and report.html, in the place of older ones.

    report.json holds `title`, `date` (ISO 8601, UTC), `version` (of this program), `numbers` and
    `origin`; a number that is not finite becomes null. Figures are NAME.png, their videos NAME.gif.
    report.html is one self-contained page: its images are part of it, it has no scripts. The folder
    appears whole or not at all; files that others have put into an older report stay.

    Args:
        folder: where to; its parents are made if need be.
        report: what to write.
        origin: what made it: the run (`run`), its settings, data, seed and inference.

    Raises:
        InputError: the folder holds files, and is no report.
    """
    folder = user_path(folder)
    date = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    values = {
        "title": report.title,
        "date": date.isoformat(),
        "version": __version__,
        "numbers": report.numbers,
        "origin": dict(origin),
    }
    made = [f"{date:%Y-%m-%d %H:%M} UTC", f"dgn_tf {__version__}"]
    if "run" in origin:
        made.insert(0, str(origin["run"]))
    _record_older(folder, report)
    with atomic_folder(folder, REPORT) as aside:
        for figure in report.figures:
            save_sheet(aside / f"{figure.name}.png", figure.image)
            if figure.video is not None:
                save_animation(aside / f"{figure.name}.gif", figure.video, _FRAME_RATE, shown=True)
        page = _page(report, aside, origin, " · ".join(made))
        for name, text in (("report.json", _json(values) + "\n"), ("report.html", page)):
            # Names of files may hold bytes that are no text: JSON takes their escapes.
            (aside / name).write_text(text, encoding="utf-8", errors="backslashreplace")


def check_folder(folder: str | os.PathLike) -> None:
    """Check that a report may be written into a folder, before the work that it tells of.

    Raises:
        InputError: the folder holds files, and is no report.
    """
    folder = user_path(folder)
    if not _is_older(folder):
        require_replaceable(Ownership(folder, REPORT), f"{folder}")


def _is_older(folder: Path) -> bool:
    """Whether a folder holds a report of a version that kept no record."""
    if Ownership(folder, REPORT).recorded:
        return False
    try:
        values = json.loads(read_text(folder / "report.json"))
    except (OSError, ValueError):
        return False
    return isinstance(values, dict) and {"title", "numbers", "origin"} <= values.keys()


def _record_older(folder: Path, report: Report) -> None:
    """Make up for the record of a report that a version which kept none has written."""
    if _is_older(folder):
        names = {"report.json", "report.html"}
        names |= {f"{f.name}{suffix}" for f in report.figures for suffix in (".png", ".gif")}
        Ownership(folder, REPORT).add(name for name in files_under(folder) if name in names)


def show(report: Report) -> None:
    """Print title and tables as text for a terminal."""
    print(report)


def table_text(table: Table) -> str:
    """A table as lines of text: columns of numbers to the right, others to the left."""
    cells = [list(table.columns), *([_cell(value) for value in row] for row in table.rows)]
    widths = [max(len(row[k]) for row in cells) for k in range(len(table.columns))]
    right = _right_aligned(table)
    lines = [table.caption]
    for row in cells:
        padded = [
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(row, widths, right, strict=True)
        ]
        lines.append(f"  {'  '.join(padded)}".rstrip())
    if not any(table.columns):
        del lines[1]
    return "\n".join([*lines, f"  {table.note}"] if table.note else lines)


def _cell(value: Cell) -> str:
    if value is None or (_is_float(value) and not math.isfinite(value)):
        return _NOTHING
    # 0.00 rather than -0.00.
    return f"{value:.2f}".replace("-0.00", "0.00") if _is_float(value) else str(value)


def _is_float(value: Cell) -> TypeGuard[float]:
    return isinstance(value, float | np.floating)


def _right_aligned(table: Table) -> list[bool]:
    """For each column whether it holds numbers alone, also as text ("≥ 0.8")."""
    columns = [[row[k] for row in table.rows] for k in range(len(table.columns))]
    return [
        all(value is None or not isinstance(value, str) or _NUMBER.match(value) for value in column)
        for column in columns
    ]


def _json(values: Mapping[str, Any]) -> str:
    """Strict JSON: NumPy values become plain ones, numbers that are not finite null."""

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {str(key): plain(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [plain(inner) for inner in value]
        if isinstance(value, np.ndarray | np.generic):
            return plain(value.tolist())
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return json.dumps(plain(values), indent=2, ensure_ascii=False, allow_nan=False)


def _page(report: Report, folder: Path, origin: Mapping[str, Any], made: str) -> str:
    """The page, with the images that lie in `folder`; `made` says from what run and when."""
    parts = [_table_html(table) for table in report.tables]
    if report.figures:
        parts.append("<h2>Figures</h2>")
    for figure in report.figures:
        kinds = ("png",) if figure.video is None else ("png", "gif")
        files = [folder / f"{figure.name}.{kind}" for kind in kinds]
        images = [_image(f.read_bytes(), f.suffix.removeprefix("."), f.stem) for f in files]
        parts.append(_figure_html(figure, images))
    parts.append(f"<h2>Origin</h2>\n<pre>{html.escape(_json(origin), quote=False)}</pre>")
    return _PAGE.format(
        title=html.escape(report.title), made=html.escape(made), body="\n".join(parts)
    )


def _figure_html(figure: Figure, images: list[str]) -> str:
    caption = html.escape(figure.caption)
    return f"<figure>{''.join(images)}<figcaption>{caption}</figcaption></figure>"


def _image(content: bytes, kind: str, name: str) -> str:
    data = base64.b64encode(content).decode()
    return f'<img src="data:image/{kind};base64,{data}" alt="{html.escape(name)}">'


def _table_html(table: Table) -> str:
    right = [' class="number"' if to_right else "" for to_right in _right_aligned(table)]

    def line(tag: str, cells: Iterable[str]) -> str:
        marked = zip(right, cells, strict=True)
        return "".join(f"<{tag}{kind}>{html.escape(cell)}</{tag}>" for kind, cell in marked)

    head = f"<thead><tr>{line('th', table.columns)}</tr></thead>" if any(table.columns) else ""
    rows = "\n".join(f"<tr>{line('td', map(_cell, row))}</tr>" for row in table.rows)
    note = f'<p class="note">{html.escape(table.note)}</p>' if table.note else ""
    return (
        f'<div class="wide"><table><caption>{html.escape(table.caption)}</caption>{head}\n'
        f"<tbody>\n{rows}\n</tbody></table>{note}</div>"
    )
