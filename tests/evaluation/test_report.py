"""Reports as files and as text."""

import base64
import datetime
import html.parser
import io
import json
import re
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from dgn_tf import __version__
from dgn_tf.evaluation.report import (
    Figure,
    Report,
    Table,
    check_folder,
    show,
    table_text,
    write_report,
)
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.ownership import RECORD

GREEN = np.zeros((6, 9, 3), np.uint8) + np.uint8([0, 200, 30])
MOVING = np.stack([GREEN, GREEN + 50, GREEN])


def a_report():
    table = Table(
        "R² of <a factor> from",
        ("factor", "appearance", "target"),
        (("yaw", -0.001, "≥ 0.8"), ("pitch", None, "≤ 0.2"), ("skin & hair", 12, None)),
        note="a note",
    )
    numbers = {"r2": np.float32(0.5), "no": float("nan"), "each": np.arange(3), "deep": {3: [1.5]}}
    figures = (Figure("sheet", 'a "sheet"', GREEN), Figure("moving", "a video", GREEN, MOVING))
    return Report("Heads & more", numbers, (table,), figures)


ORIGIN = {"run": "runs/<a>", "inference": {"steps": 300}}


class Page(html.parser.HTMLParser):
    """What a page shows: tags with their attributes, and text."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(source)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        if data.strip():
            self.texts.append(data.strip())


def test_the_files_of_a_report(tmp_path):
    write_report(tmp_path / "evaluation" / "basis", a_report(), ORIGIN)
    folder = tmp_path / "evaluation" / "basis"
    assert sorted(p.name for p in folder.iterdir()) == [
        RECORD,
        "moving.gif",
        "moving.png",
        "report.html",
        "report.json",
        "sheet.png",
    ]
    assert [p.name for p in folder.parent.iterdir()] == ["basis"]
    np.testing.assert_array_equal(np.asarray(Image.open(folder / "sheet.png")), GREEN)
    with Image.open(folder / "moving.gif") as video:
        assert video.n_frames == 3 and video.info["duration"] == 100
    report = json.loads((folder / "report.json").read_text())
    date = datetime.datetime.fromisoformat(report.pop("date"))
    assert abs(datetime.datetime.now(datetime.UTC) - date) < datetime.timedelta(minutes=1)
    assert report == {
        "version": __version__,
        "title": "Heads & more",
        "numbers": {"r2": 0.5, "no": None, "each": [0, 1, 2], "deep": {"3": [1.5]}},
        "origin": ORIGIN,
    }


def test_the_page_is_complete_in_itself(tmp_path):
    write_report(tmp_path / "basis", a_report(), ORIGIN)
    source = (tmp_path / "basis" / "report.html").read_text(encoding="utf-8")
    page = Page(source)
    for text in ("Heads & more", "R² of <a factor> from", "skin & hair", "a note", 'a "sheet"'):
        assert text in page.texts
    made = next(text for text in page.texts if text.startswith("runs/<a> · "))
    date = json.loads((tmp_path / "basis" / "report.json").read_text())["date"]
    assert made.split(" · ")[1:] == [
        f"{date[:10]} {date[11:16]} UTC",
        f"dgn_tf {__version__}",
    ]
    assert any('"run": "runs/<a>"' in text for text in page.texts)
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert [image["alt"] for image in images] == ["sheet", "moving", "moving"]
    kinds, (data, *_) = zip(*(image["src"].split(",") for image in images), strict=True)
    assert kinds == tuple(f"data:image/{kind};base64" for kind in ("png", "png", "gif"))
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))), GREEN)
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "iframe"})
    assert not re.search(r"https?:|@import|url\(", source)


def test_numbers_stand_to_the_right(tmp_path):
    write_report(tmp_path / "basis", a_report(), {})
    cells = [
        (tag, attributes.get("class"))
        for tag, attributes in Page((tmp_path / "basis" / "report.html").read_text()).tags
        if tag in ("th", "td")
    ]
    assert cells == [("th", None), ("th", "number"), ("th", "number")] + 3 * [
        ("td", None),
        ("td", "number"),
        ("td", "number"),
    ]
    assert table_text(a_report().tables[0]).splitlines() == [
        "R² of <a factor> from",
        "  factor       appearance  target",
        "  yaw                0.00   ≥ 0.8",
        "  pitch                 –   ≤ 0.2",
        "  skin & hair          12       –",
        "  a note",
    ]


def test_a_table_without_headings_has_no_line_for_them():
    table = Table("pairs", ("", ""), (("error", -9.854), ("folded", "2.01%")))
    assert table_text(table).splitlines() == ["pairs", "  error   -9.85", "  folded  2.01%"]


def test_show_prints_title_and_tables(capsys):
    show(a_report())
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["Heads & more", "", "R² of <a factor> from"]


def test_a_report_takes_the_place_of_the_one_before(tmp_path):
    folder = tmp_path / "basis"
    write_report(folder, a_report(), ORIGIN)
    write_report(folder, Report("Another", {"a": 1}), {})
    assert sorted(p.name for p in folder.iterdir()) == [RECORD, "report.html", "report.json"]
    assert json.loads((folder / "report.json").read_text())["title"] == "Another"
    assert [p.name for p in tmp_path.iterdir()] == ["basis"]


def test_what_others_have_put_into_a_report_stays(tmp_path):
    folder = tmp_path / "basis"
    write_report(folder, a_report(), ORIGIN)
    (folder / "notes.txt").write_text("mine")
    # A version that kept no record wrote the same files.
    for record in (folder / RECORD, None):
        if record:
            record.unlink()
        check_folder(folder)
        write_report(folder, a_report(), ORIGIN)
        assert (folder / "notes.txt").read_text() == "mine" and (folder / RECORD).exists()


def test_a_folder_that_is_no_report_is_not_replaced(tmp_path):
    (tmp_path / "basis").mkdir()
    (tmp_path / "basis/report.json").write_text("{}")
    for call in (check_folder, lambda folder: write_report(folder, a_report(), ORIGIN)):
        with pytest.raises(InputError, match="nothing there is replaced"):
            call(tmp_path / "basis")
    assert [p.name for p in (tmp_path / "basis").iterdir()] == ["report.json"]


@pytest.mark.parametrize("broken", ["_page", "save_sheet", "save_animation"])
def test_a_report_that_fails_leaves_the_one_before(tmp_path, broken):
    write_report(tmp_path / "basis", Report("Another", {"a": 1}), {})
    with (
        mock.patch(f"dgn_tf.evaluation.report.{broken}", side_effect=OSError("disk full")),
        pytest.raises(OSError, match="disk full"),
    ):
        write_report(tmp_path / "basis", a_report(), ORIGIN)
    assert [p.name for p in tmp_path.iterdir()] == ["basis"]
    assert json.loads((tmp_path / "basis" / "report.json").read_text())["title"] == "Another"


def test_a_row_with_a_cell_too_few_is_refused():
    with pytest.raises(ValueError, match=r"'pairs' has 2 columns, but a row has 1 cells: \(1,\)"):
        Table("pairs", ("a", "b"), ((1, 2), (1,)))
