"""Landmarks: found, moved into the square, and regressed from fields that are known."""

import json
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dgn_tf.data.examples import Examples
from dgn_tf.data.landmarks import landmarks_of, read_landmarks
from dgn_tf.data.sources.folders import load_folder
from dgn_tf.data.squares import square, to_square
from dgn_tf.evaluation.experiments.landmarks import landmarks
from dgn_tf.evaluation.figures.landmarks import draw_points
from dgn_tf.evaluation.metrics import landmarks as regression
from dgn_tf.evaluation.metrics.landmarks import (
    displacement_fields,
    errors_by_landmark,
    fit_linear,
    fit_network,
    landmark_error,
    read_positions,
)
from dgn_tf.utils.errors import InputError

HEADER = "name,x1,y1,x2,y2,x3,y3,x4,y4,x5,y5"
# In an image of 16 x 16 pixels.
FACE = np.array([[4, 5], [11, 5], [8, 9], [5, 12], [10, 12]], np.float64)
SIDE = 16


def dot(width, height, x, y, size=2.5):
    """A black image with a soft bright spot around (x, y)."""
    rows, columns = np.mgrid[:height, :width]
    distance = np.square(columns - x) + np.square(rows - y)
    return Image.fromarray(np.uint8(np.rint(255 * np.exp(-distance / (2 * size**2)))))


def center_of(image):
    """Where the brightness of [S, S, 1] is centered, (x, y)."""
    weight = image[..., 0].astype(np.float64)
    y, x = np.mgrid[: len(weight), : len(weight)]
    return np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()


@pytest.mark.parametrize(("width", "height", "side"), [(96, 64, 32), (64, 97, 32), (41, 40, 64)])
def test_points_move_as_the_pixels_do(width, height, side):
    x, y = width // 2 + 7, height // 2 - 5
    where = center_of(square(dot(width, height, x, y), side, 1))
    np.testing.assert_allclose(to_square([x, y], width, height, side), where, atol=0.05)


def test_points_of_a_square_of_the_same_size_stay():
    np.testing.assert_array_equal(to_square(FACE, SIDE, SIDE, SIDE), FACE)


def examples(count=2, **factors):
    images = np.zeros((count, SIDE, SIDE, 1), np.uint8)
    return Examples(images, np.arange(count), tuple(f"{k}.png" for k in range(count)), factors)


def test_landmarks_of_an_npz_file_are_moved_into_the_square(tmp_path, load_data):
    images = np.stack([np.asarray(dot(48, 32, x, 15)) for x in (20, 30)])
    points = np.stack([FACE + [8, 0], FACE * 2 + [8, 0]])
    points[:, 2] = [[20, 15], [30, 15]]
    np.savez(tmp_path / "faces.npz", images=images, landmarks=points)
    spec = f"npz:{tmp_path}/faces.npz"
    loaded = load_data(spec, SIDE, 1)
    found = landmarks_of(loaded, spec)
    np.testing.assert_allclose(found[0, 0], [(4 + 0.5) / 2 - 0.5, (5 + 0.5) / 2 - 0.5])
    for image, nose in zip(loaded.images, found[:, 2], strict=True):
        np.testing.assert_allclose(nose, center_of(image), atol=0.05)


@pytest.mark.parametrize("key", ["", ":faces"])
def test_ten_numbers_are_told_apart_by_how_faces_stand(tmp_path, key, load_data):
    wide = (FACE + [8, 0])[None].repeat(4, axis=0)
    images = np.zeros((4, SIDE, SIDE + 16), np.uint8)
    for flat in (wide.reshape(4, 10), np.moveaxis(wide, 2, 1).reshape(4, 10)):
        np.savez(tmp_path / "faces.npz", faces=images, landmarks=flat)
        spec = f"npz:{tmp_path}/faces.npz{key}"
        np.testing.assert_allclose(landmarks_of(load_data(spec, SIDE, 1), spec)[2], FACE)
    for unclear in (np.ones((2, 10)), np.ones((2, 10)) * np.arange(10)):
        with pytest.raises(InputError, match="cannot be told apart: give them as"):
            landmarks_of(examples(landmarks=unclear), "npz:faces.npz")


@pytest.mark.parametrize(
    ("spec", "points", "message"),
    [
        ("folder:faces", None, "folder:faces needs `landmarks=FILE.csv`, a table name,x1"),
        ("tfds:mnist", None, "tfds:mnist has no label 'landmarks' of five points; it has pose"),
        ("npz:a.npz", np.zeros((2, 4, 2)), r"npz:a.npz: landmarks must be numbers \[N, 5, 2\]; "),
        ("heads", np.stack([FACE, FACE * np.nan]), "heads: landmarks of example 1.png: a number"),
        ("heads", np.stack([FACE, FACE / 16]), "1.png: all five points are in one spot"),
        ("heads", np.stack([FACE, FACE * 3]), r"right eye lies far outside .* at \(33, 15\) of it"),
    ],
)
def test_unusable_labels_are_named(spec, points, message):
    factors = {"pose": np.arange(2)} | ({} if points is None else {"landmarks": points})
    with pytest.raises(InputError, match=message):
        landmarks_of(examples(**factors), spec)


