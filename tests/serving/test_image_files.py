"""Image files in a served graph against what Pillow and the product make of them."""

import io
import struct

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from dgn_tf.data.decoding import decode
from dgn_tf.data.squares import eight_bits, square
from dgn_tf.serving.image_files import squares, upright

SIDE = 32
SQUARES = {
    channels: tf.function(
        lambda files, channels=channels: squares("image_bytes", files, [SIDE, SIDE, channels]),
        input_signature=[tf.TensorSpec(None, tf.string)],
        autograph=False,
    )
    for channels in (1, 3)
}


def drawing(width, height, bands=3, seed=0):
    """A smooth random image."""
    shape = (max(2, height // 12), max(2, width // 12), bands)
    small = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    small = small[..., 0] if bands == 1 else small
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def file_of(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def exif(orientation, order="<", kind=3):
    """EXIF data that state an orientation, as a SHORT (3) or a LONG (4)."""
    value = struct.pack(order + ("HH" if kind == 3 else "I"), *([orientation, 0][: 5 - kind]))
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "IH", 8, 1)
    entry = struct.pack(order + "HHI", 0x0112, kind, 1) + value
    return b"Exif\0\0" + head + entry + bytes(4)


def check(file, usual=1.0, most=2.0):
    """The served image is Pillow's, and squares are the product's up to `most` levels.

    Only in a pixel of a hundred, where roundings add up, they differ by more than the usual.
    """
    image = Image.open(io.BytesIO(file))
    whole = np.asarray(eight_bits(ImageOps.exif_transpose(image)).convert("RGB"))
    np.testing.assert_array_equal(upright(file).numpy(), whole)
    for channels, function in SQUARES.items():
        wanted = square(decode(io.BytesIO(file))[0], SIDE, channels)
        found = 255 * function([file]).numpy()[0]
        difference = np.abs(found - wanted)
        assert difference.max() <= most + 1e-3
        assert np.mean(difference > usual + 1e-3) <= 0.01


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.tuples(st.integers(8, 90), st.integers(8, 90)),
    bands=st.integers(1, 4),
    kind=st.sampled_from(["JPEG", "PNG"]),
    orientation=st.integers(0, 9),
    order=st.sampled_from("<>"),
    number=st.sampled_from([3, 4]),
)
def test_any_image_is_read_as_the_product_reads_it(sizes, bands, kind, orientation, order, number):
    if kind == "JPEG":
        bands = 1 if bands < 3 else 3
    image = drawing(*sizes, bands, seed=sum(sizes))
    check(file_of(image, kind, exif=exif(orientation, order, number)))


RGB = drawing(60, 40)


@pytest.mark.parametrize(
    "file",
    [
        file_of(RGB, "JPEG", progressive=True),
        file_of(RGB, "JPEG", subsampling=0),
        file_of(RGB.convert("CMYK"), "JPEG"),
        file_of(RGB, "JPEG", exif=b"Exif\0\0This_is_not_valid"),
        file_of(RGB, "JPEG", exif=b"Exif\0\0"),
        file_of(RGB, "JPEG", exif=exif(6)[:-6]),
        file_of(RGB.quantize(16)),
        file_of(RGB.quantize(16), transparency=3),
        file_of(RGB.quantize(200)),
        file_of(RGB, transparency=RGB.getpixel((0, 0))),
        file_of(RGB.convert("1")),
        file_of(Image.fromarray(np.asarray(RGB.convert("L")).astype(np.uint16) * 257 - 100)),
        file_of(Image.new("RGB", (1, 1), (9, 8, 7))),
        file_of(RGB.resize((SIDE, SIDE))),
    ],
    ids=[
        "progressive",
        "4:4:4",
        "CMYK",
        "EXIF that is none",
        "EXIF that is empty",
        "EXIF that is cut",
        "palette",
        "transparent palette",
        "large palette",
        "transparent color",
        "1 bit",
        "16 bits",
        "one pixel",
        "right size",
    ],
)
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_the_kinds_of_files_are_read(file):
    check(file)


def test_exif_is_found_behind_other_segments():
    file = file_of(RGB, "JPEG", exif=exif(6))
    other = b"\xff\xe2" + struct.pack(">H", 3000) + bytes([255, 225]) * 1499
    check(file[:2] + other + b"\xff\xff" + file[2:])
    # In the pixels, it is none.
    check(file_of(RGB, "JPEG") + b"\xff\xe1\x00\x40" + exif(6))


def test_a_large_image_is_read_nearly_as_the_product_reads_it():
    # The product averages blocks first.
    check(file_of(drawing(700, 900)), usual=4.0, most=4.0)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([b""], "files must be JPEG or PNG"),
        ([file_of(RGB, "GIF")], "files must be JPEG or PNG"),
        ([file_of(RGB, "BMP"), file_of(RGB)], "files must be JPEG or PNG"),
        ([file_of(RGB, "JPEG")[:300]], "Invalid JPEG data"),
        ([file_of(RGB)[:100]], "Invalid PNG data"),
        ([b"\x89PNG\r\n\x1a\n"], "at most 64000000 pixels; one has height and width"),
        ([file_of(RGB)[:16] + struct.pack(">II", 2**16, 2**16)], "at most 64000000 pixels"),
        ([file_of(RGB)[:16] + struct.pack(">II", 2**31, 1)], "at most 64000000 pixels"),
        ([], r"image_bytes must have shape \[any\]"),
        ([[file_of(RGB)]], r"image_bytes must have shape \[any\]"),
        (file_of(RGB), r"image_bytes must have shape \[any\]"),
    ],
)
def test_what_is_no_image_is_refused(files, said):
    with pytest.raises(tf.errors.InvalidArgumentError, match=said):
        SQUARES[3](tf.constant(files, tf.string))


def test_frames_of_clips_are_read_one_by_one():
    images = [[drawing(40, 40, seed=3 * row + column) for column in range(3)] for row in range(2)]
    files = [[file_of(image) for image in row] for row in images]
    found = squares("clip_bytes", tf.constant(files), [3, SIDE, SIDE, 1])
    assert found.shape == (2, 3, SIDE, SIDE, 1)
    for row, column in np.ndindex(2, 3):
        wanted = square(images[row][column], SIDE, 1)
        assert np.abs(255 * found[row, column] - wanted).max() <= 1.001
