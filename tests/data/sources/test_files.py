import io
import logging
import time

import numpy as np
import pytest
from PIL import Image

from dgn_tf.data.examples import stable_id
from dgn_tf.data.sources.files import load_bytes, load_files, load_photographs
from dgn_tf.data.squares import square
from dgn_tf.utils.errors import InputError


def test_files_become_squares_in_the_order_given(tmp_path):
    rng = np.random.default_rng(0)
    images = [
        Image.fromarray(rng.integers(0, 256, (h, w, 3), np.uint8)) for h, w in ((9, 12), (8, 8))
    ]
    paths = [str(tmp_path / name) for name in ("z.png", "a.png")]
    for picture, path in zip(images, paths, strict=True):
        picture.save(path)
    examples = load_files(paths, 8, 3)
    assert examples.names == tuple(paths)
    assert examples.ids.tolist() == [stable_id(path.encode()) for path in paths]
    for image, picture in zip(examples.images, images, strict=True):
        np.testing.assert_array_equal(image, square(picture, 8, 3))
    assert load_files(paths, 8, 1).images.shape == (2, 8, 8, 1)


def test_what_is_no_image_is_named(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes((tmp_path / "good.png").read_bytes()[:30])
    good, bad = str(tmp_path / "good.png"), str(tmp_path / "bad.png")
    for paths, message in (
        ([good, bad], "bad.png cannot be read as an image"),
        ([good, str(tmp_path)], "cannot be read as an image .IsADirectoryError"),
        ([good, bad + "x"], "bad.pngx does not exist"),
        ([good, good], "good.png is named twice"),
        ([], "no image file"),
        ([good, ""], "the name of an image file is empty"),
    ):
        with pytest.raises(InputError, match=message):
            load_files(paths, 8, 1)


def content(image, kind="PNG"):
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def test_bytes_become_squares():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8))
    np.testing.assert_array_equal(load_bytes(content(image), "a.png", 8, 3), square(image, 8, 3))
    # A JPEG is decoded at a fraction of its size, and may then have as many pixels as it likes.
    large = load_bytes(content(Image.new("L", (9_000, 9_000), 77), "JPEG"), "a.jpg", 8, 1)
    np.testing.assert_array_equal(large, np.full((8, 8, 1), 77))


def test_bytes_that_are_no_image_or_a_bomb_are_told():
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8))
    for bad, message in (
        (b"", "cannot be read as an image"),
        (b"%PDF-1.7", "cannot be read as an image"),
        (content(image)[:500], "cannot be read as an image"),
        (content(Image.new("1", (20_000, 20_000))), "has far too many pixels"),
        (content(Image.new("1", (9_000, 9_000))), "has 9000 x 9000 pixels: give a smaller"),
    ):
        with pytest.raises(InputError, match=f"^x.png {message}"):
            load_bytes(bad, "x.png", 8, 1)


def test_many_files_are_compared_in_no_time(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "dgn_tf.data.sources.files._square", lambda *_: np.full((2, 2, 1), 9, np.uint8)
    )
    begun = time.perf_counter()
    assert len(load_files([f"{row}.png" for row in range(30_000)], 2, 1)) == 30_000
    assert time.perf_counter() - begun < 5


def test_of_a_folder_of_photographs_those_that_cannot_be_read_are_left_out(tmp_path, caplog):
    for name in "abc":
        Image.new("RGB", (4, 6), "red").save(tmp_path / f"{name}.png")
    (tmp_path / "a.png").write_bytes((tmp_path / "b.png").read_bytes()[:30])
    with caplog.at_level(logging.WARNING):
        assert list(load_photographs(str(tmp_path), 5)) == ["b.png", "c.png"]
    assert "1 of 3 files cannot be read and are left out:\n  a.png (" in caplog.text
    for name in "bc":
        (tmp_path / f"{name}.png").write_bytes(b"")
    with pytest.raises(InputError, match="none of its 3 image files can be read; .* a.png"):
        load_photographs(str(tmp_path), 5)
    with pytest.raises(InputError, match="a.png cannot be read as an image"):
        load_photographs(f"{tmp_path}/a.png", 5)
