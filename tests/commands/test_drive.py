"""The command that moves a photograph as a video moves."""

import numpy as np
import pytest
from PIL import Image

from dgn_tf import drive, morph
from dgn_tf.config import inference
from dgn_tf.config.prepare import CropSettings
from dgn_tf.data.cropping import cutting, detection
from dgn_tf.data.cropping.detection import Face
from dgn_tf.data.examples import as_bytes
from dgn_tf.utils.painted import is_painted
from dgn_tf.visualize.animation import save_animation
from dgn_tf.visualize.images import save_png

QUICK = ("--steps=10", "--smooth=0")
# Of the frames: far apart.
GEOMETRY = np.float32([[2, -2], [-2, 2], [2, 2], [-2, -2], [0, 3]])


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """The photograph too gets few steps, from zero alone."""
    monkeypatch.setattr(inference, "_FROM_ZERO", {"steps": 60, "starts": 1})


@pytest.fixture(scope="module")
def files(served, tmp_path_factory):
    """A photograph and a video of five frames, painted by the model."""
    folder = tmp_path_factory.mktemp("drive")
    z = {name: values[:5].copy() for name, values in served.chains.items()}
    z["appearance"][1:], z["geometry"] = z["appearance"][0], GEOMETRY
    frames = as_bytes(served.model(z).numpy())
    save_animation(folder / "clip.gif", frames, 10)
    still = {name: values[6:7] for name, values in served.chains.items()}
    save_png(folder / "face.png", as_bytes(served.model(still).numpy())[0])
    return folder


def run(run_app, served, files, output, *flags):
    given = (f"--face={files}/face.png", f"--video={files}/clip.gif", f"--output={output}")
    return run_app(drive, *given, f"--saved_model={served.path}", *QUICK, *flags)


def painted(path):
    with Image.open(path) as animation:
        frames = []
        for number in range(animation.n_frames):
            animation.seek(number)
            frames.append(np.asarray(animation.convert("RGB"), float))
        return np.stack(frames), animation.info["duration"]


def test_a_photograph_moves_as_the_video_does(run_app, served, files, tmp_path):
    said = run(run_app, served, files, tmp_path / "a.gif", "--beside")
    assert said.status == 0, said.err
    face, video, last = said.out.splitlines()
    assert face.startswith(f"{files}/face.png: squared error ")
    assert video.startswith(f"{files}/clip.gif: squared error ")
    assert last == f"{tmp_path}/a.gif: 5 frames, 10 a second."
    both, duration = painted(tmp_path / "a.gif")
    assert both.shape == (5, 128, 256, 3) and duration == 100
    assert is_painted(tmp_path / "a.gif")
    # At the left stands the video as it is.
    video = painted(files / "clip.gif")[0].repeat(4, 1).repeat(4, 2)
    assert np.abs(both[:, :, :128] - video).mean() < 20
    assert run(run_app, served, files, tmp_path / "a.gif").status == 2


@pytest.mark.slow
def test_relative_motion_begins_with_the_photograph(run_app, served, files, tmp_path):
    said = run(run_app, served, files, tmp_path / "a.gif", "--relative", "--limit=2")
    assert said.status == 0, said.err
    frames, _ = painted(tmp_path / "a.gif")
    # What the first frame's own geometry would give.
    z = {"appearance": served.chains["appearance"][6:7], "geometry": GEOMETRY[:1]}
    absolute = as_bytes(served.model(z).numpy())[0]
    face, other = (
        np.asarray(image.resize((128, 128), Image.Resampling.BICUBIC), float)
        for image in (Image.open(files / "face.png"), Image.fromarray(absolute))
    )
    assert np.square(frames[0] - face).mean() < 0.3 * np.square(other - face).mean()
    assert np.abs(frames[1] - frames[0]).mean() > 0.1


