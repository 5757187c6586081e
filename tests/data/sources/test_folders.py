"""Reading image files: what each kind of file must turn into, in numbers."""

import hashlib
import logging
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from dgn_tf.data.examples import Examples, as_bytes, as_float
from dgn_tf.data.sources import folders
from dgn_tf.data.sources.files import load_files, load_photograph
from dgn_tf.data.sources.folders import load_folder
from dgn_tf.data.squares import square
from dgn_tf.utils.errors import InputError


def gradient(width, height):
    """A smooth RGB image without symmetry: red grows to the right, green downwards."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.linspace(0, 255, width)[None, :]
    pixels[..., 1] = np.linspace(0, 255, height)[:, None]
    return pixels


@pytest.mark.parametrize(
    ("orientation", "undo"),
    [
        (1, lambda a: a),
        (2, lambda a: a[:, ::-1]),
        (3, lambda a: a[::-1, ::-1]),
        (4, lambda a: a[::-1]),
        (5, lambda a: a.transpose(1, 0, 2)),
        (6, lambda a: np.rot90(a, -1)),
        (7, lambda a: a[::-1, ::-1].transpose(1, 0, 2)),
        (8, lambda a: np.rot90(a, 1)),
    ],
)
def test_exif_orientation_of_a_jpeg(tmp_path, orientation, undo):
    stored = gradient(32, 32)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(tmp_path / "a.jpg", exif=exif, quality=100, subsampling=0)
    read = load_folder(str(tmp_path), 32, 3).images[0].astype(int)
    assert np.abs(read - undo(stored)).max() <= 4


def test_lossless_files_of_the_right_size_keep_their_pixels(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.PNG")
    Image.fromarray(pixels).save(tmp_path / "b.bmp")
    Image.fromarray(pixels).save(tmp_path / "c.WebP", lossless=True)
    Image.fromarray(pixels[..., 0]).save(tmp_path / "d.png")
    examples = load_folder(str(tmp_path), 16, 3)
    assert examples.names == ("a.PNG", "b.bmp", "c.WebP", "d.png")
    for row in range(3):
        np.testing.assert_array_equal(examples.images[row], pixels)
    np.testing.assert_array_equal(examples.images[3], np.repeat(pixels[..., :1], 3, axis=2))


def test_first_frame_of_an_animated_gif(tmp_path):
    frames = [Image.new("RGB", (8, 8), color) for color in ((255, 0, 0), (0, 0, 255))]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    image = load_folder(str(tmp_path), 8, 3).images[0]
    np.testing.assert_array_equal(image, np.full((8, 8, 3), (255, 0, 0)))


def test_sixteen_bit_gray_is_scaled_not_clipped(tmp_path):
    values = np.array([[0, 257, 514], [12850, 32768, 65278], [65535, 300, 64000]], np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode.startswith("I")
    read = load_folder(str(tmp_path), 3, 1).images[0, ..., 0]
    np.testing.assert_array_equal(read, [[0, 1, 2], [50, 128, 254], [255, 1, 249]])
    wide = Image.fromarray(values.astype(np.int32))
    assert wide.mode == "I"
    np.testing.assert_array_equal(square(wide, 3, 1)[..., 0], read)


def test_transparency_is_composited_on_white(tmp_path):
    half = Image.new("RGBA", (4, 4), (0, 0, 200, 128))
    np.testing.assert_allclose(square(half, 4, 3)[0, 0], [127, 127, 227], atol=1)
    gray = Image.new("LA", (4, 4), (100, 0))
    np.testing.assert_array_equal(square(gray, 4, 1), np.full((4, 4, 1), 255))
    palette = Image.new("P", (4, 4), 0)
    palette.putpalette([10, 20, 30, 200, 100, 0])
    palette.putpixel((1, 2), 1)
    palette.save(tmp_path / "a.png", transparency=0)
    read = load_folder(str(tmp_path), 4, 3).images[0]
    expected = np.full((4, 4, 3), 255)
    expected[2, 1] = (200, 100, 0)
    np.testing.assert_array_equal(read, expected)


def test_cmyk_jpeg_and_one_bit(tmp_path):
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=100)
    np.testing.assert_allclose(
        load_folder(str(tmp_path), 8, 3).images[0], np.full((8, 8, 3), (255, 0, 0)), atol=3
    )
    bits = np.eye(6, dtype=bool)
    np.testing.assert_array_equal(square(Image.fromarray(bits), 6, 1)[..., 0], bits * 255)


def test_luma_weights():
    image = Image.new("RGB", (2, 2), (255, 0, 0))
    np.testing.assert_array_equal(square(image, 2, 1), np.full((2, 2, 1), round(0.299 * 255)))


@pytest.mark.parametrize("kind", [np.int32, np.float32])
@pytest.mark.parametrize("most", [1, 255, 65535])
def test_images_of_32_bits_are_read_by_their_range(tmp_path, kind, most):
    values = np.linspace(0, most, 16).reshape(4, 4).round(0 if most > 1 else 3).astype(kind)
    for name in ("a", "b"):
        Image.fromarray(values).save(tmp_path / f"{name}.tif")
    if kind is np.float32 and most > 1:
        with pytest.raises(InputError, match=f"a.tif .ValueError: floating-p.* 0 to {most:g} stat"):
            load_folder(str(tmp_path), 4, 1)
        with pytest.raises(InputError, match=f"b.tif cannot be read .* from 0 to {most:g} state"):
            load_photograph(str(tmp_path / "b.tif"))
        return
    scale = 255 if most == 1 and kind is np.float32 else 1 / 257 if most > 255 else 1
    wanted = np.rint(values * scale).astype(np.uint8)
    np.testing.assert_array_equal(load_folder(str(tmp_path), 4, 1).images[1, ..., 0], wanted)
    # Far from black, as 255 of 65535 would be.
    assert wanted.max() == (1 if most == 1 and kind is np.int32 else 255)
    np.testing.assert_array_equal(load_photograph(str(tmp_path / "b.tif"))[..., 0], wanted)


def test_a_floating_point_image_with_a_nan_states_no_range():
    with pytest.raises(ValueError, match="from nan to nan state no range"):
        square(Image.fromarray(np.full([4, 4], np.nan, np.float32)), 4, 1)


@pytest.mark.parametrize(("width", "height"), [(20, 8), (8, 21)])
def test_center_crop(width, height):
    pixels = gradient(width, height)
    left, top = (width - 8) // 2, (height - 8) // 2
    expected = pixels[top : top + 8, left : left + 8]
    np.testing.assert_array_equal(square(Image.fromarray(pixels), 8, 3), expected)


def test_resizing_is_antialiased():
    board = (np.indices((128, 128)).sum(axis=0) % 2 * 255).astype(np.uint8)
    small = square(Image.fromarray(board), 16, 1)
    # Away from the border, where the filter is cut off, the mean of black and white is left.
    assert np.abs(small[2:-2, 2:-2].astype(float) - 127.5).max() <= 2


def test_a_large_jpeg_read_at_a_fraction_looks_the_same(tmp_path):
    pixels = gradient(640, 480)
    Image.fromarray(pixels).save(tmp_path / "a.jpg", quality=95)
    read = load_folder(str(tmp_path), 16, 3).images[0].astype(int)
    expected = square(Image.fromarray(pixels), 16, 3).astype(int)
    assert np.abs(read - expected).max() <= 4


def fill(folder, names, side=8):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        value = hashlib.md5(name.encode()).digest()[0]
        Image.new("L", (side, side), value).save(folder / name)


def test_order_hidden_files_and_suffixes(tmp_path):
    fill(tmp_path, ["b/2.png", "b/10.png", "a.JPG", "c/d/e.bmp", ".hidden.png", ".git/x.png"])
    (tmp_path / "notes.txt").write_text("no image")
    examples = load_folder(str(tmp_path), 8, 1)
    assert examples.names == ("a.JPG", "b/10.png", "b/2.png", "c/d/e.bmp")


def test_what_drives_keep_for_themselves_is_no_data(tmp_path):
    fill(tmp_path, ["one/a.png", "two/b.png", "@eaDir/a.png/SYNOPHOTO_THUMB_M.png"])
    fill(tmp_path, ["two/@eaDir/b.png", "#recycle/c.png", "$RECYCLE.BIN/d.png", "__MACOSX/e.png"])
    examples = load_folder(str(tmp_path), 8, 1)
    assert examples.names == ("one/a.png", "two/b.png")
    assert examples.factors["label"].tolist() == [0, 1]


def test_linked_folders_are_followed_and_circles_end(tmp_path):
    fill(tmp_path, ["set/a.png", "elsewhere/b.png"])
    os.symlink(tmp_path / "elsewhere", tmp_path / "set" / "link")
    os.symlink(tmp_path / "set", tmp_path / "set" / "circle")
    assert load_folder(str(tmp_path / "set"), 8, 1).names == ("a.png", "link/b.png")


def test_ids_do_not_depend_on_other_files(tmp_path):
    fill(tmp_path, ["m.png", "z/n.png"])
    before = load_folder(str(tmp_path), 8, 1)
    fill(tmp_path, ["a.png", "o.png"])
    after = load_folder(str(tmp_path), 8, 1)
    kept = dict(zip(after.names, after.ids, strict=True))
    assert [kept[name] for name in before.names] == before.ids.tolist()
    bits = f"{int(hashlib.sha256(b'z/n.png').hexdigest(), 16):0256b}"
    assert kept["z/n.png"] == int(bits[:63], 2)


def break_files(folder):
    """Adds three broken files beside good ones."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "cut.jpg")
    whole = (folder / "cut.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.webp").write_text("hello")


