"""Files a little damaged, by the thousand: a right result, or one message that names the file.

DGN_SOAK_MINUTES=N tries others, for N / 2 minutes in all.
"""

import io
import zipfile
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutations import for_a_while, fuzz, in_time, mutants
from PIL import Image

from dgn_tf.data.cropping.journal import Journal
from dgn_tf.data.examples import Examples
from dgn_tf.data.labels import read_labels
from dgn_tf.data.landmarks import read_landmarks
from dgn_tf.data.sources.files import load_files, load_photograph
from dgn_tf.data.sources.folders import load_folder
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.npz_files import read_npz

SIDE = 8


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def images():
    """A small file of each kind that is read, several of the kinds that are read in other ways."""
    color = Image.fromarray(noise(9, 11, 3))
    exif = Image.Exif()
    exif[0x0112] = 6
    return {
        "a.png": saved(color, "PNG"),
        "deep.png": saved(Image.fromarray(noise(9, 11).astype(np.uint16) * 257), "PNG"),
        "clear.png": saved(Image.fromarray(noise(9, 11, 4)), "PNG"),
        "a.jpg": saved(color, "JPEG", exif=exif),
        "slow.jpg": saved(color, "JPEG", progressive=True),
        "a.webp": saved(color, "WEBP"),
        "profile.jpg": saved(color, "JPEG", exif=exif, icc_profile=bytes(200), comment=b"hello"),
        "facts.png": saved(color, "PNG", exif=exif, icc_profile=bytes(200), dpi=(72, 72)),
        "facts.webp": saved(color, "WEBP", exif=exif, icc_profile=bytes(200), xmp=b"<x/>"),
        "a.tif": saved(color, "TIFF", exif=exif),
        "small.tif": saved(color, "TIFF", compression="tiff_deflate"),
        "a.avif": saved(color, "AVIF", exif=exif),
        "a.jp2": saved(color, "JPEG2000"),
        "a.bmp": saved(color, "BMP"),
        "a.gif": saved(color.convert("P"), "GIF", transparency=3),
    }


def videos():
    """GIF, AVI with images that are whole, and what cameras write."""
    av = pytest.importorskip("av")
    av.logging.set_level(None)
    frames = noise(8, 16, 16, 3)
    first, *rest = (Image.fromarray(frame) for frame in frames)
    made = {
        f"a.{kind.lower()}": saved(first, kind, save_all=True, append_images=rest, duration=100)
        for kind in ("GIF", "PNG", "WEBP", "AVIF")
    }
    for name, codec, pixels in (
        ("a.avi", "png", "rgb24"),
        ("jpegs.avi", "mjpeg", "yuvj420p"),
        ("a.mp4", "libx264", "yuv420p"),
        ("a.mov", "mpeg4", "yuv420p"),
        ("a.webm", "libvpx", "yuv420p"),
        ("a.mkv", "libx264", "yuv420p"),
        ("a.mpg", "mpeg2video", "yuv420p"),
        ("a.wmv", "wmv2", "yuv420p"),
        ("a.flv", "flv1", "yuv420p"),
    ):
        file = io.BytesIO()
        kind = {"mkv": "matroska", "wmv": "asf", "mpg": "mpeg"}.get(
            name[-3:], name.rpartition(".")[2]
        )
        with av.open(file, "w", format=kind) as container:
            stream = container.add_stream(codec, rate=25 if kind == "mpeg" else 10)
            stream.sample_aspect_ratio = Fraction(2, 1)
            stream.width = stream.height = 16
            stream.pix_fmt = pixels
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode())
        made[name] = file.getvalue()
    return made


def told(error, path):
    """One line that names the file."""
    assert str(path) in str(error) and "\n" not in str(error), error


def test_images(tmp_path):
    @fuzz(2400)
    @given(mutants(images()), st.sampled_from((1, 3)))
    def check(file, channels):
        path = tmp_path / file[0]
        path.write_bytes(file[1])
        with in_time():
            try:
                found = load_files([str(path)], SIDE, channels)
            except InputError as error:
                told(error, path)
            else:
                assert found.images.shape == (1, SIDE, SIDE, channels)
                assert load_photograph(str(path)).shape[2] == 3

    for_a_while(check)


def test_folders_of_images(tmp_path, caplog):
    whole = images()
    (tmp_path / "whole.png").write_bytes(whole["a.png"])

    @fuzz(400)
    @given(mutants(whole))
    def check(file):
        path = tmp_path / f"z-{file[0]}"
        path.write_bytes(file[1])
        caplog.clear()
        with in_time():
            found = load_folder(str(tmp_path), SIDE, 3)
        assert found.names[0] == "whole.png"
        # None is lost without a word.
        lost = "cannot be read" in caplog.text and path.name in caplog.text
        assert (path.name in found.names) != lost
        path.unlink()

    for_a_while(check)


def test_clips(tmp_path, load_data):
    @fuzz(1200)
    @given(mutants(videos()), st.sampled_from((0.0, 5.0, 30.0)))
    def check(file, fps):
        path = tmp_path / file[0]
        path.write_bytes(file[1])
        with in_time():
            try:
                found = load_data(f"clips:{path}", SIDE, 3, frames=3, fps=fps)
            except InputError as error:
                told(error, path)
            else:
                assert found.images.shape[1:] == (3, SIDE, SIDE, 3) and len(found)

    for_a_while(check)