def test_faces_are_found_and_cut_alike_in_both(run_app, served, files, tmp_path, monkeypatch):
    asked = []

    def load_detector(min_face, min_confidence):
        def detect(image):
            asked.append(image.size)
            side = image.width
            eyes = (0.325 * side, 0.3845 * side), (0.675 * side, 0.3845 * side)
            return [Face((0.0, 0.0, side, side), 0.99, eyes)]

        return detect

    monkeypatch.setattr(detection, "load_detector", load_detector)
    said = run(run_app, served, files, tmp_path / "a.gif", "--align=eyes", "--crop=clip")
    assert said.status == 0, said.err
    assert asked == [(32, 32)] * 6 and painted(tmp_path / "a.gif")[0].shape[0] == 5


def test_what_cannot_be_driven_is_told_before_the_work(run_app, served, files, tiny_run, tmp_path):
    cut = files / "cut.mp4"
    cut.write_bytes(bytes.fromhex("0000001c6674797069736f6d0000020069736f6d69736f32"))
    for flags, wanted in (
        (("--crop=clip",), "--crop=clip is for faces that are found"),
        (("--fps=1000",), "--fps=1000.0: must be from 0 to 100"),
        (("--smooth=1e9",), "--smooth=1000000000.0: must be from 0 to 1000"),
        ((f"--video={cut}",), f"{cut}: no frame can be read: InvalidDataError: Invalid data found"),
        (("--video=none.mp4",), "--video=none.mp4: there is no such file"),
        (("--output=a.png",), "must end in one of .gif, .mp4"),
        ((f"--video={files}/face.png",), "is not a video"),
    ):
        said = run(run_app, served, files, tmp_path / "b.gif", *flags)
        assert said.status == 2 and wanted in said.err, (flags, said.err)
    said = run_app(
        drive,
        f"--face={files}/face.png",
        f"--video={files}/clip.gif",
        f"--run_dir={tiny_run.folder}",
        f"--output={tmp_path}/b.gif",
    )
    assert said.status == 2 and "the model has no geometry" in said.err
    assert list(tmp_path.iterdir()) == []


def test_no_file_that_is_read_is_replaced(run_app, served, files, tmp_path):
    (tmp_path / "link.gif").symlink_to(files / "clip.gif")
    (tmp_path / "hard.gif").hardlink_to(files / "clip.gif")
    before = (files / "clip.gif").read_bytes()
    for output in (files / "clip.gif", tmp_path / "link.gif", tmp_path / "hard.gif"):
        said = run(run_app, served, files, output, "--overwrite")
        wanted = f"--output={output} is the file {files}/clip.gif, which is read: name another"
        assert said.status == 2 and wanted in said.err
    said = run(run_app, served, files, tmp_path / "a.gif", f"--face={files}/clip.gif")
    assert said.status == 0, said.err
    face = (f"--face={tmp_path}/a.gif", "--overwrite")
    assert run(run_app, served, files, tmp_path / "a.gif", *face).status == 2
    images = (f"{files}/face.png", f"{files}/clip.gif")
    model = f"--saved_model={served.path}"
    said = run_app(morph, *images, model, f"--output={files}/face.png", "--overwrite")
    assert said.status == 2 and "face.png, which is read: name another file" in said.err
    assert (files / "clip.gif").read_bytes() == before


@pytest.mark.parametrize("found", [0, 1])
def test_damage_of_a_video_is_told_once_however_often_it_is_read(
    found, run_app, served, files, tmp_path, monkeypatch
):
    rng = np.random.default_rng(0)
    save_animation(tmp_path / "whole.gif", rng.integers(0, 256, (6, 40, 40, 3), np.uint8), 10)
    content = (tmp_path / "whole.gif").read_bytes()
    (tmp_path / "cut.gif").write_bytes(content[: len(content) // 2])

    def detect(image):
        return [Face((5.0, 5.0, 30.0, 30.0), 0.99, ((13.0, 15.0), (27.0, 15.0)))] * found

    monkeypatch.setattr(detection, "load_detector", lambda *settings: detect)
    # As of a model that has learned from faces.
    monkeypatch.setattr(cutting, "face_cutter", lambda *given: cutter)
    cutter = cutting.FaceCutter(CropSettings(align="eyes", side=32), 3)
    said = run(run_app, served, files, tmp_path / "A.GIF", f"--video={tmp_path}/cut.gif")
    assert said.status == 0, said.err
    assert said.err.count("frames that cannot be read are left out") == 1
