"""Which files of a folder are data, in which order, and that none vanishes without a word."""

import logging
import os
import shutil
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dgn_tf.data.labels import class_folders
from dgn_tf.data.sources.folders import find_images, load_folder
from dgn_tf.data.sources.walking import composed, left_out, natural, natural_path
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.ownership import RUN, SHEETS, Ownership


def fill(root, names, kind="PNG"):
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), number).save(root / name, kind)


@given(st.lists(st.integers(0, 10**30), max_size=8), st.sampled_from(["", "a", "frame_"]))
def test_numbers_sort_as_numbers(numbers, prefix):
    names = [f"{prefix}{number}.png" for number in numbers]
    assert sorted(names, key=natural) == [f"{prefix}{number}.png" for number in sorted(numbers)]


@given(st.lists(st.text(st.sampled_from("a0129/é-. "), max_size=8), unique=True, max_size=8))
def test_any_names_have_one_order(names):
    ordered = sorted(names, key=natural_path)
    assert sorted(reversed(names), key=natural_path) == ordered
    assert len({natural_path(name) for name in names}) == len(names)


def test_names_of_any_length_and_script_can_be_sorted():
    names = ["9" * 5000, "10" * 5000, "٣", "x²", "007", "7", "07"]
    assert sorted(names, key=natural)[:3] == ["007", "07", "7"]


def test_twelve_class_folders_are_numbered_as_they_are_named(tmp_path, load_data):
    fill(tmp_path, [f"{number}/{k}.png" for number in range(12) for k in range(2)])
    found = load_folder(str(tmp_path), 8, 1)
    for name, label in zip(found.names, found.factors["label"], strict=True):
        assert name.partition("/")[0] == str(label)
    assert class_folders(found) == [str(number) for number in range(12)]
    two = load_data(f"folder:{tmp_path}", 8, 1, where="label=2")
    assert two.names == ("2/0.png", "2/1.png")
    # The order of the files is what it was, since the chains of runs go by it.
    assert list(found.names) == sorted(found.names)


def test_of_a_run_beside_images_nothing_is_told_as_left_out(tmp_path, caplog):
    fill(tmp_path, ["a.png", "runs/a/samples/latest/sheet.png", "checkpoints/b.png"])
    (tmp_path / "runs/a/config.json").write_text("{}")
    (tmp_path / "runs/a/checkpoints/step-1").mkdir(parents=True)
    (tmp_path / "runs/a/checkpoints/step-1/state.index").write_text("")
    Ownership(tmp_path / "runs/a", RUN).add(["config.json"])
    Ownership(tmp_path / "runs/a/samples", SHEETS).add(["latest/sheet.png"])
    with caplog.at_level(logging.WARNING):
        assert find_images(tmp_path) == ["a.png", "checkpoints/b.png"]
    (record,) = caplog.records
    assert "passed over 1 image that this program wrote" in record.getMessage()


def test_an_empty_class_folder_keeps_its_number(tmp_path, load_data, caplog):
    fill(tmp_path / "in", ["a/1.png", "c/2.png", "c/3.png"])
    for folder in ("b", ".hidden"):
        (tmp_path / "in" / folder).mkdir()
    (tmp_path / "in" / "b" / ".gitkeep").write_bytes(b"")
    shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "in")
    for spec in (f"folder:{tmp_path}/in", f"zip:{tmp_path}/packed.zip"):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert load_data(spec, 8, 1).factors["label"].tolist() == [0, 2, 2]
        assert "empty folders keep their numbers in the label of classes: b (1)" in caplog.text
    # Images that are of no classes have no label because of it.
    fill(tmp_path / "in", ["4.png"])
    assert not load_data(f"folder:{tmp_path}/in", 8, 1).factors


SCANDIR = os.scandir


class Locked:
    """`os.scandir` that may not read some folders: the superuser of tests may read all."""

    def __init__(self, *folders):
        self.folders = [str(folder) for folder in folders]

    def __call__(self, path="."):
        if str(path) in self.folders:
            raise PermissionError(13, "Permission denied", str(path))
        return SCANDIR(path)


