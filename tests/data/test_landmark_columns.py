"""Headers of tables of landmarks: which column is which, and which headers say it."""

import logging
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dgn_tf.data.examples import Examples
from dgn_tf.data.landmark_columns import HEADER, POINTS, read_header
from dgn_tf.data.landmarks import read_landmarks
from dgn_tf.utils.errors import InputError

SHORT = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")
CAMEL = ("leftEye", "rightEye", "nose", "leftMouth", "rightMouth")
STYLES = {
    "x1": lambda point, axis: f"{axis}{point + 1}",
    "x0": lambda point, axis: f"{axis}{point}",
    "1_x": lambda point, axis: f"{point + 1}_{axis}",
    "X 1": lambda point, axis: f"{axis.upper()} {point + 1}",
    "lm0_x": lambda point, axis: f"lm{point}_{axis}",
    "landmark.1.x": lambda point, axis: f"landmark.{point + 1}.{axis}",
    "left_eye_x": lambda point, axis: f"{SHORT[point]}_{axis}",
    "x_left_eye": lambda point, axis: f"{axis}_{SHORT[point]}",
    "lefteye_x": lambda point, axis: f"{SHORT[point].replace('_', '')}_{axis}",
    "leftEyeX": lambda point, axis: CAMEL[point] + axis.upper(),
    "left mouth corner x": lambda point, axis: f"{POINTS[point]} {axis}",
    "nose_tip.x": lambda point, axis: (
        f"{SHORT[point]}{'_tip' if point == 2 else '_center' if point < 2 else '_corner'}.{axis}"
    ),
}


@given(st.sampled_from(sorted(STYLES)), st.randoms(use_true_random=False), st.integers(0, 10))
def test_every_order_of_every_style_is_understood(style, random, place):
    titles = {STYLES[style](p, axis): (p, axis) for p in range(5) for axis in "xy"}
    header = list(titles)
    random.shuffle(header)
    header.insert(place, "file")
    names, columns, named = read_header(header)
    assert names == place
    found = [titles[header[column]] for column in columns]
    assert found == [(point, axis) for point in range(5) for axis in "xy"]
    assert named == (not re.search(r"[0-9]|X 1", style))


def test_all_x_may_come_before_all_y():
    header = ["name", *(f"x{k}" for k in range(1, 6)), *(f"y{k}" for k in range(1, 6))]
    assert read_header(header)[1] == [1, 6, 2, 7, 3, 8, 4, 9, 5, 10]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("name,a,b,c,d,e,f,g,h,i,j", "name a column of file names, and x and y of five points"),
        (HEADER.replace("x5", "x6"), "name a column of file names"),
        (HEADER.replace("x5,y5", "x0,y0").replace("x1,y1", "x9,y9"), "name a column"),
        (HEADER.replace("x2", "x1"), "x1 and x1 are the same coordinate"),
        (HEADER.replace("x2", "x_1"), "x1 and x_1 are the same coordinate"),
        (HEADER.replace("x1,y1", "left_eye_x,left_eye_y"), "name a column of file names"),
        (HEADER + ",confidence", "which of name, confidence holds the names of the files"),
        (HEADER.replace("name,", ""), "name a column of file names"),
        (HEADER + ",x6,y6", "name a column of file names"),
        ("name,left_x,left_y", "name a column of file names"),
        ("name," + ",".join(f"x{k}" for k in range(1, 11)), "name a column of file names"),
    ],
)
def test_headers_that_leave_it_open_are_refused(header, message):
    with pytest.raises(InputError, match=message):
        read_header(header.split(","))


FACE = np.array([[4, 5], [11, 5], [8, 9], [5, 12], [10, 12]])


@pytest.fixture
def table(tmp_path):
    Image.new("L", (16, 16)).save(tmp_path / "a.png")
    examples = Examples(np.zeros((1, 16, 16, 1), np.uint8), np.arange(1), ("a.png",))

    def read(header, values):
        text = ",".join(header) + "\n" + ",".join(map(str, values)) + "\n"
        (tmp_path / "t.csv").write_text(text)
        return read_landmarks(str(tmp_path / "t.csv"), str(tmp_path), examples)[1][0]

    return read


def test_points_of_a_table_are_those_that_its_header_names(table):
    apart = ["name", *(f"x{k}" for k in range(1, 6)), *(f"y{k}" for k in range(1, 6))]
    np.testing.assert_allclose(table(apart, ["a.png", *FACE[:, 0], *FACE[:, 1]]), FACE)
    pairs = [f"{name}_{axis}" for name in SHORT for axis in "xy"]
    np.testing.assert_allclose(table([*pairs, "image"], [*FACE.ravel(), "a.png"]), FACE)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ("right_eye", "left_eye", "nose", "right_mouth", "left_mouth"),
            "left eye is to the right of the right eye",
        ),
        (
            ("left_eye", "right_eye", "nose", "right_mouth", "left_mouth"),
            "left mouth corner is to the right of the right mouth corner",
        ),
    ],
)
def test_left_is_the_left_of_the_viewer(table, names, message):
    header = ["name", *(f"{name}_{axis}" for name in names for axis in "xy")]
    with pytest.raises(InputError, match=message):
        table(header, ["a.png", *FACE.ravel()])


def test_a_damaged_number_is_not_read_as_another(table):
    with pytest.raises(InputError, match=r"line 2 .a.png.: '1_1' is not a finite number"):
        table(HEADER.split(","), ["a.png", "4", "5", "1_1", *FACE.ravel()[3:]])


def test_a_header_without_points_is_named(table):
    with pytest.raises(InputError, match="its header is name: name a column"):
        table(["name"], ["a.png"])


@pytest.mark.parametrize(
    ("order", "told"),
    [((0, 1, 2, 3, 4), False), ((1, 0, 2, 4, 3), True), ((2, 0, 1, 3, 4), True)],
)
def test_numbered_points_in_another_order_are_told(table, caplog, order, told):
    with caplog.at_level(logging.WARNING):
        table(HEADER.split(","), ["a.png", *FACE[list(order)].ravel()])
    assert ("do not lie as left eye, right eye, nose" in caplog.text) == told
