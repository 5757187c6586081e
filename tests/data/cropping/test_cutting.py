"""Photographs that become like the images that a model has learned from. The detector is a fake."""

import json
import sys
import threading
import types

import numpy as np
import pytest
from PIL import Image

from dgn_tf.config import DataConfig
from dgn_tf.config.alignment import crops_for
from dgn_tf.data.cropping import crops, detection
from dgn_tf.data.cropping.cutting import face_cutter
from dgn_tf.data.cropping.detection import Face
from dgn_tf.data.sources import load
from dgn_tf.data.sources.files import load_files
from dgn_tf.utils.errors import InputError

FACE = Face((20.0, 20.0, 40.0, 40.0), 0.99, ((33.0, 36.0), (47.0, 38.0)))


def noise(width, height):
    pixels = np.random.default_rng(width).integers(90, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels)


def of_face(image, margin):
    center, edge, angle = crops.face_square(FACE, "eyes", margin)
    return np.asarray(crops.cut(image, center, edge, angle, 32))


@pytest.fixture
def asked(monkeypatch):
    """The sizes of the images that the detector was asked for; it finds a face in bright ones."""
    sizes = []

    def detect(image):
        sizes.append(image.size)
        return [FACE] if np.asarray(image).mean() > 50 else []

    monkeypatch.setattr(detection, "load_detector", lambda *settings: detect)
    return sizes


@pytest.fixture
def photos(tmp_path):
    """A bright photograph, a dark one, and a crop."""
    folder = tmp_path / "photos"
    folder.mkdir()
    noise(80, 70).save(folder / "bright.png")
    Image.new("RGB", (60, 50)).save(folder / "dark.png")
    noise(32, 32).save(folder / "crop.png")
    return folder


def loaded(path, faces, **settings):
    examples = load(DataConfig(data=str(path), side=32, **settings), faces=faces)
    return dict(zip(examples.names, examples.images, strict=True))


def test_a_photograph_is_cut_as_the_data_were_and_a_crop_is_left_alone(photos, asked):
    faces = face_cutter("auto", "eyes:0.25", 32, 3)
    found = loaded(photos, faces)
    np.testing.assert_array_equal(found["bright.png"], of_face(noise(80, 70), 0.25))
    np.testing.assert_array_equal(found["crop.png"], np.asarray(noise(32, 32)))
    assert not found["dark.png"].any() and sorted(asked) == [(60, 50), (80, 70)]
    assert faces.told() == (
        "faces were found and cut out as for the training images; 1 of 2 has none: its middle was "
        "taken: dark.png"
    )
    gray = face_cutter("auto", "eyes:0.25", 32, 1)
    named = load_files([str(photos / "bright.png")], 32, 1, gray)
    assert named.images.shape == (1, 32, 32, 1)


def test_what_prepare_has_made_alike_is_left_alone(photos, asked):
    settings = {"crop": "faces", "align": "eyes", "margin": 0.25}
    for margin, times in ((0.25, 0), (0.3, 3)):
        (photos.parent / "settings.json").write_text(json.dumps(settings | {"margin": margin}))
        (photos.parent / "manifest.csv").write_text("crop\n")
        asked.clear()
        faces = face_cutter("auto", "eyes:0.25", 32, 3)
        loaded(photos, faces)
        load_files([str(photos / "bright.png")], 32, 3, faces)
        assert len(asked) == times and bool(faces.told()) == bool(times)


def test_arrays_of_a_file_stay_as_they_are(tmp_path, asked):
    np.savez(tmp_path / "a.npz", images=np.asarray(noise(80, 80))[None])
    assert loaded(tmp_path / "a.npz", face_cutter("auto", "eyes", 32, 3)).keys() == {"0"}
    assert asked == []
    with pytest.raises(InputError, match="`align=eyes` is for image files, and npz:"):
        loaded(tmp_path / "a.npz", face_cutter("eyes", "", 32, 3))


def test_who_asks_for_faces_gets_no_middle(photos, asked, caplog):
    faces = face_cutter("eyes", "none:0.25", 32, 3)
    found = loaded(photos, faces)
    # The crop is no exception, and the margin is that of the data.
    assert found.keys() == {"bright.png", "crop.png"} and len(asked) == 3
    np.testing.assert_array_equal(found["bright.png"], of_face(noise(80, 70), 0.25))
    assert "1 of 3 images are left out" in caplog.text and "dark.png: no face" in caplog.text
    assert faces.told() == "faces were found and cut out and leveled"
    with pytest.raises(InputError, match="no face for `align=eyes` in .*dark.png: no face found"):
        load_files([str(photos / "dark.png")], 32, 3, faces)
    for name in ("bright.png", "crop.png"):
        (photos / name).unlink()
    with pytest.raises(InputError, match="no face for `align=eyes` in any of its images"):
        loaded(photos, faces)


def test_nothing_is_looked_for_where_nothing_is_known_or_wanted():
    assert face_cutter("auto", "", 32, 3) is None and face_cutter("none", "eyes", 32, 3) is None
    assert crops_for("eyes", "", 32).margin == 0.1 and crops_for("auto", "none", 32).align == "none"
    with pytest.raises(InputError, match="`align=nose`: must be one of auto, eyes, none"):
        face_cutter("nose", "", 32, 3)


def test_without_a_detector_one_warning_says_what_to_install(photos, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "mtcnn", None)
    faces = face_cutter("auto", "eyes", 32, 3)
    loaded(photos, faces, limit=1)
    assert len(loaded(photos, faces)) == 3 and faces.told() == ""
    (record,) = caplog.records
    assert 'taken as they are. To have faces found: pip install "dgn_tf[faces]"' in record.message
    with pytest.raises(InputError, match="`align=eyes` needs a face detector, and there is none"):
        face_cutter("eyes", "eyes", 32, 3)


def test_where_no_image_has_a_face_that_is_all_that_is_said(photos, asked):
    faces = face_cutter("auto", "eyes", 32, 3)
    load_files([str(photos / "dark.png")], 32, 3, faces)
    assert faces.told() == f"no face was found: the middle was taken of {photos}/dark.png"


def test_the_networks_are_loaded_once_for_all_threads_and_settings(monkeypatch):
    made, at_once, most = [], [0], [0]

    class Network:
        def __init__(self):
            made.append(self)

        def detect_faces(self, image, **settings):
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
            at_once[0] -= 1
            return []

    monkeypatch.setitem(sys.modules, "mtcnn", types.SimpleNamespace(MTCNN=Network))

    def ask(min_face):
        for _ in range(20):
            assert detection.load_detector(min_face, 0.9)(Image.new("RGB", (40, 40))) == []

    threads = [threading.Thread(target=ask, args=(size,)) for size in (20, 32, 40, 64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1 and most == [1]