def row(name, points=FACE):
    return ",".join([name, *(f"{value:g}" for value in np.ravel(points))])


@pytest.fixture
def folder(tmp_path):
    """Four images: the second lies on its side by its EXIF, the third is a large JPEG."""
    (tmp_path / "in").mkdir()
    dot(48, 32, 30, 10).save(tmp_path / "in" / "a.png")
    turned = Image.Exif()
    turned[0x0112] = 6
    dot(32, 48, 9, 30).save(tmp_path / "in" / "b.png", exif=turned)
    dot(263, 401, 107, 188, size=25).save(tmp_path / "in" / "c.jpg", quality=95)
    dot(20, 20, 9, 9).save(tmp_path / "d.png")
    return tmp_path


def test_a_table_gives_landmarks_in_pixels_of_the_original_files(folder):
    # b.png is shown turned to the right by a quarter: (x, y) of 32 x 48 at (47 - y, x).
    noses = {"in/a.png": (30, 10), "b.png": (17, 9), "in/c.jpg": (107, 188)}
    faces = {name: FACE * (12 if "c" in name else 2) for name in noses}
    for name, nose in noses.items():
        faces[name][2] = nose
    lines = [HEADER, *(row(name, points) for name, points in faces.items()), ""]
    (folder / "t.csv").write_text("\n".join(lines))
    loaded = load_folder(str(folder), SIDE, 1)
    assert loaded.names == ("d.png", "in/a.png", "in/b.png", "in/c.jpg")
    with mock.patch("dgn_tf.data.landmarks._log.warning") as warning:
        kept, points = read_landmarks(f"{folder}/t.csv", str(folder), loaded)
    text, *values = warning.call_args.args
    assert text % tuple(values) == (
        f"{folder}/t.csv: 1 of 4 images have no row and are left out: d.png"
    )
    assert kept.tolist() == [1, 2, 3]
    for image, nose in zip(loaded.images[kept], points[:, 2], strict=True):
        np.testing.assert_allclose(nose, center_of(image), atol=0.08)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (None, "t.csv`: there is no such file."),
        ([], "t.csv`: is empty; it needs a header."),
        ([row("d.png")], "t.csv`: its first line is numbers; it needs a header name,x1,"),
        ([HEADER, "d.png,1,2"], "t.csv`, line 2: has 3 columns, not 11 as its header."),
        ([HEADER + ",more"], "t.csv`: which of name, more holds the names"),
        ([HEADER, row("d.png").replace("11", "left")], "line 2 (d.png): 'left' is not a finite"),
        ([HEADER, row("d.png").replace("11", "nan")], "line 2 (d.png): 'nan' is not a finite"),
        ([HEADER, row("d.png"), row("d.png")], "line 3: d.png has a row already, line 2."),
        ([HEADER, row("d.png", FACE * 5)], "line 2, d.png: the right eye lies far outside"),
        ([HEADER, row("d.png", FACE / 20)], "line 2, d.png: all five points are in one spot"),
        (
            [HEADER, row("e.png")],
            "t.csv`: has no row for any of the 4 images; the first is d.png, the first row of",
        ),
    ],
)
def test_unusable_tables_are_named(folder, lines, message):
    if lines is not None:
        (folder / "t.csv").write_text("\n".join(lines))
    with pytest.raises(InputError) as error:
        read_landmarks(f"{folder}/t.csv", str(folder), load_folder(str(folder), SIDE, 1))
    assert str(error.value).startswith(f"`landmarks={folder}/t.csv`") and message in str(
        error.value
    )


def test_a_file_name_that_several_images_bear_is_refused(folder):
    dot(20, 20, 9, 9).save(folder / "in" / "d.png")
    (folder / "t.csv").write_text(f"{HEADER}\n{row('d.png')}\n")
    loaded = load_folder(str(folder), SIDE, 1)
    with mock.patch("dgn_tf.data.landmarks._log.warning"):
        with pytest.raises(InputError, match="d.png is the name of several images: give their"):
            read_landmarks(f"{folder}/t.csv", str(folder), loaded)


def test_errors_are_percent_of_the_distance_between_the_eyes():
    truth = np.stack([FACE, FACE * 2])  # eyes 7 and 14 pixels apart
    predicted = truth.copy()
    predicted[0, 2] += [0.7, 0]
    predicted[1, 2] += [0, -4.2]
    predicted[:, 4] += [3, 4]
    expected = [0, 0, (10 + 30) / 2, 0, (500 / 7 + 500 / 14) / 2]
    np.testing.assert_allclose(errors_by_landmark(predicted, truth), expected, atol=1e-9)
    assert landmark_error(predicted, truth) == pytest.approx(np.mean(expected))
    with pytest.raises(InputError, match="the eyes of image 1 are in one place"):
        landmark_error(predicted, np.stack([FACE, FACE * 0]))


