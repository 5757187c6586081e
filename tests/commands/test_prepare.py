"""The command that crops faces: what it writes, lists that survive a kill, clear refusals."""

import csv
import os
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

from dgn_tf import prepare
from dgn_tf.config.prepare import CropSettings
from dgn_tf.data.cropping import crops, detection, preparing
from dgn_tf.data.cropping.detection import Face, load_detector
from dgn_tf.data.cropping.journal import Journal
from dgn_tf.data.cropping.names import crop_names
from dgn_tf.data.cropping.noted import noted_faces
from dgn_tf.data.sources.folders import find_images, load_folder
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.locks import lock_folder


def face(left, top, width, height, confidence=0.99, eyes=None):
    x, y = left + width / 2, top + 0.4 * height
    eyes = eyes or ((x - 0.2 * width, y), (x + 0.2 * width, y))
    return Face((left, top, width, height), confidence, eyes)


# What the stand-in for a detector finds is told by the image's width.
FACES = {
    100: [face(20, 10, 40, 50)],
    101: [face(10, 10, 60, 60), face(60, 60, 40, 40, 0.95), face(0, 80, 20, 20)],
    102: [],
    103: [face(10, 10, 30, 31)],
    104: [face(10, 10, 50, 50, 0.5)],
    105: [face(10, 10, 50, 50, eyes=((30, 30), (38, 30)))],
}


def detect(image):
    return FACES[image.width]


