"""The command that crops faces, of videos: one face is followed, and crops are folders of frames.

The detector is a fake: a face is the bright square of a frame.
"""

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from dgn_tf import prepare
from dgn_tf.config import DataConfig
from dgn_tf.data.cropping import clips, detection
from dgn_tf.data.cropping.detection import Face
from dgn_tf.data.cropping.noted import noted_faces
from dgn_tf.data.sources import load
from dgn_tf.data.sources.frames import drawn_frames

EDGE = 36


def frame(x, y):
    """A frame with a face of 36 pixels at (x, y), or without one."""
    pixels = np.full([80, 100, 3], 20, np.uint8)
    if x is not None:
        pixels[y : y + EDGE, x : x + EDGE] = 230
    return Image.fromarray(pixels)


def detect(image):
    rows, columns = np.nonzero(np.asarray(image)[..., 0] > 128)
    if not len(rows):
        return []
    x, y = float(columns.min()), float(rows.min())
    eyes = (x + 0.325 * EDGE, y + 0.385 * EDGE), (x + 0.675 * EDGE, y + 0.385 * EDGE)
    return [Face((x, y, float(EDGE), float(EDGE)), 0.99, eyes)]


PLACES = [(10, 20), (14, 22), (18, 20), (22, 22), (26, 20), (30, 22)]


def write_frames(folder, places, first=1):
    folder.mkdir(parents=True)
    for number, place in enumerate(places, first):
        frame(*place).save(folder / f"{number:03d}.png")


def write_gif(path, places):
    first, *rest = (frame(*place) for place in places)
    first.save(path, save_all=True, append_images=rest, duration=100)


@pytest.fixture
def videos(tmp_path):
    folder = tmp_path / "videos"
    write_frames(folder / "b/ann", PLACES)
    write_gif(folder / "ben.gif", PLACES[:4])
    write_frames(folder / "empty", [(None, 0), *PLACES[:1], (None, 0), (None, 0)])
    return folder


@pytest.fixture
def command(run_app, monkeypatch):
    monkeypatch.setattr(detection, "load_detector", lambda *settings: detect)

    def run(*arguments):
        return run_app(prepare, "--clips", "--side=16", "--margin=0", *map(str, arguments))

    return run


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def crops_of(folder):
    return np.stack([np.asarray(Image.open(path)) for path in sorted(folder.iterdir())])


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_faces_of_videos_are_followed(command, videos, tmp_path):
    said = command(videos, tmp_path / "out", "--smooth=0")
    assert (said.status, said.out) == (
        0,
        f"2 cropped clips from 2 clips; 1 clip skipped (skipped.csv says why): {tmp_path}/out\n",
    )
    assert rows(tmp_path / "out/manifest.csv") == [
        {"crop": "crops/b__ann", "source": "b/ann", "frames": "6"},
        {"crop": "crops/ben", "source": "ben.gif", "frames": "4"},
    ]
    (skipped,) = rows(tmp_path / "out/skipped.csv")
    assert skipped["source"] == "empty"
    assert skipped["reason"].startswith("a face is found in 1 of 4 frames, too few to follow it; ")
    assert "(--min_confidence=0.9)" in skipped["reason"]
    # The face moves over the frames and fills every crop.
    for name, count in (("b__ann", 6), ("ben", 4)):
        found = crops_of(tmp_path / "out/crops" / name)
        assert found.shape == (count, 16, 16, 3) and found[:, 1:-1, 1:-1].min() > 200


def test_the_square_of_a_whole_clip_stays(command, videos, tmp_path):
    assert command(videos, tmp_path / "out", "--follow=clip").status == 0
    found = crops_of(tmp_path / "out/crops/b__ann")[..., 0] > 128
    # From its left to its right side the face moves by 20 of the 36 pixels of the square.
    middles = [np.nonzero(crop)[1].mean() for crop in found]
    assert np.all(np.diff(middles) > 0) and not found[0, :, -2].any() and not found[5, :, 1].any()


def test_a_filter_keeps_the_square_from_trembling(command, videos, tmp_path):
    heights = {}
    for smooth in (0, 3):
        assert command(videos, tmp_path / f"{smooth}", f"--smooth={smooth}").status == 0
        found = crops_of(tmp_path / f"{smooth}/crops/b__ann")[..., 0] > 128
        heights[smooth] = [np.nonzero(crop)[0].mean() for crop in found]
    # A square that follows the trembling face hides it; one that does not shows it.
    assert np.ptp(heights[0]) < 0.1 < np.ptp(heights[3])


