"""The mark of painted files: told again, passed over by what shows them, left out of data."""

import logging

import numpy as np
import pytest
from PIL import Image

import dgn_tf as dgn
from dgn_tf.config import DataConfig
from dgn_tf.data.sources.clips import load_clips
from dgn_tf.data.sources.folders import load_folder
from dgn_tf.evaluation.report import Figure, Report, write_report
from dgn_tf.utils.painted import is_painted, marked
from dgn_tf.visualize.animation import save_animation
from dgn_tf.visualize.images import save_png

FRAMES = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)


def paint(path):
    """A file of pixels, as people have them."""
    if path.suffix == ".png":
        save_png(path, FRAMES[0])
    else:
        save_animation(path, FRAMES)


def mark(path):
    path.write_bytes(marked(path.read_bytes(), path.suffix.lower()))


@pytest.mark.parametrize("name", ["a.png", "a.gif", "a.mp4", "A.PNG"])
def test_the_mark_is_found_again_and_changes_no_pixel(tmp_path, name):
    path = tmp_path / name
    if name == "A.PNG":
        save_png(tmp_path / "a.png", FRAMES[0])
        (tmp_path / "a.png").rename(path)
    else:
        paint(path)
    before = path.read_bytes()
    assert not is_painted(path)
    shown = _pixels(path)
    mark(path)
    assert is_painted(path)
    np.testing.assert_array_equal(_pixels(path), shown)
    if path.suffix.lower() == ".png":
        with Image.open(path) as image:
            image.load()
            assert image.info["Software"] == "painted by dgn_tf"
    assert len(path.read_bytes()) - len(before) < 64


def _pixels(path):
    if path.suffix == ".mp4":
        av = pytest.importorskip("av")
        with av.open(str(path)) as film:
            return np.stack([frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)])
    with Image.open(path) as image:
        frames = []
        for frame in range(getattr(image, "n_frames", 1)):
            image.seek(frame)
            frames.append(np.asarray(image.convert("RGB")))
        return np.stack(frames)


def test_what_was_painted_into_a_folder_of_photographs_is_no_example(tmp_path, caplog):
    for name in ("a.png", "b.png", "sheet.png", "walk.gif"):
        paint(tmp_path / name)
    mark(tmp_path / "sheet.png")
    mark(tmp_path / "walk.gif")
    with caplog.at_level(logging.WARNING):
        examples = load_folder(str(tmp_path), 16, 3)
    assert examples.names == ("a.png", "b.png")
    assert "passed over 2 images that this program wrote" in caplog.text


def test_what_was_painted_beside_frames_or_videos_is_none(tmp_path):
    for number in range(3):
        paint(tmp_path / f"frames/{number}.png")
    paint(tmp_path / "frames/strip.png")
    mark(tmp_path / "frames/strip.png")
    paint(tmp_path / "morph.gif")
    mark(tmp_path / "morph.gif")
    clips = load_clips(DataConfig(side=32, frames=3), str(tmp_path))
    assert len(clips) == 1 and clips.names[0].startswith("frames")


def test_what_is_made_to_be_looked_at_is_marked_wherever_it_is_copied(tmp_path):
    figure = Figure("sheet", "A sheet.", FRAMES[0], FRAMES)
    write_report(tmp_path / "report", Report("Title", {}, (), (figure,)), {})
    images = dgn.Images(FRAMES)
    for name in ("a.png", "a.gif"):
        images.save(tmp_path / name)
    images.save(tmp_path / "folder")
    dgn.Images(FRAMES[None]).save(tmp_path / "clips")
    looked_at = ["a.gif", "a.png", "report/sheet.gif", "report/sheet.png"]
    found = [path for path in tmp_path.rglob("*.*") if is_painted(path)]
    assert sorted(str(path.relative_to(tmp_path)) for path in found) == looked_at
    # Each image at its own size, in a folder of theirs, can be data.
    assert len(load_folder(str(tmp_path / "folder"), 16, 3)) == 3
    assert len(load_clips(DataConfig(side=32, frames=3), str(tmp_path / "clips"))) == 1


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "none.png"])
def test_other_files_are_not_marked(tmp_path, name):
    if name == "a.png":
        (tmp_path / name).write_bytes(b"")
    if name == "a.jpg":
        (tmp_path / name).write_bytes(b"painted by dgn_tf")
    assert not is_painted(tmp_path / name)
