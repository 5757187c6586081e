"""Photographs as the explorer's model knows images."""

import io
import time

import numpy as np
import pytest
from PIL import Image

from dgn_tf.config.data import parse_faces
from dgn_tf.data.cropping import crops, detection
from dgn_tf.data.cropping.detection import Face
from dgn_tf.explorer.faces import Photographs
from dgn_tf.utils.errors import InputError

FACE = Face((40.0, 20.0, 60.0, 60.0), 0.99, ((60.0, 45.0), (81.0, 47.0)))


@pytest.fixture
def content():
    """A PNG file of 160 x 100 pixels, and the same pixels."""
    pixels = np.random.default_rng(0).integers(0, 256, (100, 160, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue(), Image.fromarray(pixels)


@pytest.fixture
def found(monkeypatch):
    """The faces that the detector finds, which a test may change."""
    found = [FACE]
    monkeypatch.setattr(detection, "load_detector", lambda *_: lambda image: list(found))
    monkeypatch.setattr(detection, "detector_installed", lambda: True)
    return found


@pytest.mark.parametrize("setting", ["eyes:0.2", "none"])
def test_a_face_is_cut_out_as_those_of_the_run(content, found, setting):
    data, image = content
    settings = parse_faces(setting)
    photographs = Photographs((32, 3), settings)
    assert photographs.finds_faces == "always"
    square, note = photographs.read(data, "a.png", True)
    center, edge, angle = crops.face_square(FACE, settings.align, settings.margin)
    wanted = crops.cut(image, center, edge, angle, 32)
    np.testing.assert_array_equal(square, np.asarray(wanted))
    assert note == ""
    # It is aligned where that is wanted alone.
    middle, _ = photographs.read(data, "a.png", False)
    assert np.abs(middle.astype(int) - square).mean() > 5


def test_without_a_face_the_middle_is_taken_and_told(content, found):
    data, image = content
    found.clear()
    photographs = Photographs((32, 1))
    assert photographs.finds_faces == "asked"
    square, note = photographs.read(data, "a.png", True)
    assert note == "no face found (`min_confidence=0.9`); the middle was taken"
    wanted = image.crop((30, 0, 130, 100)).resize((32, 32), Image.LANCZOS).convert("L")
    np.testing.assert_allclose(square[..., 0], np.asarray(wanted), atol=2)
    with pytest.raises(InputError, match="x.png cannot be read as an image"):
        photographs.read(b"no image", "x.png", True)


def test_without_a_detector_none_is_looked_for(content, monkeypatch):
    monkeypatch.setattr(detection, "detector_installed", lambda: False)
    photographs = Photographs((32, 3), parse_faces("eyes"))
    assert photographs.finds_faces == "never"
    assert photographs.read(content[0], "a.png", True)[0].shape == (32, 32, 3)


def test_the_detector_is_loaded_before_the_first_photograph(found, monkeypatch):
    loaded = []
    monkeypatch.setattr(
        detection, "load_detector", lambda *given: loaded.append(given) or (lambda _: [])
    )
    Photographs((32, 3), parse_faces("eyes"))
    deadline = time.monotonic() + 5
    while not loaded and time.monotonic() < deadline:
        time.sleep(0.01)
    assert loaded == [(32, 0.9)]
