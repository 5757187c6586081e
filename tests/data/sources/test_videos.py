"""Videos as they are shown, and what is left of those that are damaged."""

import logging
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from dgn_tf.data.decoding import ORIENTATIONS
from dgn_tf.data.sources.videos import orientation_of, upright
from dgn_tf.data.squares import square
from dgn_tf.utils.errors import InputError
from dgn_tf.visualize.animation import save_animation

av = pytest.importorskip("av")
ONE, LAST = 1 << 16, 1 << 30
# The 2 x 2 part (a, b, c, d) of a display matrix for each EXIF orientation.
MATRICES = {
    1: (1, 0, 0, 1),
    2: (-1, 0, 0, 1),
    3: (-1, 0, 0, -1),
    4: (1, 0, 0, -1),
    5: (0, 1, 1, 0),
    6: (0, 1, -1, 0),
    7: (0, -1, -1, 0),
    8: (0, -1, 1, 0),
}
WHITE, GRAY = 235, 100


def matrix_of(a, b, c, d):
    return np.array([a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, LAST])


def write(path, frames, codec="png", pixels="rgb24", rate=10, aspect=None, options=None, gop=10):
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt, stream.gop_size = pixels, gop
        if aspect:
            stream.sample_aspect_ratio = aspect
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def set_matrix(path, matrix):
    """Writes a display matrix into the track header of an MP4 or MOV."""
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 4 + 40
    assert content[place + 32 : place + 36] == LAST.to_bytes(4, "big")
    content[place : place + 36] = matrix.astype(">i4").tobytes()
    path.write_bytes(content)