def zips():
    """Archives of images, stored and compressed."""
    made = {}
    for name, method in (
        ("stored", zipfile.ZIP_STORED),
        ("small", zipfile.ZIP_DEFLATED),
        ("smaller", zipfile.ZIP_LZMA),
    ):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as archive:
            for number in range(3):
                image = Image.fromarray(noise(9, 11, 3))
                archive.writestr(f"{number % 2}/{number}.png", saved(image, "PNG"))
            archive.writestr("photograph", saved(Image.fromarray(noise(9, 11, 3)), "JPEG"))
            archive.writestr("notes.txt", b"text")
        made[name] = file.getvalue()
    return made


def test_zips(tmp_path, load_data, caplog):
    path = tmp_path / "a.zip"
    path.write_bytes(zips()["stored"])
    whole = load_data(f"zip:{path}", SIDE, 3)
    pixels = dict(zip(whole.names, whole.images, strict=True))

    @fuzz(1600)
    @given(mutants(zips()))
    def check(file):
        path.write_bytes(file[1])
        with in_time():
            try:
                found = load_data(f"zip:{path}", SIDE, 3)
            except InputError as error:
                told(error, path)
            else:
                assert found.images.shape == (len(found), SIDE, SIDE, 3)
                # Every member has a checksum: what comes out is what was packed.
                for image in found.images:
                    assert any((image == other).all() for other in pixels.values())

    for_a_while(check)


def arrays():
    """Images and clips, stored and compressed."""
    clip, frame = np.repeat([1, 2], 3), np.tile([0, 1, 2], 2)
    made = {}
    for name, save in (("stored", np.savez), ("small", np.savez_compressed)):
        file = io.BytesIO()
        save(file, images=noise(6, 5, 7, 3), clip=clip, frame=frame, landmarks=np.ones((6, 5, 2)))
        made[name] = file.getvalue()
    return made


def test_npz(tmp_path, load_data):
    path = tmp_path / "a.npz"
    path.write_bytes(arrays()["stored"])
    whole = read_npz(str(path))

    @fuzz(1600)
    @given(mutants(arrays()), st.sampled_from((0, 3)))
    def check(file, frames):
        path.write_bytes(file[1])
        with in_time():
            try:
                found = read_npz(str(path))
                load_data(f"npz:{path}", SIDE, 3, frames=frames)
            except InputError as error:
                told(error, path)
            else:
                # Every array has a checksum: what comes out is what was saved.
                for name, array in found.items():
                    np.testing.assert_array_equal(array, whole[name])

    for_a_while(check)


ROW = ",4,5,11,5,8,9,5,12,10,12\n"
LANDMARKS = ("name,x1,y1,x2,y2,x3,y3,x4,y4,x5,y5\n" + "".join(n + ROW for n in "ab")).encode()
LABELS = b'clip,person,mood\na.mp4,ann,happy\n"b,c.mp4",ben,"sad, very"\n'


def test_landmarks(tmp_path):
    table, folder = tmp_path / "a.csv", tmp_path / "pictures"
    folder.mkdir()
    for name in "ab":
        (folder / name).write_bytes(saved(Image.fromarray(noise(16, 16, 3)), "PNG"))
    examples = Examples(np.zeros((2, 16, 16, 1), np.uint8), np.arange(2), ("a", "b"))

    @fuzz(1200)
    @given(mutants({"a": LANDMARKS}))
    def check(file):
        table.write_bytes(file[1])
        with in_time():
            try:
                kept, points = read_landmarks(str(table), str(folder), examples)
            except InputError as error:
                told(error, table)
            else:
                assert points.shape == (len(kept), 5, 2) and np.isfinite(points).all()

    for_a_while(check)


def test_labels(tmp_path):
    table = tmp_path / "a.csv"
    names = ("a.mp4#000", "a.mp4#001", "b,c.mp4#000")
    clips = Examples(np.zeros((3, 2, 8, 8, 1), np.uint8), np.arange(3), names)

    @fuzz(1200)
    @given(mutants({"a": LABELS}))
    def check(file):
        table.write_bytes(file[1])
        with in_time():
            try:
                kept, found = read_labels(str(table), ("person", "mood"), clips)
            except InputError as error:
                told(error, table)
            else:
                assert all(len(column) == len(kept) and column.all() for column in found.values())

    for_a_while(check)


def test_journals(tmp_path):
    path, columns = tmp_path / "a.csv", ("source", "reason")
    whole = b'source,reason\na.png,no face\n"b,c.png","broken, really"\nd.png,small\n'

    @fuzz(600)
    @given(mutants({"a": whole}))
    def check(file):
        path.write_bytes(file[1])
        with in_time():
            try:
                journal = Journal(path, columns)
                journal.append([{"source": "e.png", "reason": "new"}])
                again = Journal(path, columns)
            except InputError as error:
                told(error, path)
            else:
                assert again.rows == [*journal.rows, {"source": "e.png", "reason": "new"}]

    for_a_while(check)


def test_a_whole_file_is_read_as_it_is(tmp_path, load_data):
    """What the mutants begin with is valid: else nothing behind a first check would be tried."""
    for name, content in images().items():
        (tmp_path / name).write_bytes(content)
        assert len(load_files([str(tmp_path / name)], SIDE, 3)) == 1
    for name, content in videos().items():
        (tmp_path / name).write_bytes(content)
        assert len(load_data(f"clips:{tmp_path / name}", SIDE, 3, frames=3)) == 2
    for name, content in zips().items():
        (tmp_path / f"{name}.zip").write_bytes(content)
        assert len(load_data(f"zip:{tmp_path}/{name}.zip", SIDE, 3)) == 4
    for name, content in arrays().items():
        (tmp_path / f"{name}.npz").write_bytes(content)
        assert len(load_data(f"npz:{tmp_path}/{name}.npz", SIDE, 3, frames=3)) == 2
