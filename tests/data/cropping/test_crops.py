"""Where a face is cut out of an image, and what the detector's numbers mean.

One test asks the real detector and is skipped where it is not installed.
"""

import math
import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw

from dgn_tf.data.cropping import crops, detection
from dgn_tf.data.cropping.detection import Face

EYES = ((40.0, 50.0), (60.0, 50.0))


def face(box=(30.0, 30.0, 40.0, 50.0), confidence=0.99, eyes=EYES):
    return Face(box, confidence, eyes)


def photograph(width=100, height=120):
    """Red grows by 2 a pixel to the right, green downwards: a pixel's color tells its place."""
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([2 * x, 2 * y, 0 * x], -1).astype(np.uint8))


def noise(width, height):
    seed = np.random.default_rng(width)
    return Image.fromarray(seed.integers(0, 256, (height, width, 3), dtype=np.uint8))


def places(image):
    """(x, y) in `picture()`, in pixels, of the middle of each pixel of a crop."""
    return np.asarray(image)[..., :2].astype(float) / 2 + 0.5


@pytest.mark.parametrize("margin", [0.0, 0.25])
def test_without_alignment_the_square_is_upright_around_the_box(margin):
    center, edge, angle = crops.face_square(face(), "none", margin)
    assert (center, angle) == ((50.0, 55.0), 0.0)
    assert edge == pytest.approx(50 * (1 + 2 * margin))


@pytest.mark.parametrize("degrees", [0, 20, -35])
@pytest.mark.parametrize("distance", [16, 30])
def test_aligned_eyes_come_to_the_same_places(degrees, distance):
    turn = math.radians(degrees)
    half = distance / 2 * np.array([math.cos(turn), math.sin(turn)])
    middle = np.array([52.0, 57.0])
    eyes = tuple(map(tuple, (middle - half, middle + half)))
    center, edge, angle = crops.face_square(face(eyes=eyes), "eyes", 0.1)
    crop = places(crops.cut(photograph(), center, edge, angle, 64))
    # The crop's pixels that should show the eyes: level, 0.35 edges of the box apart.
    apart, above = 64 * 0.35 / 1.2, 64 * 0.35 * 0.33 / 1.2
    for side, eye in zip((-1, 1), eyes, strict=True):
        column, row = 32 + side * apart / 2, 32 - above
        nearest = crop[round(row - 0.5), round(column - 0.5)]
        # Half a pixel of the crop is up to half of edge / 64 pixels of the image.
        assert np.abs(nearest - eye).max() < edge / 64 + 0.6


def test_an_upright_cut_at_whole_pixels_keeps_them():
    image = photograph()
    crop = crops.cut(image, (50.0, 60.0), 32.0, 0.0, 32)
    assert np.array_equal(crop, np.asarray(image)[44:76, 34:66])


def test_a_reduced_cut_averages_and_does_not_step_over_pixels():
    # Stripes one pixel wide are gray from afar; a sampler that skips pixels sees black or white.
    stripes = np.tile(np.uint8([0, 255]), (128, 64))
    image = Image.fromarray(np.stack([stripes] * 3, -1))
    crop = np.asarray(crops.cut(image, (64.0, 64.0), 128.0, 0.0, 16)).astype(int)
    assert np.abs(crop[2:-2, 2:-2] - 127).max() <= 3


def test_beyond_the_image_its_border_goes_on():
    crop = places(crops.cut(photograph(), (0.0, 60.0), 40.0, 0.0, 40))
    assert np.array_equal(crop[:, :20, 0], np.full((40, 20), 0.5))
    assert np.array_equal(crop[0, 20:, 0], np.arange(20) + 0.5)
    far = np.asarray(crops.cut(photograph(), (-500.0, -500.0), 40.0, 0.3, 8))
    assert (far == 0).all()


def test_profiles_cannot_be_aligned():
    assert crops.eyes_can_align(face(eyes=((40, 50), (51, 50))))
    assert not crops.eyes_can_align(face(eyes=((40, 50), (49, 50))))