def scene(width, height):
    """A white upper left quarter, a gray upper right one, black below."""
    image = np.zeros((1, height, width, 3), np.uint8)
    image[:, : height // 2, : width // 2] = WHITE
    image[:, : height // 2, width // 2 :] = GRAY
    return image


@pytest.mark.parametrize("orientation", MATRICES)
def test_a_matrix_shows_pixels_where_pillow_puts_them(orientation):
    """(x, y) is shown at (a x + c y, b x + d y), up to a translation."""
    a, b, c, d = MATRICES[orientation]
    assert orientation_of(matrix_of(a, b, c, d).astype(np.int32).tobytes()) == orientation
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    rows, columns = np.mgrid[:2, :3]
    x, y = a * columns + c * rows, b * columns + d * rows
    x, y = x - x.min(), y - y.min()
    shown = np.zeros((y.max() + 1, x.max() + 1), np.uint8)
    shown[y, x] = pixels
    image = Image.fromarray(pixels)
    turned = image.transpose(ORIENTATIONS[orientation]) if orientation > 1 else image
    np.testing.assert_array_equal(np.asarray(turned), shown)


def test_a_matrix_may_miss_a_quarter_a_little_and_not_by_much():
    for degrees, expected in ((89, 6), (92, 6), (-91, 8), (181, 3), (0.3, 1)):
        turn = np.deg2rad(degrees)
        found = orientation_of(
            matrix_of(np.cos(turn), np.sin(turn), -np.sin(turn), np.cos(turn))
            .astype(np.int32)
            .tobytes()
        )
        assert found == expected
    turn = np.deg2rad(30)
    slanted = matrix_of(np.cos(turn), np.sin(turn), -np.sin(turn), np.cos(turn))
    with pytest.raises(ValueError, match="turned by 30 degrees, which is no quarter"):
        orientation_of(slanted.astype(np.int32).tobytes())
    assert orientation_of(bytes(36)) == 1


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.sampled_from(sorted(MATRICES)),
    st.sampled_from([None, (1, 2), (2, 1), (16, 11), (8, 9), (4, 3)]),
    st.sampled_from([(32, 32), (64, 32), (32, 64), (48, 32)]),
    st.integers(1, 3),
)
def test_every_geometry_of_a_container(tmp_path, load_data, orientation, aspect, size, scale):
    """The square is the middle of what a player shows: stretched, then turned and mirrored."""
    path = tmp_path / "a.mp4"
    frames = scene(*size).repeat(2, axis=0)
    write(path, frames, "libx264", "yuv420p", aspect=aspect and Fraction(*aspect))
    # A matrix may scale both axes alike, too.
    set_matrix(path, matrix_of(*MATRICES[orientation]) * np.array([scale] * 5 + [1] * 4))
    with av.open(str(path)) as container:
        stretch = float(container.streams.video[0].sample_aspect_ratio or 1)
    assert stretch == pytest.approx(float(Fraction(*aspect)) if aspect else 1, rel=0.01)
    shown = Image.fromarray(frames[0]).resize((round(size[0] * stretch * 4), size[1] * 4))
    if orientation > 1:
        shown = shown.transpose(ORIENTATIONS[orientation])
    found = load_data(f"clips:{path}", 16, 1, frames=2).images[0, 0, ..., 0].astype(int)
    expected = square(shown, 16, 1)[..., 0].astype(int)
    # Away from the borders of the quarters, which filters and the codec soften.
    inner = np.ix_([1, 2, 3, 4, 11, 12, 13, 14], [1, 2, 3, 4, 11, 12, 13, 14])
    assert np.abs(found - expected)[inner].max() < 25
    assert np.ptp(expected[inner]) > 200


@pytest.mark.parametrize("aspect", [1000.0, 0.001])
def test_pixels_of_an_absurd_aspect_are_a_damaged_header(aspect):
    frame = av.VideoFrame.from_ndarray(scene(32, 32)[0], format="rgb24")
    with pytest.raises(ValueError, match="times as wide as high are a damaged header"):
        upright(frame, aspect, 16, 3)
    np.testing.assert_array_equal(
        upright(frame, 1.0, 16, 3), square(Image.fromarray(scene(32, 32)[0]), 16, 3)
    )


@pytest.fixture
def warned(caplog):
    """`warned(text)`: the one warning that has it."""

    def find(text):
        found = [r.getMessage() for r in caplog.records if text in r.getMessage()]
        assert len(found) == 1, [r.getMessage() for r in caplog.records]
        return found[0]

    with caplog.at_level(logging.WARNING):
        yield find


def numbered(count, side=64):
    """Noise of which each frame has a gray value of its own."""
    noise = np.random.default_rng(0).integers(0, 12, (count, side, side, 3), dtype=np.uint8)
    return noise + (np.arange(count, dtype=np.uint8) * 4)[:, None, None, None]


def which(clips):
    """Which of `numbered` the frames are."""
    return np.rint((clips.images.astype(float).mean(axis=(2, 3, 4)) - 5.5) / 4).astype(int)


def hurt(path, share, count=300):
    content = bytearray(path.read_bytes())
    place = int(len(content) * share)
    content[place : place + count] = bytes(count)
    path.write_bytes(content)


def test_sound_windows_of_a_hurt_video_are_kept(tmp_path, load_data, warned):
    """An AVI of JPEGs that is hurt in one frame of 50."""
    path = write(tmp_path / "a.avi", numbered(50), "mjpeg", "yuvj420p")
    whole = load_data(f"clips:{path}", 16, 3, frames=8)
    assert which(whole).tolist() == np.arange(48).reshape(6, 8).tolist()
    hurt(path, 0.6)
    clips = load_data(f"clips:{path}", 16, 3, frames=8)
    found = which(clips)
    assert len(clips) >= 5
    # Every window is frames that follow each other, and none is seen that is damaged.
    assert (np.diff(found, axis=1) == 1).all()
    # Encoders of other processors make frames of other sizes, so that another one is hurt.
    assert found[:2].tolist() == np.arange(16).reshape(2, 8).tolist()
    assert clips.names[0] == "a.avi#000"
    told = warned("1 of 1 sources are damaged, and give only some clips")
    assert f"a.avi ({len(clips)} clips are whole; InvalidDataError after" in told
    with pytest.raises(InputError, match=r"none of its 1 sources .* a.avi \(InvalidDataError aft"):
        load_data(f"clips:{path}", 16, 3, frames=45)
    slow = load_data(f"clips:{path}", 16, 3, frames=4, fps=5)
    assert (np.diff(which(slow), axis=1) == 2).all() and len(slow) >= 4


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("a.mp4", "libx264", "yuv420p"),
        ("a.avi", "mjpeg", "yuvj420p"),
        ("a.avi", "png", "rgb24"),
        ("a.mkv", "libx264", "yuv420p"),
        ("a.webm", "libvpx", "yuv420p"),
    ],
)
def test_windows_before_the_end_of_a_cut_off_video_are_kept(
    tmp_path, load_data, warned, name, codec, pixels
):
    fast = {"movflags": "faststart"} if name == "a.mp4" else {}
    path = write(tmp_path / name, numbered(50), codec, pixels, options=fast)
    content = path.read_bytes()
    path.write_bytes(content[: int(0.6 * len(content))])
    clips = load_data(f"clips:{path}", 16, 3, frames=8)
    assert 2 <= len(clips) <= 4
    assert np.abs(which(clips) - np.arange(8 * len(clips)).reshape(-1, 8)).max() <= 1
    assert f"{name} ({len(clips)} clips are whole; " in warned("give only some clips")