def test_what_comes_after_a_gap_is_a_clip_of_its_own(command, tmp_path):
    write_frames(tmp_path / "videos/ann", PLACES)
    (tmp_path / "videos/ann/004.png").unlink()
    said = command(tmp_path / "videos", tmp_path / "out", "--align=eyes")
    assert said.status == 0 and said.out.startswith("2 cropped clips from 1 clip;")
    assert "frames are missing, before and after which are clips of their own" in said.err
    assert "the first is ann (1 frame missing before 005.png)" in said.err
    assert [(row["crop"], row["frames"]) for row in rows(tmp_path / "out/manifest.csv")] == [
        ("crops/ann", "3"),
        ("crops/ann+2", "2"),
    ]
    for place in ("out", "out/crops", "out/crops/ann"):
        assert noted_faces([tmp_path / place]) == "eyes:0"
    data = DataConfig(data=f"clips:{tmp_path}/out/crops", side=32, frames=3)
    assert load(data).images.shape == (1, 3, 32, 32, 3)


def test_frames_whose_numbers_tell_nothing_are_told(command, tmp_path):
    write_frames(tmp_path / "videos/ann", PLACES)
    for number in (3, 5):
        (tmp_path / f"videos/ann/00{number}.png").unlink()
    (tmp_path / "videos/ann/006.png").rename(tmp_path / "videos/ann/011.png")
    said = command(tmp_path / "videos", tmp_path / "out")
    assert said.status == 0
    assert "the numbers of frames do not tell whether some are missing" in said.err


def test_frames_a_second(command, videos, tmp_path):
    shutil.rmtree(videos / "b")
    shutil.rmtree(videos / "empty")
    for rate, count in ((5, "2"), (20, "8")):
        said = command(videos, tmp_path / f"{rate}", f"--fps={rate}")
        assert [row["frames"] for row in rows(tmp_path / f"{rate}/manifest.csv")] == [count]
        assert ("`fps" in said.err or "--fps=20 repeats frames" in said.err) == (rate == 20)


def test_a_video(command, tmp_path):
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "ann.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 100, 80, "yuv420p"
        for place in PLACES:
            container.mux(stream.encode(av.VideoFrame.from_image(frame(*place))))
        container.mux(stream.encode())
    said = command(tmp_path / "ann.mp4", tmp_path / "out", "--format=jpg")
    assert said.status == 0, said.err
    assert rows(tmp_path / "out/manifest.csv") == [
        {"crop": "crops/ann", "source": "ann.mp4", "frames": "6"}
    ]
    assert crops_of(tmp_path / "out/crops/ann")[:, 2:-2, 2:-2].min() > 180


def test_a_clip_that_reads_differently_the_second_time_is_skipped(
    command, videos, tmp_path, monkeypatch
):
    times = iter(range(100))

    def fewer(source, *arguments):
        found = list(drawn_frames(source, *arguments))
        # Of the first clip the second time.
        return iter(found[:-1] if next(times) == 1 else found)

    monkeypatch.setattr(clips, "drawn_frames", fewer)
    said = command(videos, tmp_path / "out")
    assert said.status == 0 and said.out.startswith("1 cropped clip from 1 clip; 2 clips skipped")
    assert "b/ann is skipped: it reads differently the second time" in said.err
    assert [path.name for path in (tmp_path / "out/crops").iterdir()] == ["ben"]


def test_a_clip_does_not_take_the_place_of_another(command, videos, tmp_path):
    command(videos, tmp_path / "out")
    before = contents(tmp_path / "out/crops/ben")
    # Now the folder is the clip of that name.
    (videos / "ben.gif").unlink()
    write_frames(videos / "ben", PLACES[:2])
    said = command(videos, tmp_path / "out")
    assert said.out.startswith("3 cropped clips from 3 clips, 3 of them known"), said.err
    assert contents(tmp_path / "out/crops/ben") == before
    # Nor of files that are no crops.
    write_frames(videos / "zoe", PLACES[:2])
    (tmp_path / "out/crops/zoe").mkdir()
    (tmp_path / "out/crops/zoe/notes.txt").write_text("mine")
    said = command(videos, tmp_path / "out")
    assert said.status == 2 and "zoe is in the way of crops, and holds notes.txt" in said.err
    assert (tmp_path / "out/crops/zoe/notes.txt").read_text() == "mine"


def test_crops_beside_their_videos_are_told(command, videos, tmp_path, caplog):
    command(videos / "ben.gif", videos / "out")
    load(DataConfig(data=f"clips:{videos}", side=32, frames=2))
    assert "holds out/crops, which was cut out of" in caplog.text


