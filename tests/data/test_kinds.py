"""Kinds of files, told by their first bytes."""

import io
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from dgn_tf.data.kinds import HEAD, is_animated, kind_by_content, kind_by_suffix

FRAMES = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


def image_bytes(kind, animated=False):
    file = io.BytesIO()
    first, *rest = (Image.fromarray(frame) for frame in FRAMES)
    options = {"save_all": True, "append_images": rest, "duration": 100} if animated else {}
    first.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    "kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF", "JPEG2000", "MPO"]
)
def test_images(kind):
    content = image_bytes(kind)
    assert kind_by_content("anything", content[:HEAD]) == "image"
    assert is_animated(content) == (kind == "GIF")


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF"])
def test_animations(kind):
    assert is_animated(image_bytes(kind, animated=True)[:4096])


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "libx264"),
        ("a.mov", "mpeg4"),
        ("a.m4v", "mpeg4"),
        ("a.3gp", "mpeg4"),
        ("a.avi", "mjpeg"),
        ("a.mkv", "libx264"),
        ("a.webm", "libvpx"),
        ("a.ts", "mpeg2video"),
        ("a.m2ts", "mpeg2video"),
        ("a.mpg", "mpeg2video"),
        ("a.wmv", "wmv2"),
        ("a.flv", "flv1"),
    ],
)
def test_videos(tmp_path, name, codec):
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream(codec, rate=Fraction(25))
        stream.width, stream.height = 64, 48
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    head = (tmp_path / name).read_bytes()[:HEAD]
    assert kind_by_content("anything", head) == "video"


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("a.txt", b"BM is how this text begins, and it is no bitmap at all"),
        ("a.ts", b"GGexport const a: number = 1;\n" * 20),
        ("a.txt", b""),
        ("a.py", b"#!/usr/bin/env python3"),
        ("a.wav", b"RIFF\0\0\0\0WAVEfmt "),
        ("a.nef", b"II*\0" + bytes(400)),
        ("a.CR2", b"II*\0\x10\0\0\0CR\2\0"),
        ("a.npz", b"PK\3\4"),
        ("a.pdf", b"%PDF-1.7"),
    ],
)
def test_what_is_neither(name, head):
    assert kind_by_content(name, head[:HEAD]) is None and kind_by_suffix(name) is None


def test_suffixes():
    for name in ("a.JPG", "b.jfif", "c.jpe", "d.pjpeg", "e.TIFF", "f.tif", "g.heic", "h.jp2"):
        assert kind_by_suffix(name) == "image"
    for name in ("a.mkv", "b.M4V", "c.mpg", "d.wmv", "e.flv", "f.3gp"):
        assert kind_by_suffix(name) == "video"
    # A suffix of TypeScript too.
    assert kind_by_suffix("a.ts") is None