def test_a_video_that_is_cut_off_in_its_header_is_told(tmp_path, load_data):
    path = write(
        tmp_path / "a.mp4", numbered(50), "mpeg4", "yuv420p", options={"movflags": "faststart"}
    )
    path.write_bytes(path.read_bytes()[:426])
    with pytest.raises(InputError, match="the first is a.mp4 .*nothing that FFmpeg knows"):
        load_data(f"clips:{path}", 16, 3, frames=8)


def test_whole_videos_are_not_told_to_be_damaged(tmp_path, load_data, caplog):
    for name, codec, pixels in (
        ("a.mp4", "libx264", "yuv420p"),
        ("b.avi", "mjpeg", "yuvj420p"),
        ("c.mkv", "libx264", "yuv420p"),
        ("d.webm", "libvpx", "yuv420p"),
        ("e.ts", "mpeg2video", "yuv420p"),
        ("f.flv", "flv1", "yuv420p"),
        ("g.wmv", "wmv2", "yuv420p"),
        ("h.mov", "mpeg4", "yuv420p"),
    ):
        write(tmp_path / name, numbered(20), codec, pixels)
    with caplog.at_level(logging.WARNING):
        clips = load_data(f"clips:{tmp_path}", 16, 3, frames=10)
    assert len(clips) == 16 and caplog.text == ""


@pytest.mark.parametrize(
    ("name", "kind", "options"),
    [
        ("a.gif", "GIF", {}),
        ("a.png", "PNG", {}),
        ("a.webp", "WEBP", {"lossless": True}),
        ("a.avif", "AVIF", {}),
    ],
)
def test_animations_whole_and_cut_off(tmp_path, load_data, caplog, name, kind, options):
    path = tmp_path / name
    first, *rest = (Image.fromarray(frame) for frame in numbered(20, 32))
    first.save(path, kind, save_all=True, append_images=rest, duration=100, **options)
    with caplog.at_level(logging.WARNING):
        clips = load_data(f"clips:{path}", 16, 3, frames=5)
    assert np.abs(which(clips) - np.arange(20).reshape(4, 5)).max() <= (kind == "AVIF")
    assert caplog.text == ""
    halved = load_data(f"clips:{path}", 16, 3, frames=5, fps=5)
    assert np.abs(which(halved) - np.arange(0, 20, 2).reshape(2, 5)).max() <= (kind == "AVIF")
    content = path.read_bytes()
    path.write_bytes(content[: int(0.6 * len(content))])
    if kind == "AVIF":
        # Its frames can only be found whole.
        with pytest.raises(InputError, match=r"a.avif \(UnidentifiedImageError"):
            load_data(f"clips:{path}", 16, 3, frames=5)
        return
    with caplog.at_level(logging.WARNING):
        clips = load_data(f"clips:{path}", 16, 3, frames=5)
    assert which(clips).tolist() == np.arange(10).reshape(2, 5).tolist()
    assert f"{name} (2 clips are whole; " in caplog.text


