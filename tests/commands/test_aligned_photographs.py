"""Commands that are given photographs, with a model of faces that were cut out of some."""

import dataclasses
import json
import sys

import numpy as np
import pytest
from PIL import Image

from dgn_tf import drive, infer, morph
from dgn_tf.config import inference
from dgn_tf.data.cropping import crops, detection
from dgn_tf.data.cropping.detection import Face
from dgn_tf.runs import trained
from dgn_tf.visualize.animation import save_animation

FACES = "faces were found and cut out as for the training images"
QUICK = ("--steps=10", "--starts=1")


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(inference, "_FROM_ZERO", {"steps": 10, "starts": 1})


@pytest.fixture
def model(served, monkeypatch):
    """A model that knows how the faces of its data were cut out."""
    load = trained.load_trained

    def load_trained(*given):
        found = load(*given)
        data = dataclasses.replace(found.config.data, faces="eyes:0.2")
        return dataclasses.replace(found, config=dataclasses.replace(found.config, data=data))

    monkeypatch.setattr(trained, "load_trained", load_trained)
    return f"--saved_model={served.path}"


@pytest.fixture
def asked(monkeypatch):
    """The sizes of the images that the detector was asked for; it finds a face in bright ones."""
    sizes = []

    def detect(image):
        sizes.append(image.size)
        side = image.width / 2
        eyes = (0.3 * side, 0.4 * side), (0.7 * side, 0.4 * side)
        return [Face((0.0, 0.0, side, side), 0.99, eyes)] if np.asarray(image).max() > 50 else []

    monkeypatch.setattr(detection, "load_detector", lambda *settings: detect)
    return sizes


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Two photographs with faces, one without, and a crop of the model's side."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for name, size in (("ann", (90, 80)), ("ben", (100, 80)), ("crop", (32, 32))):
        pixels = rng.integers(0, 256, (*size[::-1], 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    Image.new("RGB", (70, 64)).save(folder / "dark.png")
    return folder


def test_infer_cuts_faces_out_and_says_so(run_app, model, photos, asked, tmp_path, monkeypatch):
    seen = []
    cut = crops.cut
    monkeypatch.setattr(crops, "cut", lambda *given: seen.append(given) or cut(*given))
    said = run_app(infer, model, *QUICK, f"--data={photos}", f"--output_dir={tmp_path}/out")
    assert said.status == 0, said.err
    told = f"{FACES}; 1 of 3 has none: its middle was taken: dark.png"
    assert said.out.splitlines()[0] == f"{told}."
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert (report["align"], report["faces"], len(report["examples"])) == ("auto", told, 4)
    # With the margin of the run: its eyes are 0.35 / 1.4 of the edge apart.
    assert sorted(edge for _, _, edge, *_ in seen) == pytest.approx([72, 80]) and len(asked) == 3


@pytest.mark.slow
def test_recombined_and_morphed_files_too(run_app, model, photos, asked, tmp_path):
    ann, ben = str(photos / "ann.png"), str(photos / "ben.png")
    said = run_app(infer, model, *QUICK, f"--recombine={ann},{ben}", f"--output_dir={tmp_path}/out")
    assert (said.status, said.out.splitlines()[0]) == (0, f"{FACES}."), said.err
    said = run_app(infer, ann, model, *QUICK, f"--output_dir={tmp_path}/one")
    assert (said.status, said.out.splitlines()[0]) == (0, f"{FACES}."), said.err
    assert said.out.splitlines()[1].startswith("1 image, mean squared reconstruction error ")
    assert said.out.splitlines()[-1].startswith("Next: --recombine=A.jpg,B.jpg paints ")
    assert (tmp_path / "one/reconstructions/ann.png").is_file()
    output = f"--output={tmp_path}/strip.png"
    said = run_app(morph, ann, ben, model, *QUICK, output)
    assert (said.status, said.out.splitlines()[0]) == (0, f"{FACES}."), said.err
    assert sorted(asked) == [(90, 80)] * 3 + [(100, 80)] * 2


def test_what_is_not_wanted_is_not_done(run_app, served, model, photos, asked, tmp_path):
    ann, ben, dark = (str(photos / f"{name}.png") for name in ("ann", "ben", "dark"))
    output = (*QUICK, f"--output={tmp_path}/strip.png", "--overwrite")
    said = run_app(morph, ann, ben, model, *output, "--align=none")
    assert said.status == 0 and FACES not in said.out and asked == []
    said = run_app(morph, ann, dark, model, *output, "--align=eyes")
    assert said.status == 2 and f"no face for --align=eyes in {dark}: no face found" in said.err
    said = run_app(morph, ann, ben, model, *output, "--align=nose")
    assert said.status == 2 and "align" in said.err


def test_without_a_detector_the_photographs_stay_as_they_are(
    run_app, model, photos, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "mtcnn", None)
    ann, ben = str(photos / "ann.png"), str(photos / "ben.png")
    said = run_app(morph, ann, ben, model, *QUICK, f"--output={tmp_path}/strip.png")
    assert said.status == 0 and FACES not in said.out
    assert said.err.count("warning: ") == 1 and 'pip install "dgn_tf[faces]"' in said.err


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Three videos: whole frames, frames as the model has them, and frames without a face."""
    folder = tmp_path_factory.mktemp("videos")
    frames = np.random.default_rng(1).integers(0, 256, (3, 64, 80, 3), np.uint8)
    save_animation(folder / "whole.gif", frames, 10)
    save_animation(folder / "crops.gif", frames[:, :32, :32], 10)
    save_animation(folder / "dark.gif", frames // 8, 10)
    return folder


@pytest.mark.slow
def test_a_video_and_its_photograph_are_treated_alike(
    run_app, model, photos, videos, asked, tmp_path
):
    def driven(video, *flags):
        given = (f"--face={photos}/ann.png", f"--video={videos}/{video}.gif", "--steps=10")
        output = (f"--output={tmp_path}/a.gif", "--overwrite")
        return run_app(drive, model, *given, *output, *flags)

    said = driven("whole", "--crop=clip")
    assert (said.status, said.out.splitlines()[0]) == (0, f"{FACES}."), said.err
    assert asked == [(90, 80)] + [(80, 64)] * 3
    said = driven("crops")
    assert (said.status, said.out.splitlines()[0]) == (0, f"{FACES}."), said.err
    assert asked[4:] == [(90, 80)]
    said = driven("crops", "--crop=clip")
    assert said.status == 2 and "--crop=clip is for faces that are found" in said.err
    said = driven("dark")
    told = f"{FACES}; 1 of 2 has none: its middle was taken: {videos}/dark.gif."
    assert (said.status, said.out.splitlines()[0]) == (0, told), said.err
    said = driven("dark", "--align=eyes")
    assert said.status == 2 and "too few to follow it; frame 1: no face found" in said.err