def test_unreadable_files_are_named_once_and_counted(tmp_path, caplog):
    fill(tmp_path, ["a.png", "z.png"])
    break_files(tmp_path)
    examples = load_folder(str(tmp_path), 8, 3)
    assert examples.names == ("a.png", "z.png")
    assert len(caplog.messages) == 1
    lines = caplog.messages[0].splitlines()
    assert lines[0].endswith("3 of 5 files cannot be read and are left out:")
    assert [line.split()[0] for line in lines[1:]] == ["cut.jpg", "empty.png", "text.webp"]
    assert "truncated" in lines[1]


def test_decompression_bomb_is_left_out(tmp_path, monkeypatch, caplog):
    fill(tmp_path, ["a.png"])
    fill(tmp_path, ["bomb.png"], side=40)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert load_folder(str(tmp_path), 8, 1).names == ("a.png",)
    assert "bomb.png (DecompressionBombError" in caplog.messages[0]


def test_limit_counts_readable_files_and_reads_no_more(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(folders, "_CHUNK", 2)
    fill(tmp_path, [f"{i}.png" for i in range(1, 8)])
    (tmp_path / "0.png").write_bytes(b"broken")
    (tmp_path / "9.png").write_bytes(b"broken, but never reached")
    seen = []
    examples = load_folder(
        str(tmp_path), 8, 1, limit=4, progress=lambda done, total: seen.append((done, total))
    )
    assert examples.names == ("1.png", "2.png", "3.png", "4.png")
    assert "1 of 5 files" in caplog.messages[0] and "9.png" not in caplog.messages[0]
    assert seen == [(2, 5), (4, 5), (5, 5)]


def test_errors_name_the_folder(tmp_path):
    (tmp_path / "file.png").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="nowhere does not exist"):
        load_folder(str(tmp_path / "nowhere"), 8, 3)
    with pytest.raises(InputError, match="file.png is a file; give the folder"):
        load_folder(str(tmp_path / "file.png"), 8, 3)
    with pytest.raises(InputError, match=r"no image file \(JPEG, PNG, WebP, BMP, GIF, TIFF, AVIF"):
        load_folder(str(tmp_path / "empty"), 8, 3)
    with pytest.raises(InputError, match="none of its 1 image files.*file.png"):
        load_folder(str(tmp_path), 8, 3)


