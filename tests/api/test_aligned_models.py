"""What a model learns of how its faces were cut out, and what it makes of photographs since."""

import json

import numpy as np
import pytest
from PIL import Image

import dgn_tf as dgn
from dgn_tf.api import asking
from dgn_tf.api.settings import changed
from dgn_tf.data.cropping import crops, detection
from dgn_tf.data.cropping.detection import Face
from dgn_tf.explorer.server import ExplorerServer
from dgn_tf.utils.errors import InputError

FACE = Face((20.0, 20.0, 40.0, 40.0), 0.99, ((33.0, 36.0), (47.0, 38.0)))
# Quick to compile: one network, without an encoder.
PLAIN = {
    "model": "abp",
    "side": 32,
    "channels": 3,
    "appearance_dim": 2,
    "alpha": 0.1,
    "batch_size": 4,
    "langevin_steps": 1,
    "appearance_scheme": 2,
}


def photograph(seed, size=(80, 70)):
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), np.uint8)
    return Image.fromarray(pixels)


def face_of(image, margin):
    center, edge, angle = crops.face_square(FACE, "eyes", margin)
    return np.asarray(crops.cut(image, center, edge, angle, 32))


@pytest.fixture
def found(monkeypatch):
    """The faces that the detector finds, which a test may change."""
    found = [FACE]
    monkeypatch.setattr(detection, "load_detector", lambda *_: lambda image: list(found))
    monkeypatch.setattr(detection, "detector_installed", lambda: True)
    return found


@pytest.fixture
def model(trained, monkeypatch):
    """A trained model that knows how the faces of its data were cut out."""
    monkeypatch.setattr(trained.model, "config", changed(trained.model.config, {"faces": "eyes:0"}))
    return trained.model


def test_a_model_knows_how_the_faces_that_it_learns_from_were_cut_out(found, tmp_path):
    for number in range(4):
        photograph(number).save(tmp_path / f"{number}.png")
    train = dgn.load_images(tmp_path, side=32, align="eyes:0.2")
    model = dgn.DeformableGenerator(**PLAIN)
    model.fit(train[:3], 1, validation_data=train[3:], run_dir=tmp_path / "run", verbose=0)
    model.save(tmp_path / "faces.keras")
    for known in (model, dgn.load(tmp_path / "faces.keras"), dgn.load(tmp_path / "run")):
        assert known.config.data.faces == "eyes:0.2"
    assert known.infer(tmp_path / "1.png", steps=10).images.tolist() == [
        face_of(photograph(1), 0.2).tolist()
    ]


def test_crops_of_the_command_say_how_they_were_made(found, tmp_path):
    settings = {"crop": "faces", "align": "eyes", "margin": 0.3}
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    (tmp_path / "manifest.csv").write_text("crop\n")
    (tmp_path / "crops").mkdir()
    for number in range(2):
        photograph(number, (40, 40)).save(tmp_path / f"crops/{number}.png")
    files = [tmp_path / f"crops/{number}.png" for number in range(2)]
    for source in (tmp_path / "crops", files, files[0]):
        assert dgn.load_images(source, side=32).faces == "eyes:0.3"
    assert dgn.load_images(np.asarray(photograph(0)), side=32).faces == ""


def test_photographs_are_cut_and_crops_left_whatever_they_are_given_as(
    model, found, tmp_path, monkeypatch
):
    image, crop = photograph(5), photograph(6, (32, 32))
    image.save(tmp_path / "a.png")
    crop.save(tmp_path / "b.png")
    wanted, middle = face_of(image, 0.0), dgn.load_images(image, side=32).images[0]
    for source in (tmp_path / "a.png", image, np.asarray(image)):
        np.testing.assert_array_equal(model.infer(source, steps=10).images[0], wanted)
    both = model.infer([tmp_path / "a.png", tmp_path / "b.png"], steps=10).images
    np.testing.assert_array_equal(both, [wanted, np.asarray(crop)])
    for align in (None, "none"):
        np.testing.assert_array_equal(model.infer(image, align, steps=10).images[0], middle)
    assert len(model.predict(tmp_path / "a.png", align=None)) == 1
    measured = []
    monkeypatch.setattr(asking, "held_out", lambda network, train, test, *_: measured.append(test))
    for align in ("auto", None):
        model.evaluate(tmp_path / "a.png", align=align)
    np.testing.assert_array_equal([test.images[0] for test in measured], [wanted, middle])
    with pytest.raises(InputError, match="`align=nose`: must be one of auto, eyes, none"):
        model.infer(image, "nose")
    # Its own data are as it learned them.
    squares = dgn.load_images(image, side=32)
    np.testing.assert_array_equal(model.infer(squares, steps=10).images[0], middle)


def test_a_photograph_without_a_face_is_told_or_refused(model, found, tmp_path, caplog):
    found.clear()
    photograph(5).save(tmp_path / "a.png")
    middle = dgn.load_images(photograph(5), side=32).images
    np.testing.assert_array_equal(model.infer(tmp_path / "a.png", steps=10).images, middle)
    assert "no face was found: the middle was taken of" in caplog.text
    with pytest.raises(InputError, match="`source`: no face for `align=eyes` in .*a.png"):
        model.infer(tmp_path / "a.png", align="eyes")
    with pytest.raises(InputError, match="`source`: no face for `align=eyes` in image 0"):
        model.infer([photograph(5)], align="eyes")


@pytest.mark.slow
def test_a_driven_face_and_its_video_are_cut_alike(model, monkeypatch):
    asked = []

    def detect(image):
        asked.append(image.size)
        return [FACE] if image.width == 80 else []

    monkeypatch.setattr(detection, "load_detector", lambda *_: detect)
    frames = np.stack([np.asarray(photograph(seed)) for seed in range(2)])
    quick = {"steps": 10, "smooth": 0}
    assert len(model.drive(photograph(7), frames, **quick).pixels[0]) == 2
    assert asked == [(80, 70)] * 3
    model.drive(photograph(7), frames, align=None, **quick)
    assert len(asked) == 3
    without = frames[:, :, :60]
    assert len(model.drive(photograph(7), without, **quick).pixels[0]) == 2
    with pytest.raises(InputError, match="a face is found in 0 of 2 frames"):
        model.drive(photograph(7), without, align="eyes", **quick)


def test_the_explorer_finds_faces_as_the_model_knows_them(model, found):
    page = model.explore(port=0, open_browser=False, block=False)
    try:
        assert isinstance(page._server, ExplorerServer)
        assert page._server.description["faces"] == "always"
    finally:
        page.close()


@pytest.mark.slow
def test_a_preset_with_mirror_images_learns_from_them(pixels, tmp_path):
    preset = dgn.DeformableGenerator.from_preset
    assert preset("faces64", side=32, alpha=0.1).config.data.mirror
    assert not preset("faces64", side=32, alpha=0.1, mirror=False).config.data.mirror
    images = dgn.load_images(pixels, side=32)
    for mirror in (True, False):
        model = dgn.DeformableGenerator(**PLAIN, mirror=mirror)
        folder = tmp_path / str(mirror)
        history = model.fit(images[:6], 1, validation_data=images[6:], run_dir=folder, verbose=0)
        note, learned = json.loads((folder / "data.json").read_text()), 12 if mirror else 6
        assert note["examples"] == len(model.known.train) == learned
        assert len(history.history["val_msre"]) == 1
        assert dgn.load(folder).config.data.mirror == mirror
