"""Labels of clips: from the data and from a table."""

import numpy as np
import pytest

from dgn_tf.data.examples import Examples
from dgn_tf.data.labels import labels_of, read_labels
from dgn_tf.utils.errors import InputError

NAMES = ("a/one.mp4#000", "a/one.mp4#001", "two#000", "three.gif#000")


@pytest.fixture
def clips():
    factors = {
        "person": np.array([4, 4, 7, 8]),
        "smile": np.array([[1, 1], [1, 1], [0, 0], [2, 2]]),
        "turn": np.array([[1, 1], [1, 1], [0, 3], [2, 2]]),
        "field": np.zeros((4, 2, 5, 5)),
    }
    images = np.zeros((4, 2, 8, 8, 1), np.uint8)
    return Examples(images, np.arange(4), NAMES, factors)


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_label_may_stand_at_every_frame(clips):
    found = labels_of(clips, ("smile", "person"), "npz:x")
    assert {name: values.tolist() for name, values in found.items()} == {
        "smile": [1, 1, 0, 2],
        "person": [4, 4, 7, 8],
    }


def test_missing_and_changing_labels_are_named(clips):
    with pytest.raises(InputError, match="no label 'mood'; they have person, smile; turn changes"):
        labels_of(clips, ("mood",), "npz:x")
    with pytest.raises(InputError, match="'turn' changes within clip two#000"):
        labels_of(clips, ("person", "turn"), "npz:x")


def test_a_table_labels_every_window_of_a_source(clips, tmp_path, caplog):
    table = write(
        tmp_path / "t.csv", "clip,person,mood\na/one.mp4,ann,happy\nthree.gif,ben,sad\nx,y,z\n"
    )
    with caplog.at_level("WARNING"):
        kept, found = read_labels(table, ("mood", "person"), clips)
    assert kept.tolist() == [0, 1, 3]
    assert found["mood"].tolist() == ["happy", "happy", "sad"]
    assert found["person"].tolist() == ["ann", "ann", "ben"]


def test_what_is_not_known_is_one_class_however_it_is_written(clips, tmp_path):
    table = write(tmp_path / "t.csv", "clip,mood\na/one.mp4,NaN\ntwo,nan\nthree.gif,NAN\n")
    assert read_labels(table, ("mood",), clips)[1]["mood"].tolist() == ["nan"] * 4
    for text in (
        np.array(["NaN", "nan", "Nan", "Nancy"]),
        np.array([b"NaN", b"nan", b"Nan", b"Nancy"]),
    ):
        clips.factors["mood"] = text
        found = labels_of(clips, ("mood",), "npz:x")["mood"]
        assert found.tolist() == ["nan", "nan", "nan", "Nancy"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clip,person\ntwo,1\n", "has no column mood; its header is clip,person"),
        ("", "t.csv`: is empty; it needs a header"),
        ("clip,person,mood\ntwo,1,sad\ntwo,1,sad\n", "line 3: two is there twice"),
        ("clip,person,mood\ntwo,1,\n", "line 2: two lacks a label"),
        (
            "clip,person,mood\nfour,1,sad\n",
            "no row for any of the 4 clips; the first is of a/one.mp4, the first row of four",
        ),
    ],
)
def test_tables_that_do_not_fit_are_refused(clips, tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_labels(write(tmp_path / "t.csv", text), ("mood", "person"), clips)


def test_a_table_that_is_not_there(clips, tmp_path):
    with pytest.raises(InputError, match="t.csv`: there is no such file"):
        read_labels(str(tmp_path / "t.csv"), ("mood",), clips)