def make_examples(n=4):
    images = np.arange(n * 2 * 2 * 3, dtype=np.uint8).reshape(n, 2, 2, 3)
    ids = np.arange(n, dtype=np.int64) + 10
    return Examples(images, ids, tuple("abcdefgh"[:n]), {"yaw": np.arange(n) / 2})


def test_examples_subset_mean_and_fingerprint():
    examples = make_examples()
    part = examples.subset([2, 0])
    assert part.names == ("c", "a") and part.ids.tolist() == [12, 10]
    assert part.factors["yaw"].tolist() == [1.0, 0.0]
    np.testing.assert_array_equal(part.images[1], examples.images[0])
    masked = examples.subset(examples.factors["yaw"] > 0.9)
    assert masked.names == ("c", "d")
    np.testing.assert_allclose(part.mean_image(), as_float(examples.images[1]), atol=1e-6)
    assert examples.fingerprint() == make_examples().fingerprint()
    assert examples.fingerprint() != examples.subset([0, 1, 3, 2]).fingerprint()
    touched = make_examples()
    touched.images[3, 1, 1, 2] += 1
    assert touched.fingerprint() != examples.fingerprint()


def test_byte_and_float_values_are_inverse():
    values = np.arange(256, dtype=np.uint8)
    scaled = as_float(values)
    assert scaled.dtype == np.float32 and scaled[0] == -1 and scaled[255] == 1
    np.testing.assert_allclose(np.diff(scaled), 2 / 255, atol=1e-6)
    np.testing.assert_array_equal(as_bytes(scaled), values)
    np.testing.assert_array_equal(as_bytes(np.array([-1.5, 1.5, 0.001])), [0, 255, 128])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((4, 2, 2, 3))}, "uint8"),
        ({"images": np.zeros((4, 2, 3, 3), np.uint8)}, "square"),
        ({"images": np.zeros((4, 2, 2, 4), np.uint8)}, "1 or 3 channels"),
        ({"images": np.zeros((0, 2, 2, 3), np.uint8)}, "at least one"),
        ({"ids": np.zeros(3, np.int64)}, r"int64 \[4\]"),
        ({"ids": np.array([1, 2, 2, 3])}, "unique"),
        ({"ids": np.array([1, 2, -2, 3])}, "not negative"),
        ({"names": ("a",)}, "as many names; found 1"),
        ({"factors": {"yaw": np.zeros(5)}}, "'yaw'"),
    ],
)
def test_examples_that_do_not_fit_together(change, message):
    whole = make_examples()
    fields = {
        "images": whole.images,
        "ids": whole.ids,
        "names": whole.names,
        "factors": whole.factors,
    }
    with pytest.raises(InputError, match=message):
        Examples(**{**fields, **change})