class Shift:
    """A canonical face that z_g shifts: a pixel reads z_g to its right and below."""

    latent_dims = {"appearance": 1, "geometry": 2}

    def part(self, name, z):
        shape = [len(z), SIDE, SIDE]
        if name == "geometry":
            return tf.broadcast_to(z[:, None, None, :], [*shape, 2])
        return tf.zeros([*shape, 1])

    def combine(self, parts):
        return parts["appearance"]


def shifted(count, seed):
    """Blank images, the latents of their shifts, and where the face's landmarks are then."""
    z = np.random.default_rng(seed).uniform(-3, 3, (count, 2)).astype(np.float32)
    latents = {"appearance": np.zeros((count, 1), np.float32), "geometry": z}
    return examples(count), latents, FACE - z[:, None, :]


def test_a_face_that_shifts_is_found_exactly_by_the_linear_map():
    (_, latents, points), (_, unseen, truth) = shifted(40, 0), shifted(9, 1)
    fields = [displacement_fields(Shift(), z["geometry"]) for z in (latents, unseen)]
    assert fields[0].shape == (40, SIDE, SIDE, 2)
    positions = [read_positions(field) for field in fields]
    # The first pixel reads its own place, from the middle and by the side, plus the shift.
    np.testing.assert_allclose(positions[1][:, 0], (unseen["geometry"][:, 0] - 7.5) / SIDE)
    predicted = fit_linear(positions[0], points)(positions[1])
    np.testing.assert_allclose(predicted, truth, atol=0.01)


def test_the_linear_map_has_no_intercept():
    predict = fit_linear(np.ones((5, 1)), np.broadcast_to(FACE, (5, 5, 2)))
    np.testing.assert_allclose(predict(np.array([[0.0], [2.0]])), [FACE * 0, FACE * 2], atol=1e-6)


def test_the_network_learns_and_repeats_itself_by_seed():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 3)).astype(np.float32)
    # Not linear: |x|.
    points = FACE + np.abs(x[:, :1, None]) * [2.0, 0.0] + x[:, 1:2, None] * [0.0, 1.0]
    with mock.patch.multiple(regression, _EPOCHS=2, _PASSES=50):
        predict, again, other = (fit_network(x[:150], points[:150], s) for s in (0, 0, 1))
    errors = landmark_error(predict(x[150:]), points[150:])
    mean = landmark_error(np.broadcast_to(points[:150].mean(0), points[150:].shape), points[150:])
    assert errors < 0.35 * mean
    np.testing.assert_array_equal(predict(x[150:]), again(x[150:]))
    assert not np.array_equal(predict(x[150:]), other(x[150:]))


def test_the_report_beside_its_baselines():
    train, test = shifted(60, 2), shifted(12, 3)
    with mock.patch.multiple(regression, _EPOCHS=3, _PASSES=50):
        report = landmarks(Shift(), train, test)
    json.dumps(report.numbers)
    errors = report.numbers["error"]
    mean = landmark_error(np.broadcast_to(train[2].mean(0), test[2].shape), test[2])
    assert errors["mean landmark"] == pytest.approx(mean) and mean > 20
    assert errors["fields"]["linear"] < 0.2
    assert errors["fields"]["network"] < 0.3 * mean
    # The images are all black: the pixels know nothing.
    assert errors["pixels"]["network"] > 0.9 * mean
    blind = 100 * np.linalg.norm(test[2], axis=-1).mean() / 7
    assert errors["pixels"]["linear"] == pytest.approx(blind)
    assert np.mean(list(report.numbers["error_by_landmark"].values())) == pytest.approx(
        errors["fields"]["network"]
    )
    ours, _, quoted = report.tables
    assert ours.rows[0][1:] == (errors["fields"]["network"], errors["fields"]["linear"])
    assert quoted.caption.startswith("Quoted; other data")
    assert {row[0]: row[1] for row in quoted.rows}["TCDCN"] == 7.95
    with pytest.raises(InputError, match="at least 20 labeled images; there are 12"):
        landmarks(Shift(), test, train)


def test_truth_is_drawn_green_and_the_prediction_red():
    images = np.full((1, SIDE, SIDE, 1), 128, np.uint8)
    image = draw_points(images, (FACE[None], FACE[None] + [0, 2]), 8)[0]
    # Pixel 4 of 16 is centered between 35 and 36 of 128.
    assert image[44, 36].tolist() == [0, 200, 0]
    assert image[60, 36].tolist() == [230, 0, 0]
    assert image[120, 120].tolist() == [128, 128, 128]