def noise(width, height):
    seed = np.random.default_rng(width)
    return Image.fromarray(seed.integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "photos"
    (folder / "a").mkdir(parents=True)
    for width, name in zip(FACES, ("a/one", "two", "none", "small", "unsure", "side"), strict=True):
        noise(width, 120).save(folder / f"{name}.png")
    (folder / "broken.jpg").write_bytes(b"no image")
    return folder


@pytest.fixture
def command(run_app, monkeypatch):
    """The app with a stand-in for the detector."""
    monkeypatch.setattr(detection, "load_detector", lambda *settings: detect)
    return lambda *arguments: run_app(prepare, *map(str, arguments))


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def contents(folder):
    """Every file below a folder, byte by byte."""
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_the_largest_face_of_each_image(command, source, tmp_path):
    said = command(source, tmp_path / "out", "--side=48", "--margin=0")
    assert (said.status, said.out) == (
        0,
        f"3 crops from 3 images; 4 images skipped (skipped.csv says why): {tmp_path}/out\n",
    )
    one, side, two = rows(tmp_path / "out/manifest.csv")
    assert one == {
        "crop": "crops/a__one.png",
        "source": "a/one.png",
        "left": "20.0",
        "top": "10.0",
        "width": "40.0",
        "height": "50.0",
        "confidence": "0.9900",
        "left_eye_x": "32.0",
        "left_eye_y": "30.0",
        "right_eye_x": "48.0",
        "right_eye_y": "30.0",
    }
    assert (side["crop"], two["crop"]) == ("crops/side.png", "crops/two.png")
    with Image.open(tmp_path / "out/crops/two.png") as crop:
        expected = crops.cut(noise(101, 120), (40, 40), 60, 0.0, 48)
        np.testing.assert_array_equal(np.asarray(crop), np.asarray(expected))
    reasons = {row["source"]: row["reason"] for row in rows(tmp_path / "out/skipped.csv")}
    assert reasons.pop("broken.jpg").startswith("cannot be read (UnidentifiedImageError: ")
    assert reasons == {
        "none.png": "no face found (--min_confidence=0.9)",
        "small.png": "face of 30 pixels is too small (--min_face=32)",
        "unsure.png": "no face found (--min_confidence=0.9)",
    }
    assert load_folder(str(tmp_path / "out/crops"), 32, 3).names[0] == "a__one.png"


def test_all_faces_aligned_as_jpeg(command, source, tmp_path):
    chosen = ("--all_faces", "--align=eyes", "--format=jpg", "--min_face=20")
    assert command(source, tmp_path / "out", *chosen).status == 0
    names = [row["crop"] for row in rows(tmp_path / "out/manifest.csv")]
    assert names == [f"crops/{n}.jpg" for n in ("a__one", "small", "two", "two+2", "two+3")]
    found = sorted(path.name for path in (tmp_path / "out/crops").iterdir())
    assert found == sorted(name.removeprefix("crops/") for name in names)
    reasons = {row["source"]: row["reason"] for row in rows(tmp_path / "out/skipped.csv")}
    assert "too close together" in reasons["side.png"]


def test_the_middle_is_what_training_would_take(command, source, tmp_path):
    said = command(source, tmp_path / "out", "--crop=centre", "--side=32")
    assert "6 crops from 6 images; 1 image skipped" in said.out
    ours = load_folder(str(tmp_path / "out/crops"), 32, 3).images
    np.testing.assert_array_equal(ours, load_folder(str(source), 32, 3).images)
    first = rows(tmp_path / "out/manifest.csv")[0]
    assert [first[key] for key in ("left", "top", "width", "height")] == [
        "0.0",
        "10.0",
        "100.0",
        "100.0",
    ]
    assert first["confidence"] == first["left_eye_x"] == ""


def test_an_unreadable_file_is_one_named_warning(source, tmp_path, caplog):
    preparing.prepare(str(source), str(tmp_path / "out"), detector=detect)
    (text,) = caplog.messages
    assert text.startswith("broken.jpg is skipped: cannot be read") and str(tmp_path) not in text


def test_classes_that_crops_do_not_have_are_told(tmp_path, caplog):
    for folder in ("glad", "sad"):
        (tmp_path / "photos" / folder).mkdir(parents=True)
        Image.new("RGB", (40, 50), (folder == "sad", 90, 20)).save(
            tmp_path / "photos" / folder / "1.png"
        )
    settings = CropSettings(crop="centre", side=32)
    preparing.prepare(str(tmp_path / "photos"), str(tmp_path / "all"), settings)
    (record,) = caplog.records
    assert "lie in 2 folders, which training would take for classes" in record.getMessage()
    caplog.clear()
    for folder in ("glad", "sad"):
        preparing.prepare(
            str(tmp_path / "photos" / folder), str(tmp_path / "crops" / folder), settings
        )
    assert not caplog.records
    found = load_folder(str(tmp_path / "crops"), 32, 3)
    assert found.factors["label"].tolist() == [0, 1]


@pytest.mark.parametrize("torn", [False, True])
def test_a_killed_command_goes_on(source, tmp_path, torn):
    settings = CropSettings(all_faces=True, min_face=20)
    preparing.prepare(str(source), str(tmp_path / "whole"), settings, detect)
    seen = []

    def killed(image):
        seen.append(image.width)
        if image.width == 104:
            raise KeyboardInterrupt
        return detect(image)

    dest = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        preparing.prepare(str(source), str(dest), settings, killed)
    if torn:
        # Two of the three rows of an image, the second without its end.
        text = (dest / "manifest.csv").read_text()
        (dest / "manifest.csv").write_text(text[: text.index("crops/two+2") + 20])
    before = len(seen)
    counts = preparing.prepare(
        str(source), str(dest), settings, lambda image: seen.append(image.width) or detect(image)
    )
    assert seen[before:] == ([101, 104] if torn else [104])
    expected = contents(tmp_path / "whole")
    assert contents(dest) == expected
    assert counts == {"crops": 6, "images": 4, "skipped": 3, "known": 5 if torn else 6}


def test_finished_images_are_not_done_again(command, source, tmp_path):
    command(source, tmp_path / "out")
    before = contents(tmp_path / "out")
    (source / "a/one.png").write_bytes(b"changed")
    noise(100, 120).save(source / "A__ONE.png")
    said = command(source, tmp_path / "out")
    assert said.out.startswith("4 crops from 4 images, 7 of them known from before; 4 images")
    after = contents(tmp_path / "out")
    changed = [str(path) for path in after if after[path] != before.get(path)]
    added = rows(tmp_path / "out/manifest.csv")[-1]["crop"]
    assert added.startswith("crops/A__ONE+")
    assert sorted(changed) == sorted(["manifest.csv", added])


def test_crops_that_were_deleted_stay_so_and_are_told(source, tmp_path, caplog):
    counts = preparing.prepare(str(source), str(tmp_path / "out"), detector=detect)
    deleted = rows(tmp_path / "out/manifest.csv")[1]["crop"]
    (tmp_path / "out" / deleted).unlink()
    again = preparing.prepare(str(source), str(tmp_path / "out"), detector=detect)
    assert again["crops"] == counts["crops"] - 1
    assert not (tmp_path / "out" / deleted).exists()
    assert f"1 crops in manifest.csv are no longer there (the first is {deleted})" in caplog.text


def test_crops_that_lie_in_one_folder_with_their_images_are_told(source, tmp_path, caplog):
    for folder in ("faces", "again/faces"):
        preparing.prepare(str(source), str(tmp_path / folder), detector=detect)
    caplog.clear()
    find_images(tmp_path / "again")
    find_images(tmp_path / "faces")
    find_images(source)
    assert "twice" not in caplog.text
    find_images(tmp_path)
    for folder in ("faces", "again/faces"):
        told = f"holds {folder}/crops, which was cut out of {source}, and that too"
        assert told in caplog.text
    caplog.clear()
    (tmp_path / "faces").rename(source / "faces")
    find_images(source)
    assert "holds faces/crops, which was cut out" in caplog.text


def test_names_differ_even_where_the_file_system_ignores_case():
    files = ["a/b.jpg", "a__b.png", "A/B.gif", "c.jpg", "c+2.jpg", "d\n.png"]
    names = crop_names(files, [])
    assert len({name.casefold() for name in names.values()}) == 6
    assert (names["c.jpg"], names["c+2.jpg"]) == ("c", "c_2")


def test_no_file_gets_the_name_of_one_that_has_gone(command, source, tmp_path):
    command(source, tmp_path / "out")
    before = (tmp_path / "out/crops/two.png").read_bytes()
    (source / "two.png").unlink()
    noise(100, 130).save(source / "two.bmp")
    said = command(source, tmp_path / "out")
    assert said.out.startswith("4 crops from 4 images"), said.err
    assert (tmp_path / "out/crops/two.png").read_bytes() == before
    (_, _, _, new) = rows(tmp_path / "out/manifest.csv")
    assert new["source"] == "two.bmp" and new["crop"].startswith("crops/two+")


def test_a_foreign_list_is_refused(tmp_path):
    (tmp_path / "manifest.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="has other columns than source, reason"):
        Journal(tmp_path / "manifest.csv", ("source", "reason"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "SOURCE and DEST missing: give SOURCE DEST"),
        (("{source}",), "DEST missing: give SOURCE DEST"),
        (("", "{out}"), "an argument is empty"),
        (("{source}", ""), "an argument is empty"),
        (("{source}", "{out}", "more"), "'more' is no flag: flags look like --name=value"),
        (("{source}x", "{out}"), "folder {source}x does not exist"),
        (("{source}", "{source}/a/out"), "{source}/a/out is inside the folder of the images"),
        (("{source}", "{source}"), "{source} is inside the folder of the images"),
        (("{source}", "{source}/broken.jpg/x"), "{source}/broken.jpg/x is inside the folder"),
        (("{source}", "{file}"), "{file} is a file: name a folder for the crops."),
        (("{source}", "{file}/x"), "{file}/x cannot be written: Not a directory."),
        (("{source}", "{full}"), "{full} is not empty and holds no crops: name another folder."),
        (("{source}", "{done}", "--side=32"), "{done} was begun with --side=64, not 32: give"),
        (("{other}", "{done}"), "{done} was begun with the images of {source}: name another"),
        (("{source}", "{out}", "--crop=centre", "--align=eyes"), "--align=eyes is for faces and"),
        (("{source}", "{out}", "--side=7"), "--side=7: must be from 8 to 2048."),
    ],
)
def test_what_cannot_be_used_is_one_line(command, source, tmp_path, arguments, message):
    places = {name: tmp_path / name for name in ("out", "file", "full", "done", "other")}
    places["source"] = source
    places["file"].write_text("")
    for folder in (places["full"], places["other"]):
        folder.mkdir()
        noise(100, 120).save(folder / "a.png")
    command(source, places["done"])
    before = contents(tmp_path)
    said = command(*(argument.format(**places) for argument in arguments))
    assert (said.status, said.out, contents(tmp_path)) == (2, "", before)
    (line,) = said.err.splitlines()
    assert line.startswith("error: " + message.format(**places))


def test_images_that_have_moved_are_gone_on_with(command, source, tmp_path):
    command(source, tmp_path / "out")
    before = contents(tmp_path / "out")
    shutil.move(source, tmp_path / "moved")
    said = command(tmp_path / "moved", tmp_path / "out")
    assert said.status == 0, said.err
    assert said.out.startswith("3 crops from 3 images, 7 of them known from before;")
    after = contents(tmp_path / "out")
    assert [path.name for path in after if after[path] != before[path]] == ["settings.json"]
    # Other images at another place are not those that have gone.
    shutil.move(tmp_path / "moved", tmp_path / "again")
    (tmp_path / "again/a/one.png").unlink()
    said = command(tmp_path / "again", tmp_path / "out")
    assert said.status == 2 and "Of those it lacks a/one.png." in said.err


def test_two_commands_do_not_fill_one_folder(command, source, tmp_path):
    with lock_folder(tmp_path / "out", "out"):
        said = command(source, tmp_path / "out")
    assert said.status == 2
    (line,) = said.err.splitlines()
    assert line.startswith(f"error: {tmp_path}/out: process {os.getpid()} on ")
    assert command(source, tmp_path / "out").status == 0


def test_a_full_disk_is_one_line_and_the_same_command_goes_on(
    command, source, tmp_path, monkeypatch
):
    save = crops.save

    def full(image, path):
        if "two" in path.name:
            raise OSError(28, "No space left on device")
        save(image, path)

    with monkeypatch.context() as patch:
        patch.setattr(crops, "save", full)
        said = command(source, tmp_path / "out")
    assert said.status == 1
    assert said.err.splitlines()[-1] == (
        f"error: {tmp_path}/out cannot be written (No space left on device): make room, then run "
        "the same command again, which goes on where it was."
    )
    assert command(source, tmp_path / "out").status == 0
    command(source, tmp_path / "whole")
    whole, resumed = contents(tmp_path / "whole"), contents(tmp_path / "out")
    assert {name: whole[name] for name in whole if name.name != ".lock"} == {
        name: resumed[name] for name in resumed if name.name != ".lock"
    }


def test_flags_may_stand_anywhere(command, source, tmp_path):
    assert command("--side=16", source, "--margin=0.2", tmp_path / "out").status == 0
    with Image.open(tmp_path / "out/crops/two.png") as crop:
        assert crop.size == (16, 16)


def test_without_the_detector_the_extra_is_named(source, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mtcnn", None)
    with pytest.raises(InputError, match=r'pip install "dgn_tf\[faces\]"'):
        preparing.prepare(str(source), str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_the_detector_finds_the_face_of_a_photograph():
    pytest.importorskip("mtcnn")
    from matplotlib import cbook

    image = Image.open(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)).convert("RGB")
    for min_face in (40, 100):
        (found,) = load_detector(min_face, 0.9)(image)
        np.testing.assert_allclose(found.eyes, ((220, 189), (308, 186)), atol=8)
        left, top, width, height = found.box
        np.testing.assert_allclose(
            (left, top, left + width, top + height), (178, 110, 351, 330), atol=25
        )
    assert load_detector(100, 0.9)(Image.new("RGB", (200, 150))) == []
    assert load_detector(100, 0.9)(Image.new("RGB", (30, 1))) == []


def test_photographs_with_damaged_metadata_are_cropped(run_app, tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(2):
        exif = b"Exif\0\0This_is_not_valid"
        noise(30, 20).save(folder / f"{number}.jpg", exif=exif)
    noise(30, 20).save(folder / "z.png")
    (folder / "notes.txt").write_text("text")
    arguments = (str(folder), str(tmp_path / "out"), "--crop=centre", "--side=16")
    said = run_app(prepare, *arguments)
    assert said.status == 0, said.err
    assert said.out.startswith("3 crops from 3 images; 0 images skipped")
    assert (
        "damaged metadata is ignored, and what it may say of the orientation (images: 2" in said.err
    )
    assert "not images, and left out: 1 .txt" in said.err
    assert run_app(prepare, *arguments).status == 0


@pytest.mark.parametrize("place", ["", "crops"])
def test_crops_tell_a_run_how_they_were_cut_out(command, source, tmp_path, place):
    assert command(source, tmp_path / "faces", "--align=eyes", "--margin=0.25").status == 0
    assert noted_faces([tmp_path / "faces" / place]) == "eyes:0.25"
    assert noted_faces([tmp_path]) == ""