def test_a_single_video_and_a_folder_of_frames(command, videos, tmp_path, monkeypatch):
    monkeypatch.chdir(videos)
    assert command("ben.gif", "out").status == 0
    assert [row["source"] for row in rows(videos / "out/manifest.csv")] == ["ben.gif"]
    assert command("b/ann", tmp_path / "ann").status == 0
    assert [row["crop"] for row in rows(tmp_path / "ann/manifest.csv")] == ["crops/ann"]


def test_finished_clips_are_not_done_again(command, videos, tmp_path):
    command(videos, tmp_path / "out")
    whole = contents(tmp_path / "out")
    # As of a command that is killed before the row is written, and of one while frames are.
    lines = (tmp_path / "out/manifest.csv").read_text().splitlines(keepends=True)
    (tmp_path / "out/manifest.csv").write_text("".join(lines[:-1]))
    (tmp_path / "out/crops/ben/frame-000009.png").write_bytes(b"of another video")
    shutil.copytree(tmp_path / "out/crops/b__ann", tmp_path / "out/crops/.partial-ben")
    said = command(videos, tmp_path / "out")
    assert said.out.startswith("2 cropped clips from 2 clips, 2 of them known from before; 1 clip")
    after = contents(tmp_path / "out")
    assert {name: after[name] for name in after if name.name != ".lock"} == {
        name: whole[name] for name in whole if name.name != ".lock"
    }
    (tmp_path / "out/crops/ben/frame-000002.png").unlink()
    assert (
        "(the first is crops/ben) and are not made again" in command(videos, tmp_path / "out").err
    )


def test_videos_of_nothing_that_can_be_read_are_skipped(command, tmp_path):
    (tmp_path / "videos").mkdir()
    write_gif(tmp_path / "videos/ann.gif", PLACES)
    (tmp_path / "videos/zoe.gif").write_bytes(b"GIF89a and no more")
    said = command(tmp_path / "videos", tmp_path / "out")
    assert said.status == 0, said.err
    (skipped,) = rows(tmp_path / "out/skipped.csv")
    assert skipped["source"] == "zoe.gif" and skipped["reason"].startswith("no frame can be read: ")
    assert "zoe.gif is skipped: no frame can be read: " in said.err


def test_what_was_begun_before_there_were_clips_goes_on(run_app, tmp_path):
    (tmp_path / "photos").mkdir()
    frame(10, 20).save(tmp_path / "photos/a.png")
    arguments = (str(tmp_path / "photos"), str(tmp_path / "out"), "--crop=centre")
    assert run_app(prepare, *arguments).status == 0
    settings = tmp_path / "out/settings.json"
    begun = json.loads(settings.read_text())
    for name in ("clips", "follow", "smooth", "fps"):
        del begun[name]
    settings.write_text(json.dumps(begun))
    said = run_app(prepare, *arguments)
    assert said.out.startswith("1 crop from 1 image, 1 of them known from before;"), said.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--noclips", "--smooth=2"), "--smooth=2.0 is for the faces of videos: give --clips too,"),
        (("--noclips", "--fps=5"), "--fps=5.0 is for the faces of videos: give --clips too,"),
        (
            ("--crop=centre", "--margin=0.1"),
            "--clips=True is for faces and --crop=centre looks for none:",
        ),
        (("--follow=clip", "--smooth=2"), "--smooth=2.0: --follow=clip cuts out one square, which"),
        (("--all_faces",), "--clips follows one face: leave --all_faces out."),
        (
            ("--fps=5",),
            "clips {videos}: --fps=5 needs videos, and b/ann is a folder of frames,",
        ),
    ],
)
def test_settings_that_would_be_ignored_are_refused(command, videos, tmp_path, arguments, message):
    said = command(videos, tmp_path / "out", *arguments)
    assert said.status == 2 and not (tmp_path / "out").exists()
    assert "stride" not in said.err
    assert said.err.splitlines()[-1].startswith("error: " + message.format(videos=videos))


def test_videos_without_the_flag_are_told(run_app, videos, tmp_path):
    shutil.rmtree(videos / "b")
    shutil.rmtree(videos / "empty")
    (videos / "ben.gif").rename(videos / "ben.mp4")
    said = run_app(prepare, str(videos), str(tmp_path / "out"))
    (line,) = said.err.splitlines()
    assert said.status == 2 and line.endswith("; for the faces of videos give --clips.")