def test_half_a_frame_of_a_gif_is_none(tmp_path, load_data):
    path = tmp_path / "a.gif"
    first, *rest = (Image.fromarray(frame) for frame in numbered(10, 32))
    first.save(path, save_all=True, append_images=rest, duration=100)
    whole = load_data(f"clips:{path}", 16, 3, frames=1)
    content = path.read_bytes()
    for share in np.linspace(0.3, 0.99, 12):
        path.write_bytes(content[: int(share * len(content))])
        clips = load_data(f"clips:{path}", 16, 3, frames=1)
        np.testing.assert_array_equal(clips.images, whole.images[: len(clips)])
        assert len(clips) >= int(10 * share) - 2


def test_a_last_frame_that_is_shown_for_long_is_not_missing(tmp_path, load_data, caplog):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        stream.time_base = Fraction(1, 10)
        packets = []
        for number, frame in enumerate(numbered(6)):
            frame = av.VideoFrame.from_ndarray(frame, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 10)
            packets += stream.encode(frame)
        packets += stream.encode()
        packets[-1].duration *= 50
        container.mux(packets)
    clips = load_data(f"clips:{path}", 16, 3, frames=6)
    assert len(clips) == 1 and "cut off" not in caplog.text


def test_the_image_for_programs_without_animations_is_no_frame(tmp_path, load_data):
    first, *rest = (Image.fromarray(frame) for frame in numbered(6, 32))
    first.save(tmp_path / "a.png", save_all=True, append_images=rest, default_image=True)
    clips = load_data(f"clips:{tmp_path}/a.png", 16, 3, frames=5)
    assert which(clips).tolist() == [[1, 2, 3, 4, 5]]


def test_a_broken_frame_of_a_folder_is_a_gap(tmp_path, load_data, warned):
    folder = tmp_path / "a"
    folder.mkdir()
    for number, frame in enumerate(numbered(12, 16)):
        Image.fromarray(frame).save(folder / f"{number}.png")
    (folder / "5.png").write_bytes(b"no image")
    clips = load_data(f"clips:{tmp_path}", 16, 3, frames=3)
    assert which(clips).tolist() == [[0, 1, 2], [6, 7, 8], [9, 10, 11]]
    assert "a (3 clips are whole; UnidentifiedImageError: is no image" in warned("only some")


def test_posters_beside_videos_are_no_clip(tmp_path, load_data, warned):
    for number in range(4):
        write(tmp_path / f"v{number}.mp4", numbered(8), "libx264", "yuv420p")
        Image.fromarray(numbered(1)[0]).save(tmp_path / f"v{number}.jpg")
    (tmp_path / "frames").mkdir()
    for number, frame in enumerate(numbered(4, 16)):
        Image.fromarray(frame).save(tmp_path / "frames" / f"{number}.png")
    (tmp_path / "notes.txt").write_text("text")
    (tmp_path / "sound.wav").write_bytes(b"RIFF\0\0\0\0WAVEfmt ")
    (tmp_path / "away").symlink_to(tmp_path / "unplugged")
    clips = load_data(f"clips:{tmp_path}", 16, 3, frames=4)
    sources = [name.partition("#")[0] for name in clips.names]
    assert sources == ["frames", *(f"v{k}.mp4" for k in range(4) for _ in range(2))]
    assert "images beside videos are passed over (4, the first is v0.jpg)" in warned("passed")
    assert "not videos or images, and left out: 1 .txt, 1 .wav" in warned("not videos")
    assert "links that lead nowhere are left out" in warned("away")
    # Thumbnails in a folder of their own cannot be told from frames.
    assert "beside videos, folders of images are clips too (1, the first is frames)" in warned(
        "folders of images"
    )


