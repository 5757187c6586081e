"""Image files of every format: upright, and their pixels used whatever is damaged beside these."""

import io
import struct
import subprocess
import sys
import zipfile
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dgn_tf.config import DataConfig
from dgn_tf.data.bare import without_metadata
from dgn_tf.data.decoding import (
    TooManyPixels,
    decode,
    formats,
    open_image,
    upright_size,
)
from dgn_tf.data.sources.archives import load_archive
from dgn_tf.data.sources.files import load_files
from dgn_tf.data.sources.folders import load_folder
from dgn_tf.data.squares import square, to_square

LOSSLESS = {"PNG": {}, "TIFF": {}, "BMP": {}, "WEBP": {"lossless": True}, "JPEG2000": {}}
TURNED = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF")
# What an upright image is stored as, so that its orientation turns it back.
STORE = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}


def corner(width=40, height=24):
    """Black, but for a white upper left quarter."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = 255
    return pixels


def saved(pixels, kind, **options):
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, kind, **options)
    return file.getvalue()


def oriented(number):
    exif = Image.Exif()
    exif[0x0112] = number
    return exif


def read(content, **options):
    return decode(io.BytesIO(content), **options)


@pytest.mark.parametrize("kind", LOSSLESS)
def test_pixels_of_lossless_formats_are_exact(kind):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    image, ignored = read(saved(pixels, kind, **LOSSLESS[kind]))
    np.testing.assert_array_equal(np.asarray(image), pixels)
    assert ignored == "" and kind in formats()


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(TURNED),
    st.sampled_from(sorted(STORE)),
    st.tuples(st.integers(20, 90), st.integers(20, 90)),
    st.sampled_from((0, 8)),
)
def test_every_orientation_of_every_format_is_upright(kind, orientation, size, side):
    pixels = corner(*size)
    content = saved(STORE[orientation](pixels), kind, exif=oriented(orientation))
    image, ignored = read(content, side=side)
    assert ignored == ""
    gray = np.asarray(image.convert("L"))
    height, width = gray.shape
    assert gray[3, 3] > 200 and max(gray[3, -4], gray[-4, 3], gray[-4, -4]) < 50
    found = upright_size(io.BytesIO(content), side)
    assert found[:2] == (width, height)
    assert found[2] == pytest.approx(width / size[0], rel=0.2)
    assert side or (width, height) == size


def test_an_upright_image_is_not_turned_twice():
    content = saved(STORE[6](corner()), "JPEG", exif=oriented(6), quality=95)
    small = square(read(content).image, 24, 1)[..., 0]
    assert square(read(content).image, 24, 1).shape == (24, 24, 1)
    assert small[3, 3] > 200 and small[-4, -4] < 50


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_with(name, data, after=False):
    content = saved(corner(), "PNG")
    place = len(content) - 12 if after else 33
    return content[:place] + chunk(name, data) + content[place:]


DAMAGED = {
    "eXIf": png_with(b"eXIf", b"junk"),
    "eXIf at the end": png_with(b"eXIf", b"junk", after=True),
    "eXIf cut off": png_with(b"eXIf", oriented(6).tobytes()[6:20]),
    "iCCP": png_with(b"iCCP", b"x\0\7junk"),
    "gAMA": png_with(b"gAMA", b"1"),
    "cHRM": png_with(b"cHRM", b"1"),
    "pHYs": png_with(b"pHYs", b"1"),
    "sRGB": png_with(b"sRGB", b""),
    "zTXt": png_with(b"zTXt", b"a\0\x09junk"),
    "acTL": png_with(b"acTL", b"1"),
    "fcTL": png_with(b"fcTL", b"1"),
    "tRNS": png_with(b"tRNS", b"1"),
    "tRNS of a wrong checksum": png_with(b"tRNS", b"hello!").replace(b"hello", b"jello"),
    "checksum": png_with(b"tEXt", b"a\0hello").replace(b"hello", b"jello"),
    "raw profile": png_with(
        b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n9\nzz")
    ),
    **{
        f"{kind} EXIF": saved(corner(), kind, exif=b"Exif\0\0This_is_not_valid")
        for kind in ("JPEG", "WEBP", "PNG")
    },
    **{
        f"{kind} EXIF cut off": saved(corner(), kind, exif=oriented(6).tobytes()[:20])
        for kind in ("JPEG", "WEBP", "PNG")
    },
}


@pytest.mark.parametrize("what", DAMAGED)
def test_damaged_metadata_are_ignored_with_a_word(what):
    image, ignored = read(DAMAGED[what])
    assert np.abs(np.asarray(image.convert("RGB")).astype(int) - corner()).mean() < 3
    assert ignored and "\n" not in ignored and "object at 0x" not in ignored
    assert upright_size(io.BytesIO(DAMAGED[what])) == (40, 24, 1.0)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_color_profiles_and_descriptions_are_never_looked_at(kind):
    image, ignored = read(saved(corner(), kind, icc_profile=b"junk"))
    assert image.size == (40, 24) and ignored == ""


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF", "PNG"])
def test_damaged_xmp_is_ignored(kind):
    for xmp in (b"<junk", b"\xff\xfe\0", b'tiff:Orientation="9"'):
        if kind == "PNG":
            content = png_with(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)
        else:
            content = saved(corner(), kind, xmp=xmp)
        image, _ = read(content)
        assert image.size == (40, 24)
        assert np.asarray(image.convert("L"))[3, 3] > 200


def tiff_with(tag, kind, count, value):
    """A TIFF whose first directory has one more entry, which says what it likes."""
    content = saved(corner(), "TIFF")
    (place,) = struct.unpack_from("<I", content, 4)
    (entries,) = struct.unpack_from("<H", content, place)
    rows = [content[place + 2 + 12 * k :][:12] for k in range(entries)]
    rows.append(struct.pack("<HHII", tag, kind, count, value))
    rows.sort(key=lambda row: struct.unpack_from("<H", row))
    directory = struct.pack("<H", len(rows)) + b"".join(rows) + bytes(4)
    return content[:4] + struct.pack("<I", len(content)) + content[8:] + directory


@pytest.mark.parametrize(
    "entry",
    [
        (34665, 4, 1, 0xFFFFFF),  # EXIF beyond the end
        (34665, 4, 1, 3),  # EXIF in the middle of the header
        (34853, 4, 1, 0xFFFFFFFF),  # GPS
        (34675, 7, 0xFFFFFF, 8),  # a color profile longer than the file
        (700, 1, 0xFFFFFF, 8),  # XMP
        (282, 5, 1, 0xFFFFFF),  # resolution
        (270, 2, 0xFFFF, 0xFFFFFF),  # a description
        (274, 3, 1, 99),  # an orientation that is none
        (274, 2, 1, 0x41),  # an orientation that is text
        (274, 12, 1, 0xFFFFFF),  # an orientation beyond the end
    ],
)
def test_damaged_tags_of_a_tiff_are_ignored(entry):
    image, _ = read(tiff_with(*entry))
    np.testing.assert_array_equal(np.asarray(image.convert("RGB")), corner())


def test_what_is_kept_of_a_file_is_what_its_pixels_need():
    palette = Image.fromarray(corner()).convert("P")
    file = io.BytesIO()
    palette.save(file, "PNG", transparency=0, exif=oriented(6))
    with open_image(io.BytesIO(without_metadata(file.getvalue()))) as image:
        assert image.info.get("transparency") is not None and "exif" not in image.info
    for kind in ("JPEG", "WEBP"):
        content = saved(corner(), kind, exif=oriented(6), icc_profile=b"junk")
        with open_image(io.BytesIO(without_metadata(content))) as image:
            assert not {"exif", "icc_profile"} & image.info.keys()
            assert np.abs(np.asarray(image).astype(int) - corner()).max() < 40
    cmyk = io.BytesIO()
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(cmyk, "JPEG")
    for content in (cmyk.getvalue(), without_metadata(cmyk.getvalue())):
        np.testing.assert_allclose(square(read(content).image, 8, 3)[4, 4], (255, 0, 0), atol=3)


def test_damaged_pixels_are_not_taken_for_damaged_metadata():
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    for kind in ("PNG", "JPEG", "WEBP", "TIFF"):
        content = saved(noise, kind)
        for broken in (content[: len(content) // 2], b"", content[:40]):
            with pytest.raises(Exception, match=r".") as error:
                read(broken)
            assert "object at 0x" not in str(error.value)
    # What is written anew without metadata is no longer than it was: 20 bytes are missing.
    cut = saved(noise, "TIFF")
    (place,) = struct.unpack_from("<I", cut, 4)
    assert place == 8
    with pytest.raises(OSError):
        read(cut[:-20])
    content = bytearray(png_with(b"eXIf", b"junk"))
    content[content.index(b"IDAT") + 8] ^= 0xFF
    with pytest.raises((OSError, SyntaxError, zlib.error)):
        read(bytes(content))


def test_too_many_pixels_are_refused_before_they_are_decoded():
    content = saved(np.zeros((100, 100), np.uint8), "PNG")
    with pytest.raises(TooManyPixels, match="has 100 x 100 pixels"):
        read(content, most_pixels=9_999)
    assert read(content, most_pixels=10_000).image.size == (100, 100)


def test_a_photograph_of_a_telephone_says_which_plugin_it_needs(monkeypatch):
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)
    if "HEIF" in formats():
        pytest.skip("the plugin is there")
    with pytest.raises(ValueError, match=r'HEIC needs a plugin: pip install "dgn_tf\[heic\]"'):
        read(heic)


@settings(max_examples=40, deadline=None)
@given(
    st.floats(1 / 12, 12),
    st.tuples(st.integers(10, 60), st.integers(10, 60)),
    st.sampled_from((8, 16)),
)
def test_a_stretched_image_is_its_middle_square_as_shown(aspect, size, side):
    """The same as the square of the image once stretched, but for rounding and filters."""
    width, height = size
    rows, columns = np.mgrid[:height, :width]
    smooth = np.stack([columns / width, rows / height, 0 * rows + 0.5], axis=-1)
    image = Image.fromarray(np.uint8(np.rint(255 * smooth)))
    shown = image.resize((max(1, round(width * aspect * 8)), height * 8), Image.Resampling.BILINEAR)
    found = square(image, side, 3, aspect).astype(int)
    if min(width * aspect, height) / max(aspect, 1) < 2:
        return
    assert np.abs(found - square(shown, side, 3)).mean() < 12
    assert square(image, side, 3, 1.0).shape == (side, side, 3)


def test_points_are_where_a_drafted_jpeg_has_them():
    content = saved(corner(401, 263), "JPEG")
    width, height, fraction = upright_size(io.BytesIO(content), 16)
    assert fraction < 1 and (width, height) == read(content, side=16).image.size
    edge = to_square((np.array([200.5, 131.5]) + 0.5) * fraction - 0.5, width, height, 16)
    np.testing.assert_allclose(edge, [7.5, 7.5], atol=0.2)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(("JPEG", "PNG", "WEBP", "TIFF")), st.data())
def test_any_metadata_leave_the_pixels_as_they_are(kind, data):
    """Up to one of the eight orientations, if they are still understood to ask for one."""
    exif = oriented(6).tobytes()
    options = {"lossless": True} if kind == "WEBP" else {}
    content = bytearray(saved(corner(), kind, exif=exif, **options))
    if kind == "TIFF":
        # The entry of the orientation in the directory, whatever it becomes.
        start = content.index(struct.pack("<HH", 0x0112, 3)) + 2
        length = 10
    else:
        start, length = content.index(exif[6:]), len(exif) - 6
    for place, value in data.draw(
        st.dictionaries(st.integers(0, length - 1), st.integers(0, 255), min_size=1)
    ).items():
        content[start + place] = value
    if kind == "PNG" and data.draw(st.booleans()):
        end = start + length
        content[end : end + 4] = struct.pack(">I", zlib.crc32(content[start - 4 : end]))
    image, _ = read(bytes(content))
    plain = read(saved(corner(), kind, **options)).image
    found, expected = (np.asarray(i.convert("RGB")) for i in (image, plain))
    assert any(
        turned.shape == found.shape and (turned == found).all()
        for turned in (turn(expected) for turn in STORE.values())
    )


@pytest.mark.parametrize("bits", [8, 16])
def test_a_gray_tiff_may_say_that_zero_is_white(bits):
    values = np.array([[0, 200], [90, 255]], np.uint8)
    stored = values if bits == 8 else values.astype(np.uint16) * 257
    content = bytearray(saved(stored, "TIFF"))
    (place,) = struct.unpack_from("<I", content, 4)
    rows = range(place + 2, len(content), 12)
    said = next(row for row in rows if content[row : row + 2] == struct.pack("<H", 262))
    content[said + 8] = 0
    shown = square(read(bytes(content)).image, 2, 1)[..., 0]
    np.testing.assert_array_equal(shown, 255 - values)


@pytest.mark.parametrize("values", [[-1000, 3000], [0, 70000]])
def test_whole_numbers_beyond_16_bits_state_no_range(values):
    content = saved(np.array([values], np.int32), "TIFF")
    with pytest.raises(ValueError, match=f"from {values[0]} to {values[1]} state no range"):
        square(read(content).image, 2, 1)


def test_an_image_that_is_huge_is_named(tmp_path, caplog):
    Image.new("1", (12_000, 8_000)).save(tmp_path / "map.png")
    load_folder(str(tmp_path), 32, 1)
    load_files([str(tmp_path / "map.png")], 32, 1)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(tmp_path / "map.png", "inside/map.png")
    load_archive(DataConfig(side=32, channels=1), str(tmp_path / "a.zip"))
    told = [record.getMessage() for record in caplog.records]
    wanted = ("map.png", str(tmp_path / "map.png"), "inside/map.png")
    assert [text.partition(" has 12000 x 8000 pixels")[0] for text in told] == list(wanted)


def test_pillow_does_not_warn_of_a_huge_image_too(tmp_path):
    Image.new("1", (12_000, 8_000)).save(tmp_path / "map.png")
    # A process of its own: what the package tells Python about warnings it tells at its import.
    program = "import sys; from dgn_tf.data.decoding import decode; decode(sys.argv[1])"
    command = [sys.executable, "-c", program, str(tmp_path / "map.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "has 12000 x 8000 pixels" in done.stderr
    assert "DecompressionBombWarning" not in done.stderr


def test_pillow_names_no_line_of_its_own(tmp_path):
    jpeg = saved(corner(), "JPEG")
    album = b"MPF\0II*\0\xff\xff\xff\xff"
    block = b"\xff\xe2" + struct.pack(">H", len(album) + 2) + album
    (tmp_path / "a.jpg").write_bytes(jpeg[:2] + block + jpeg[2:])
    (tmp_path / "a.png").write_bytes(png_with(b"acTL", bytes(8)))
    program = "import sys; from dgn_tf.data.decoding import decode\n"
    program += "for path in sys.argv[1:]: print(decode(path).image.size)"
    command = [sys.executable, "-c", program, *map(str, sorted(tmp_path.iterdir()))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == 2 * ["(40, 24)"]
    assert done.stderr == ""
