"""CSV files read strictly, and nothing that stands in them leads out of its folder."""

import sys

import numpy as np
import pytest
from PIL import Image

from dgn_tf.data.cropping.journal import Journal
from dgn_tf.data.examples import Examples
from dgn_tf.data.labels import read_labels
from dgn_tf.data.landmarks import read_landmarks
from dgn_tf.utils.csv_files import read_rows
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.ownership import RECORD


def test_rows_have_their_lines_numbers(tmp_path):
    (tmp_path / "a.csv").write_bytes('\ufeffa,"b, c"\r\n\r\n"d ""e""",\tf\n'.encode())
    assert read_rows(tmp_path / "a.csv") == [(1, ["a", "b, c"]), (3, ['d "e"', "\tf"])]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('a,b\nc,"d\ne,f"\n', "line 2: unexpected end of data .a value may not go over several"),
        ('a,b\n"c"d,e\n', "line 2: ',' expected after '\"'"),
        ("a,b\0\n", "line 1 holds a control character"),
    ],
)
def test_damaged_lines_are_named(tmp_path, text, reason):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(ValueError, match=reason):
        read_rows(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("clip,mood,mood\nx.mp4,sad,glad\n", "two columns of clip,mood,mood have one name"),
        ("clip,mood\nx.mp4,sad,glad\n", "line 2: has 3 columns, not 2"),
        ('clip,mood\nx.mp4,"sad\ny.mp4,glad"\n', "line 2: unexpected end of data"),
        ("clip;mood\nx.mp4;sad\n", "its values are separated by semicolons: write commas"),
        ("clip\tmood\r\nx.mp4\tsad, then glad\r\n", "separated by tabs"),
        ("clip mood\nx.mp4 sad\n", "separated by blanks"),
        (
            "202599\nclip mood \nx.mp4  sad\n",
            "by blanks: leave out its first line, which is no header, and write commas",
        ),
        ("1\nclip,mood\nx.mp4,sad\n", "its first line, 1, is no header: leave it out"),
        ("# a, b\nclip;mood\n# c\nx.mp4;sad\n", "separated by semicolons: write commas"),
        ("#clip,mood\nx.mp4,sad\n", "has no column clip, mood; its header is x.mp4,sad"),
        ("# nothing\n", "is empty; it needs a header"),
    ],
)
def test_labels_are_not_guessed(tmp_path, text, reason):
    clips = Examples(np.zeros((1, 2, 8, 8, 1), np.uint8), np.arange(1), ("x.mp4#000",))
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(InputError, match=reason):
        read_labels(str(tmp_path / "a.csv"), ("mood",), clips)


def test_a_damaged_line_of_a_journal_is_named_and_no_row_is_lost(tmp_path):
    path = tmp_path / "a.csv"
    journal = Journal(path, ("source", "reason"))
    journal.append([{"source": "a.png", "reason": "small"}, {"source": "b, c.png"}])
    whole = path.read_text()
    for line, damaged in ((2, whole.replace(",small", "")), (3, whole.replace('c.png"', "c.png"))):
        path.write_text(damaged)
        with pytest.raises(InputError, match=f"a.csv: line {line}.*: delete the line"):
            Journal(path, ("source", "reason"))


def test_names_in_tables_open_no_other_files(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("secret", "in/a"):
        Image.new("RGB", (16, 16)).save(tmp_path / name, "PNG")
    row = ",4,5,11,5,8,9,5,12,10,12\n"
    names = ("../secret", f"{tmp_path}/secret", "in/../../secret", "a")
    header = "name,x1,y1,x2,y2,x3,y3,x4,y4,x5,y5\n"
    (tmp_path / "t.csv").write_text(header + "".join(name + row for name in names))
    images = Examples(np.zeros((1, 16, 16, 1), np.uint8), np.arange(1), ("a",))
    opened = []
    recording = [True]

    def hook(event, arguments):
        if recording and event == "open":
            opened.append(str(arguments[0]))

    sys.addaudithook(hook)
    kept, _ = read_landmarks(str(tmp_path / "t.csv"), str(tmp_path / "in"), images)
    recording.clear()
    assert kept.tolist() == [0]
    mine = {path for path in opened if path.startswith(str(tmp_path))}
    record = f"{tmp_path}/in/{RECORD}"
    assert mine - {record} == {f"{tmp_path}/t.csv", f"{tmp_path}/in/a"}


def test_one_label_is_one_however_it_is_written(tmp_path):
    names = ("x.mp4#000", "y.mp4#000", "z.mp4#000")
    clips = Examples(np.zeros((3, 2, 8, 8, 1), np.uint8), np.arange(3), names)
    text = "clip, who\nx.mp4, Zo\u00eb\ny.mp4,Zo\u00eb \nz.mp4,Zoe\u0308\n"
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    _, labels = read_labels(str(tmp_path / "a.csv"), ("who",), clips)
    assert labels["who"].tolist() == ["Zo\u00eb"] * 3
    (tmp_path / "a.csv").write_text("clip,who\nx.mp4, \n")
    with pytest.raises(InputError, match="line 2: x.mp4 lacks a label"):
        read_labels(str(tmp_path / "a.csv"), ("who",), clips)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_tables_of_spreadsheets_and_with_comments_are_read(tmp_path, encoding):
    names = ("#x.mp4#000", "\u00e9.mp4#000")
    clips = Examples(np.zeros((2, 2, 8, 8, 1), np.uint8), np.arange(2), names)
    lines = (
        "# from, the 'camera\"",
        "",
        "#",
        "clip,mood",
        "#x.mp4,sad",
        "# later",
        "\u00e9.mp4,glad",
    )
    text = "\r\n".join(lines)
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    (tmp_path / "a.csv").write_bytes((mark + text).encode(encoding))
    kept, labels = read_labels(str(tmp_path / "a.csv"), ("mood",), clips)
    assert kept.tolist() == [0, 1] and labels["mood"].tolist() == ["sad", "glad"]


def test_another_encoding_is_one_error_that_says_what_to_do(tmp_path):
    clips = Examples(np.zeros((1, 2, 8, 8, 1), np.uint8), np.arange(1), ("x.mp4#000",))
    for content in ("clip,mood\n\u00e9.mp4,sad\n".encode("latin-1"), b"\xff\xfea\0b"):
        (tmp_path / "a.csv").write_bytes(content)
        wanted = (
            r"^`labels=.*/a.csv`: cannot be read: byte \d+ is no text in UTF.*: save it as UTF-8"
        )
        with pytest.raises(InputError, match=wanted):
            read_labels(str(tmp_path / "a.csv"), ("mood",), clips)


def test_a_list_that_a_spreadsheet_has_saved_again_is_still_a_journal(tmp_path):
    Journal(tmp_path / "a.csv", ("source", "reason")).append([{"source": "a.png"}])
    content = (tmp_path / "a.csv").read_bytes().replace(b"\n", b"\r\n")
    (tmp_path / "a.csv").write_bytes("\ufeff".encode() + content)
    rows = Journal(tmp_path / "a.csv", ("source", "reason")).rows
    assert rows == [{"source": "a.png", "reason": ""}]