def test_videos_are_known_by_their_content(tmp_path, load_data):
    for name, codec, suffix in (("film", "libx264", "mp4"), ("b.dat", "mpeg2video", "ts")):
        made = write(tmp_path / f"x.{suffix}", numbered(4), codec, "yuv420p")
        made.rename(tmp_path / name)
    Image.fromarray(numbered(1)[0]).save(tmp_path / "c.mp4", "JPEG")
    clips = load_data(f"clips:{tmp_path}", 16, 3, frames=4)
    assert clips.names == ("b.dat#000", "film#000")
    assert load_data(f"{tmp_path}/film", 16, 3, frames=4).names == ("film#000",)


def test_the_cover_of_a_video_is_not_its_images(tmp_path, load_data):
    """A cover is a stream of one image, which may stand before the others."""
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.width = cover.height = 32
        cover.pix_fmt = "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        stream = container.add_stream("libx264", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        black = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        container.mux(cover.encode(black))
        container.mux(cover.encode())
        for frame in numbered(8):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    clips = load_data(f"clips:{path}", 16, 3, frames=8)
    assert np.abs(which(clips) - np.arange(8)).max() <= 1


@pytest.mark.parametrize("name", ["12:30.mp4", "http:x.mp4", "concat:a|b.mp4"])
def test_a_colon_in_a_name_is_no_protocol(tmp_path, load_data, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / name, numbered(3))
    assert len(load_data("clips:.", 8, 1, frames=3)) == 1
    (tmp_path / name).unlink()
    save_animation(name, numbered(3))
    assert (tmp_path / name).stat().st_size


@pytest.mark.parametrize(
    ("name", "codec"), [("a.webm", "libvpx"), ("a.mkv", "libx264"), ("a.ts", "mpeg2video")]
)
def test_no_window_goes_over_what_a_container_lost_without_a_word(
    tmp_path, load_data, warned, name, codec
):
    """Readers of these containers go on at the next sound part of a damaged one."""
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt, stream.gop_size = "yuv420p", 10
        frames = [av.VideoFrame.from_ndarray(f, format="rgb24") for f in numbered(50)]
        packets = [packet for frame in (*frames, None) for packet in stream.encode(frame)]
        # Not at a frame that others are drawn upon.
        container.mux([p for k, p in enumerate(packets) if not 17 <= k < 26])
    clips = load_data(f"clips:{tmp_path}/{name}", 16, 3, frames=4)
    found = which(clips)
    assert np.abs(np.diff(found, axis=1) - 1).max() <= 1 and len(clips) >= 8
    assert not ((found[:, 0] < 17) & (found[:, -1] > 20)).any()
    # Up to the next frame that needs no other.
    assert not ((found > 18) & (found < 26)).any()
    assert "s are missing" in warned("1 of 1 sources are damaged")


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_animations_are_turned_as_single_images_are(tmp_path, load_data, kind):
    path = tmp_path / f"a.{kind.lower()}"
    frames = [Image.fromarray(scene(32, 32)[0]) for _ in range(4)]
    for number, frame in enumerate(frames):
        frame.putpixel((number, 31), (9, 9, 9))
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 8
    lossless = {"lossless": True} if kind == "WEBP" else {}
    first, *rest = (frame.transpose(Image.Transpose.ROTATE_270) for frame in frames)
    first.save(path, save_all=True, append_images=rest, exif=turned, **lossless)
    clips = load_data(f"clips:{path}", 32, 3, frames=4)
    np.testing.assert_array_equal(clips.images[0], np.stack(frames))
    still = load_data(f"folder:{tmp_path}", 32, 3)
    np.testing.assert_array_equal(still.images[0], clips.images[0, 0])
