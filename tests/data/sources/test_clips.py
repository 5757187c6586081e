"""Clips from videos, folders of frames and .npz files: which frames, under which ids."""

import hashlib
import logging
import sys

import numpy as np
import pytest
from PIL import Image

from dgn_tf.config import DataConfig
from dgn_tf.data.examples import Examples, as_float
from dgn_tf.data.sources import windows
from dgn_tf.data.squares import square
from dgn_tf.utils.errors import InputError


def movie(count, seed=0, height=8, width=12):
    """`count` frames of random pixels."""
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def squares(frames, side=8):
    return np.stack([square(Image.fromarray(frame), side, 3) for frame in frames])


def write_video(path, frames, rate=10, codec="png", pixels="rgb24"):
    """An AVI or MOV of PNG images keeps every byte."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pixels
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def write_folder(path, frames, name="{}.png"):
    path.mkdir(parents=True)
    for number, frame in enumerate(frames):
        Image.fromarray(frame).save(path / name.format(number))


def write_gif(path, frames, milliseconds):
    first, *rest = (Image.fromarray(frame) for frame in frames)
    first.save(path, save_all=True, append_images=rest, duration=milliseconds)


@pytest.fixture
def load(load_data):
    """`load(path, frames)`: the clips of 8 x 8 pixels under a path."""
    return lambda path, frames, **options: load_data(
        f"clips:{path}", 8, 3, frames=frames, **options
    )


def grey_gif(count):
    """Frames of one gray each, which a GIF keeps exactly."""
    return np.repeat(np.arange(count, dtype=np.uint8) * 20, 8 * 8 * 3).reshape(count, 8, 8, 3)


def shown(clips):
    """Which of `grey_gif` each frame is."""
    return (clips.images[:, :, 4, 4, 0] // 20).tolist()


def test_windows_of_a_video_follow_each_other(tmp_path, load):
    (tmp_path / "a").mkdir()
    frames = movie(11)
    write_video(tmp_path / "a" / "b.avi", frames)
    clips = load(tmp_path, 4)
    np.testing.assert_array_equal(clips.images, squares(frames)[:8].reshape(2, 4, 8, 8, 3))
    assert clips.names == ("a/b.avi#000", "a/b.avi#001") and clips.factors == {}
    for number, name in zip(clips.ids, clips.names, strict=True):
        assert number == int(hashlib.sha256(name.encode()).hexdigest(), 16) >> 193
    # Other sources, and a limit, change nothing about these.
    write_video(tmp_path / "c.mov", movie(8, 1))
    more = load(tmp_path, 4)
    assert more.subset([0, 1]).fingerprint() == clips.fingerprint() and len(more) == 4
    assert load(tmp_path, 4, limit=3).fingerprint() == more.subset(range(3)).fingerprint()
    assert load(tmp_path / "c.mov", 4).names == ("c.mov#000", "c.mov#001")


def test_stride_and_fps_of_a_video(tmp_path, load):
    frames = movie(20)
    path = write_video(tmp_path / "a.avi", frames, rate=10)
    expected = squares(frames)
    np.testing.assert_array_equal(load(path, 3, stride=3).images[1], expected[[9, 12, 15]])
    np.testing.assert_array_equal(load(path, 10, fps=5).images[0], expected[::2])
    np.testing.assert_array_equal(load(path, 5, fps=5, stride=2).images[0], expected[::4])
    np.testing.assert_array_equal(load(path, 20, fps=10).images[0], expected)
    twice = load(path, 39, fps=20).images[0]
    np.testing.assert_array_equal(twice[::2], expected)


@pytest.mark.parametrize(
    ("name", "codec", "pixels"), [("a.mp4", "libx264", "yuv420p"), ("a.webm", "libvpx", "yuv420p")]
)
def test_usual_formats(tmp_path, name, codec, pixels, load):
    frames = np.repeat(grey_gif(10), 4, axis=1).repeat(4, axis=2)
    path = write_video(tmp_path / name, frames, 30, codec, pixels)
    for clips in (load(path, 10), load(path, 10, fps=30)):
        middle = clips.images[0, :, 4, 4, 0].astype(int)
        np.testing.assert_allclose(middle, np.arange(10) * 20, atol=6)


def test_a_video_of_a_turned_telephone_is_upright(tmp_path, load_data):
    image = np.zeros((1, 16, 16, 3), np.uint8)
    image[:, :8, :8] = 255
    path = write_video(tmp_path / "a.mp4", image.repeat(4, axis=0), 10, "libx264", "yuv420p")
    content = bytearray(path.read_bytes())
    # The matrix of the track header, version 0: rows (0 1 0), (-1 0 0) turn by a quarter clockwise.
    matrix = content.index(b"tkhd") + 4 + 40
    rows = np.array([0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30], ">i4").tobytes()
    assert content[matrix + 32 : matrix + 36] == rows[32:]
    content[matrix : matrix + 36] = rows
    path.write_bytes(content)
    clip = load_data(f"clips:{path}", 16, 1, frames=4).images[0, 0, ..., 0]
    assert clip[4, 12] > 200 and max(clip[4, 4], clip[12, 4], clip[12, 12]) < 50


def test_gif_keeps_its_times(tmp_path, load):
    write_gif(tmp_path / "a.gif", grey_gif(6), [100, 100, 300, 100, 100, 100])
    assert shown(load(tmp_path, 3)) == [[0, 1, 2], [3, 4, 5]]
    # Shown from 0, 0.1, 0.2, 0.5, 0.6 and 0.7 s: the nearest to each tenth of a second.
    assert shown(load(tmp_path, 8, fps=10)) == [[0, 1, 2, 2, 3, 3, 4, 5]]
    assert shown(load(tmp_path, 4, fps=5)) == [[0, 2, 3, 4]]


def test_folders_of_frames_in_the_order_of_their_numbers(tmp_path, load):
    frames, other = movie(12), movie(4, 1)
    write_folder(tmp_path / "x" / "first", frames, "f{}.png")
    write_folder(tmp_path / "second", other, "{:03d}.PNG")
    (tmp_path / "second" / ".hidden.png").write_bytes(b"not an image")
    clips = load(tmp_path, 4)
    assert clips.names == ("second#000", "x/first#000", "x/first#001", "x/first#002")
    expected = np.concatenate([squares(other), squares(frames)]).reshape(4, 4, 8, 8, 3)
    np.testing.assert_array_equal(clips.images, expected)
    assert load(tmp_path / "x" / "first", 6, stride=2).names == ("first#000",)
    seen = []
    load(tmp_path, 4, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]
    with pytest.raises(InputError, match="`fps=5` needs videos, and second is a folder of frames"):
        load(tmp_path, 4, fps=5)


@pytest.mark.parametrize(
    ("numbers", "starts"),
    [
        ((0, 1, 3, 4), [0, 3]),
        ((0, 1, 2, 3, 10, 11), [0, 2, 10]),
        ((0, 5, 10, 15), [0, 10]),
        ((0, 5, 10, 20, 25), [0, 20]),
    ],
)
def test_no_clip_goes_over_frames_that_are_missing(tmp_path, load, numbers, starts):
    (tmp_path / "a").mkdir()
    for number in numbers:
        Image.new("RGB", (8, 8), (number * 4,) * 3).save(tmp_path / "a" / f"f{number:03}.png")
    clips = load(tmp_path, 2)
    assert (clips.images[:, 0, 4, 4, 0] // 4).tolist() == starts


def test_missing_frames_and_unclear_numbers_are_told(tmp_path, caplog, load):
    for folder, numbers in (("gap", (0, 1, 3, 4)), ("unclear", (1, 2, 4, 9, 17))):
        (tmp_path / folder).mkdir()
        for number in numbers:
            Image.new("RGB", (8, 8)).save(tmp_path / folder / f"{number}.png")
    write_folder(tmp_path / "whole", movie(4))
    with caplog.at_level(logging.WARNING):
        assert len(load(tmp_path, 2)) == 2 + 2 + 2
    gap, unclear = (record.getMessage() for record in caplog.records)
    assert "\n  gap (2 clips are whole; 1 frame missing before 3.png)" in gap
    assert "(folders: 1; the first is of unclear/1.png)" in unclear


def test_a_clip_in_two_containers_is_one(tmp_path, caplog, load):
    for name in ("a.gif", "a.webp", "b.gif", "a.1", "a.2"):
        write_gif(tmp_path / "new.gif", grey_gif(2), 100)
        (tmp_path / "new.gif").rename(tmp_path / name)
    write_video(tmp_path / "a.mov", grey_gif(2))
    (tmp_path / "deep").mkdir()
    write_gif(tmp_path / "deep/a.gif", grey_gif(2), 100)
    with caplog.at_level(logging.WARNING):
        clips = load(tmp_path, 2)
    names = [name.partition("#")[0] for name in clips.names]
    assert names == ["a.1", "a.2", "a.mov", "b.gif", "deep/a.gif"]
    (record,) = caplog.records
    assert "passed over as the same clip (2, the first is a.gif)" in record.getMessage()


def test_more_frames_a_second_than_a_video_has_are_told_once(tmp_path, caplog, load):
    write_gif(tmp_path / "a.gif", grey_gif(6), 100)
    write_gif(tmp_path / "b.gif", grey_gif(6), 100)
    with caplog.at_level(logging.WARNING):
        assert load(tmp_path, 2, fps=10).frames == 2
        assert not caplog.records
        load(tmp_path, 2, fps=30)
    (record,) = caplog.records
    told = "repeats frames: a.gif has fewer a second of its own, 10 (as have 2 of 2 sources)"
    assert record.getMessage().endswith(told)


def test_what_gives_no_clip_is_named_once(tmp_path, caplog, load):
    write_folder(tmp_path / "good", movie(4))
    write_folder(tmp_path / "short", movie(3))
    write_folder(tmp_path / "broken", movie(4))
    (tmp_path / "broken" / "2.png").write_bytes(b"not an image")
    (tmp_path / "no.gif").write_bytes(b"GIF89a")
    with caplog.at_level(logging.WARNING):
        clips = load(tmp_path, 4)
    assert clips.names == ("good#000",)
    (message,) = [r.getMessage() for r in caplog.records if "left out" in r.getMessage()]
    assert "3 of 4 sources are left out" in message and str(tmp_path / "no.gif") not in message
    for line in ("short (has fewer than 4 frames)", "broken (Unidentified", "no.gif ("):
        assert f"\n  {line}" in message
    with pytest.raises(InputError, match="none of its 4 sources gives a clip; the first is broken"):
        load(tmp_path, 5)
    with pytest.raises(InputError, match=r"good \(has fewer than 3 frames at a stride of 2\)"):
        load(tmp_path / "good", 3, stride=2)


def test_a_broken_video_is_left_out(tmp_path, load):
    write_video(tmp_path / "a.avi", movie(4))
    (tmp_path / "b.mp4").write_bytes(b"\0" * 1000)
    assert load(tmp_path, 4).names == ("a.avi#000",)
    with pytest.raises(InputError, match=r"none of its 1 sources .* b.mp4 \(InvalidDataError"):
        load(tmp_path / "b.mp4", 4)


def test_paths_that_hold_no_clips(tmp_path, monkeypatch, load):
    with pytest.raises(InputError, match="nowhere: does not exist"):
        load(tmp_path / "nowhere", 4)
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(InputError, match=r"a.txt: is not a video, .* or a folder of images"):
        load(tmp_path / "a.txt", 4)
    with pytest.raises(InputError, match="holds no video"):
        load(tmp_path, 4)
    (tmp_path / "a.mp4").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=r"a.mp4 needs PyAV: pip install \"dgn_tf\[video\]\""):
        load(tmp_path, 4)
    with pytest.raises(InputError, match="holds clips: give `frames`"):
        load(tmp_path, 0)


@pytest.mark.parametrize("jitter", [0, 0.0004])
@pytest.mark.parametrize("fps", [30, 15, 10, 7.5])
def test_rounded_time_stamps_lose_and_repeat_nothing(jitter, fps):
    noise = np.random.default_rng(0).uniform(-jitter, jitter, 90)
    timed = zip(5 + np.arange(90) / 30 + noise, range(90), strict=True)
    wanted = list(range(0, 90, int(30 / fps)))
    assert list(windows.resample(timed, fps))[: len(wanted)] == wanted


def test_resampling_of_nothing_and_of_one():
    assert list(windows.resample([], 5)) == []
    assert list(windows.resample([(3.0, "a")], 5)) == ["a"]


def save(path, **arrays):
    np.savez(path, **arrays)
    return f"npz:{path}"


@pytest.fixture
def numbered(tmp_path):
    """Clip 5 has the frames 0 to 5 and 7 to 9, clip 2 the frames 10 to 13; rows are shuffled."""
    clip = np.array([5] * 9 + [2] * 4, np.uint8)
    frame = np.array([0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12, 13], np.uint8)
    order = np.random.default_rng(1).permutation(13)
    images = (10 * clip + frame).astype(np.uint8)[:, None, None] * np.ones((1, 8, 8), np.uint8)
    arrays = {"clip": clip, "frame": frame, "images": images, "yaw": frame / 2}
    arrays = {name: values[order] for name, values in arrays.items()}
    return save(tmp_path / "x.npz", **arrays, other=np.zeros(3)), arrays


def test_npz_windows_end_at_gaps(numbered, load_data):
    spec, _ = numbered
    clips = load_data(spec, 8, 1, frames=3)
    wanted = [[10, 11, 12], [0, 1, 2], [3, 4, 5], [7, 8, 9]]
    assert clips.factors["frame"].tolist() == wanted
    assert clips.factors["clip"].tolist() == [2, 5, 5, 5]
    assert clips.names == ("2#000", "5#000", "5#001", "5#002")
    np.testing.assert_array_equal(clips.factors["yaw"], np.array(wanted) / 2)
    assert set(clips.factors) == {"clip", "frame", "yaw"}
    pixels = 10 * clips.factors["clip"][:, None] + clips.factors["frame"]
    np.testing.assert_array_equal(clips.images[..., 4, 4, 0], pixels)
    assert (clips.frames, clips.side, clips.channels) == (3, 8, 1)
    two = load_data(spec, 8, 1, frames=3, limit=2)
    assert two.fingerprint() == clips.subset([0, 1]).fingerprint()
    strided = load_data(spec, 8, 1, frames=2, stride=2)
    assert strided.factors["frame"].tolist() == [[10, 12], [0, 2], [7, 9]]
    chosen = load_data(spec, 8, 1, frames=3, where="clip=5")
    assert chosen.fingerprint() == clips.subset([1, 2, 3]).fingerprint()
    # Without --frames they are images as ever.
    assert load_data(spec, 8, 1).images.shape == (13, 8, 8, 1)


def test_npz_clips_may_be_numbered_in_a_column_or_by_whole_floats(numbered, tmp_path, load_data):
    spec, arrays = numbered
    expected = load_data(spec, 8, 1, frames=3)
    for change in (lambda a: a[:, None], lambda a: a.astype(np.float32), lambda a: a[:, None] / 1):
        other = arrays | {name: change(arrays[name]) for name in ("clip", "frame")}
        found = load_data(save(tmp_path / "other.npz", **other), 8, 1, frames=3)
        assert found.fingerprint() == expected.fingerprint()
        assert found.factors["clip"].tolist() == [2, 5, 5, 5]


def test_npz_that_holds_no_clips(numbered, tmp_path, load_data):
    spec, arrays = numbered
    with pytest.raises(
        InputError, match="no clip has 7 frames in a row.*`stride=2`.*longest has 6"
    ):
        load_data(spec, 8, 1, frames=4, stride=2)
    with pytest.raises(InputError, match="states no rate: use `stride`"):
        load_data(spec, 8, 1, frames=4, fps=5)
    for name, wrong, found in (
        ("clip", {}, "nothing"),
        ("frame", {"frame": arrays["frame"] / 2}, r"float64 \[13\]"),
        ("clip", {"clip": np.zeros(4, int)}, r"int64 \[4\]"),
    ):
        held = {n: a for n, a in arrays.items() if n != name} | wrong
        bad = save(tmp_path / "bad.npz", **held)
        with pytest.raises(InputError, match=rf"integer array `{name}` \[13\] .*found {found}"):
            load_data(bad, 8, 1, frames=3)
    twice = arrays | {"frame": np.where(arrays["frame"] == 8, 9, arrays["frame"])}
    with pytest.raises(InputError, match="clip 5 has its frame 9 twice"):
        load_data(save(tmp_path / "twice.npz", **twice), 8, 1, frames=3)


def test_examples_of_clips():
    images = movie(6).reshape(2, 3, 8, 12, 3)[:, :, :, :8]
    clips = Examples(images, np.arange(2, dtype=np.int64), ("a", "b"), {"yaw": np.zeros((2, 3))})
    assert (len(clips), clips.frames, clips.side, clips.channels) == (2, 3, 8, 3)
    mean = as_float(images).mean(axis=(0, 1))
    np.testing.assert_allclose(clips.mean_image(), mean, atol=1e-5)
    assert clips.subset([1]).factors["yaw"].shape == (1, 3)
    still = Examples(images[:, 0], clips.ids, clips.names)
    assert still.frames is None and still.fingerprint() != clips.fingerprint()
    with pytest.raises(InputError, match=r"clips uint8 \[N, F, S, S, C\]; found uint8 \[2, 64\]"):
        Examples(np.zeros((2, 64), np.uint8), clips.ids, clips.names)
    with pytest.raises(InputError, match="square"):
        Examples(images[:, :, 1:], clips.ids, clips.names)
    with pytest.raises(InputError, match="at least one frame"):
        Examples(images[:, :0], clips.ids, clips.names)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"frames": -1}, "`frames=-1`: must be 0"),
        ({"frames": 4, "stride": 0}, "`stride=0`: must be at least 1"),
        ({"frames": 4, "fps": -1.0}, "`fps=-1.0`: must be 0"),
        ({"frames": 4, "fps": float("nan")}, "`fps=nan`: must be 0"),
        ({"stride": 2}, "give `frames` or `stills` too"),
        ({"fps": 2.0}, "give `frames` or `stills` too"),
    ],
)
def test_impossible_numbers_of_frames(settings, message, load_data):
    with pytest.raises(InputError, match=message):
        DataConfig(**settings)
    with pytest.raises(InputError, match=message):
        load_data("npz:x.npz", 8, 3, **settings)


def test_a_frame_that_lasts_for_ever_is_a_damaged_time_stamp():
    assert list(windows.resample([(0.0, "a"), (655.35, "b")], 0.01)) == list("aaaabbbbbb")
    with pytest.raises(ValueError, match="a frame lasts 1000000000 seconds"):
        list(windows.resample([(0.0, "a"), (1e9, "b")], 30))
    with pytest.raises(ValueError, match="a frame lasts nan seconds"):
        list(windows.resample([(0.0, "a"), (float("nan"), "b")], 30))


def test_videos_of_absurd_sizes_are_refused(tmp_path, monkeypatch, load):
    path = write_video(tmp_path / "a.avi", movie(4))
    monkeypatch.setattr("dgn_tf.data.sources.videos.MOST_PIXELS", 95)
    with pytest.raises(InputError, match=r"a.avi \(ValueError: frames of 12 x 8 are more than"):
        load(path, 4)