def test_a_folder_that_may_not_be_read_is_an_error(tmp_path, monkeypatch, load_data):
    fill(tmp_path, ["a/1.png", "b/2.png", "c/deep/3.png", "d/4.png"])
    monkeypatch.setattr(os, "scandir", Locked(tmp_path / "b", tmp_path / "c" / "deep"))
    for spec in (f"folder:{tmp_path}", f"clips:{tmp_path}"):
        frames = 1 if spec.startswith("clips") else 0
        with pytest.raises(InputError, match="2 of its folders cannot be read") as error:
            load_data(spec, 8, 1, frames=frames)
        for folder in ("b", "c/deep"):
            assert f"{tmp_path}/{folder} (Permission denied)" in str(error.value)
    monkeypatch.setattr(os, "scandir", Locked(tmp_path))
    with pytest.raises(InputError, match="1 of its folders cannot be read"):
        load_folder(str(tmp_path), 8, 1)
    # What is hidden is not looked at.
    fill(tmp_path, [".git/x.png"])
    monkeypatch.setattr(os, "scandir", Locked(tmp_path / ".git"))
    assert len(load_folder(str(tmp_path), 8, 1)) == 4


def test_files_that_are_no_images_are_counted_by_suffix(tmp_path, caplog):
    fill(tmp_path, ["a.png", "b/c.jfif", "b/d.jpe", "b/e.pjpeg", "f.TIFF", "camera"])
    for name in ("x.txt", "b/y.TXT", "z.mp4", "README", "raw.nef", ".hidden"):
        (tmp_path / name).write_bytes(b"II*\0" if name.endswith("nef") else b"text")
    with caplog.at_level(logging.WARNING):
        found = find_images(tmp_path)
    assert found == ["a.png", "b/c.jfif", "b/d.jpe", "b/e.pjpeg", "camera", "f.TIFF"]
    assert "not images, and left out: 2 .txt, 1 without suffix, 1 .mp4, 1 .nef" in (caplog.text)
    with pytest.raises(InputError, match="holds no image file .*: it holds 1 .txt"):
        (tmp_path / "n").mkdir()
        (tmp_path / "n" / "x.txt").write_text("text")
        find_images(tmp_path / "n")
    assert left_out(["a.b", "c.d", "e.d"]) == "2 .d, 1 .b"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.jfif", "JPEG"),
        ("a.jpe", "JPEG"),
        ("a.pjpeg", "JPEG"),
        ("a", "JPEG"),
        ("a.tif", "TIFF"),
        ("a.avif", "AVIF"),
        ("a.jp2", "JPEG2000"),
        ("a.dat", "WEBP"),
        ("a.jpg", "PNG"),
        ("a.png", "JPEG"),
        ("a.bak", "BMP"),
    ],
)
def test_images_are_read_by_their_content(tmp_path, name, kind):
    pixels = np.full((8, 8, 3), (200, 100, 50), np.uint8)
    Image.fromarray(pixels).save(tmp_path / name, kind)
    found = load_folder(str(tmp_path), 8, 3)
    assert found.names == (name,)
    assert np.abs(found.images[0].astype(int) - pixels).max() <= 4


def test_damaged_metadata_are_told_once_with_their_number(tmp_path, caplog):
    for number in range(3):
        exif = b"Exif\0\0This_is_not_valid"
        Image.new("L", (8, 8), 77).save(tmp_path / f"{number}.jpg", exif=exif)
    Image.new("L", (8, 8), 77).save(tmp_path / "z.jpg")
    with caplog.at_level(logging.WARNING):
        found = load_folder(str(tmp_path), 8, 1)
    assert len(found) == 4 and (found.images == 77).all()
    (record,) = caplog.records
    assert (
        "damaged metadata is ignored, and what it may say of the orientation (images: 3"
        in record.getMessage()
    )
    assert "the first is 0.jpg (not a TIFF file" in record.getMessage()


def test_accents_are_written_in_two_ways():
    for name in ("café.png", "Åse/ñ.jpg"):
        assert composed(unicodedata.normalize("NFD", name)) == composed(name)