def test_what_the_network_says_is_in_pixels_of_the_image(monkeypatch):
    asked = []

    class Network:
        def detect_faces(self, pixels, **settings):
            asked.append((pixels.shape, settings["min_face_size"], settings["threshold_onet"]))
            # image, box, confidence, x of five landmarks, y of them
            small = [0, 1, 2, 21, 32, 0.91, 5, 15, 10, 6, 14, 10, 11, 18, 25, 26]
            large = [0, 10, 20, 40, 60, 0.95, 18, 32, 25, 20, 30, 35, 36, 45, 50, 51]
            return np.array([small, large])

    module = type(sys)("mtcnn")
    module.MTCNN = Network
    monkeypatch.setitem(sys.modules, "mtcnn", module)
    found = detection.load_detector(40, 0.7)(photograph(100, 120))
    # Faces of 40 pixels are searched at half the size.
    assert asked == [((60, 50, 3), 20, 0.7)]
    assert found == [
        Face((20.0, 40.0, 60.0, 80.0), 0.95, ((36.0, 70.0), (64.0, 72.0))),
        Face((2.0, 4.0, 40.0, 60.0), 0.91, ((10.0, 20.0), (30.0, 22.0))),
    ]
    assert (found[0].longer, found[0].shorter) == (80.0, 60.0)


def test_the_real_detector_finds_no_face_in_a_plain_image():
    pytest.importorskip("mtcnn", reason='needs pip install "dgn_tf[faces]"')
    detect = detection.load_detector(32, 0.9)
    assert detect(Image.new("RGB", (80, 60), "grey")) == []


def test_a_square_that_fits_keeps_its_pixels():
    image = noise(40, 30)
    pixels = np.asarray(crops.cut(image, (21, 14), 16, 0.0, 16))
    np.testing.assert_array_equal(pixels, np.asarray(image)[6:22, 13:29])


def test_a_square_turned_clockwise_by_a_quarter():
    image = noise(40, 30)
    turned = np.asarray(crops.cut(image, (21, 14), 16, math.pi / 2, 16))
    expected = np.rot90(np.asarray(image)[6:22, 13:29])
    # Pillow's bicubic filter cuts off what is after the point.
    np.testing.assert_allclose(turned.astype(int), expected, atol=1)


def test_outside_of_the_image_its_border_goes_on():
    image = noise(40, 30)
    padded = np.pad(np.asarray(image), ((20, 20), (20, 20), (0, 0)), mode="edge")
    for x, y in ((2, 3), (37, 28), (-12, 14)):
        pixels = np.asarray(crops.cut(image, (x, y), 16, 0.0, 16))
        np.testing.assert_array_equal(pixels, padded[y + 12 : y + 28, x + 12 : x + 28])


def test_a_reduced_square_is_antialiased():
    board = (np.indices((128, 128)).sum(axis=0) % 2 * 255).astype(np.uint8)
    image = Image.fromarray(board).convert("RGB")
    small = np.asarray(crops.cut(image, (64, 64), 100, 0.3, 16)).astype(float)
    assert np.abs(small - 127.5).max() <= 3


@pytest.mark.parametrize("degrees", [-70, 0, 25, 180])
def test_eyes_come_to_the_same_places(degrees):
    angle = math.radians(degrees)
    half = np.array([math.cos(angle), math.sin(angle)]) * 30
    eyes = np.array([150, 140]) - half, np.array([150, 140]) + half
    image = Image.new("RGB", (300, 300))
    for (x, y), color in zip(eyes, ("red", "blue"), strict=True):
        ImageDraw.Draw(image).ellipse((x - 6, y - 6, x + 6, y + 6), fill=color)
    found = face((70, 60, 160, 170), eyes=tuple(map(tuple, eyes)))
    pixels = np.asarray(crops.cut(image, *crops.face_square(found, "eyes", 0.25), 60))
    # 0.35 / 1.5 of 60 pixels apart, 0.35 * 0.33 / 1.5 of them above the middle.
    for channel, x in ((0, 30 - 7), (2, 30 + 7)):
        weights = pixels[..., channel] / pixels[..., channel].sum()
        rows, columns = np.indices((60, 60)) + 0.5
        np.testing.assert_allclose((weights * columns).sum(), x, atol=0.15)
        np.testing.assert_allclose((weights * rows).sum(), 30 - 4.62, atol=0.15)


def test_without_alignment_the_square_is_around_the_box():
    square = crops.face_square(face((20, 10, 40, 50)), "none", 0.1)
    assert square == ((40, 35), pytest.approx(60), 0.0)


def test_the_orientation_of_a_photograph_is_applied(tmp_path):
    image, exif = noise(30, 20), Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "a.png", exif=exif)
    upright, ignored = crops.read_upright(tmp_path / "a.png")
    assert not ignored
    np.testing.assert_array_equal(np.asarray(upright), np.rot90(np.asarray(image), -1))