def test_a_decompression_bomb_is_left_out_before_it_is_decoded(tmp_path, caplog):
    # 2.5 GB of pixels in 57 bytes: what a header says is enough to refuse it.
    header = b"IHDR" + struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0)
    chunks = (header, b"IDAT", b"IEND")
    body = b"".join(
        struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks
    )
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    assert (tmp_path / "bomb.png").stat().st_size == 57
    with pytest.raises(InputError, match="bomb.png has far too many pixels: give a smaller one"):
        load_files([str(tmp_path / "bomb.png")], 8, 3)
    Image.new("L", (8, 8)).save(tmp_path / "whole.png")
    assert load_folder(str(tmp_path), 8, 3).names == ("whole.png",)
    assert "bomb.png (DecompressionBombError" in caplog.text


def test_links_that_lead_nowhere_are_named(tmp_path, caplog):
    """A class on a disk that is not there would be missing with its label."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.new("L", (8, 8)).save(tmp_path / name / "1.png")
    (tmp_path / "c").symlink_to(tmp_path / "unplugged")
    (tmp_path / "notes.txt").write_text("text")
    assert len(load_folder(str(tmp_path), 8, 1)) == 2
    assert (
        "links that lead nowhere are left out, with all that they may stand for: c" in caplog.text
    )
    assert "not images, and left out: 1 .txt\n" in caplog.text


@pytest.mark.parametrize(
    ("suffix", "mode"), [(".pgm", "L"), (".ppm", "RGB"), (".pnm", "L"), (".pbm", "1")]
)
def test_images_of_older_sets_of_faces_are_read(tmp_path, suffix, mode):
    """As those of ORL and FERET."""
    values = np.random.default_rng(0).integers(0, 256, [8, 8, 3]).astype(np.uint8)
    image = Image.fromarray(values).convert(mode)
    image.save(tmp_path / f"1{suffix}", "PPM")
    found = load_folder(str(tmp_path), 8, 3)
    np.testing.assert_array_equal(found.images[0], np.asarray(image.convert("RGB")))


def test_a_gray_image_of_16_bits_in_text_is_scaled(tmp_path):
    (tmp_path / "1.pgm").write_text("P2\n2 2\n1000\n0 500\n1000 250\n")
    found = load_folder(str(tmp_path), 2, 1)
    np.testing.assert_allclose(found.images[0, :, :, 0], [[0, 127], [255, 64]], atol=1)


@pytest.mark.parametrize(
    ("folders", "told"), [(("train", "Test"), True), (("train", "cat"), False), (("0", "1"), False)]
)
def test_parts_of_a_data_set_are_told_to_be_taken_for_classes(tmp_path, caplog, folders, told):
    for number, folder in enumerate(folders):
        (tmp_path / folder / "0").mkdir(parents=True)
        Image.new("L", (8, 8), number).save(tmp_path / folder / "0" / "a.png")
    with caplog.at_level(logging.WARNING):
        found = load_folder(str(tmp_path), 8, 1)
    assert sorted(found.factors["label"].tolist()) == [0, 1]
    assert ("its folders Test, train are read together" in caplog.text) == told
