"""ZIP archives of images: the same images, ids and classes as in a folder, and nothing else."""

import io
import logging
import struct
import zipfile

import numpy as np
import pytest
from PIL import Image

from dgn_tf.data.labels import class_folders
from dgn_tf.data.landmark_columns import HEADER
from dgn_tf.data.landmarks import read_landmarks
from dgn_tf.data.sources import archives
from dgn_tf.utils.errors import InputError

SIDE = 8


def image_bytes(value, kind="PNG", side=SIDE, **options):
    file = io.BytesIO()
    Image.new("L", (side, side), value).save(file, kind, **options)
    return file.getvalue()


def pack(path, members, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def load(load_data):
    return lambda path, **options: load_data(f"zip:{path}", SIDE, 1, **options)


METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]


@pytest.mark.parametrize("method", METHODS)
def test_images_ids_and_classes_are_those_of_a_folder(tmp_path, load_data, load, method):
    members = {f"{c}/{k}.png": image_bytes(10 * c + k) for c in range(12) for k in range(2)}
    for name, content in members.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(content)
    path = pack(tmp_path / "x.zip", members, method)
    before = path.read_bytes()
    found, folder = load(path), load_data(f"folder:{tmp_path}/in", SIDE, 1)
    assert list(found.names) == [f"{c}/{k}.png" for c in range(12) for k in range(2)]
    assert found.factors["label"].tolist() == np.repeat(np.arange(12), 2).tolist()
    assert class_folders(found) == [str(c) for c in range(12)]
    rows = {name: row for row, name in enumerate(folder.names)}
    same = folder.subset([rows[name] for name in found.names])
    assert same.fingerprint() == found.fingerprint()
    assert same.factors["label"].tolist() == found.factors["label"].tolist()
    assert load(path, where="label=2").names == ("2/0.png", "2/1.png")
    assert load(path, limit=3).names == found.names[:3]
    assert load_data(str(path), SIDE, 1).fingerprint() == found.fingerprint()
    # Nothing is unpacked.
    assert path.read_bytes() == before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["in", "x.zip"]


def test_a_folder_of_an_archive(tmp_path, load):
    members = {f"photos/{c}/{k}.png": image_bytes(k) for c in "ab" for k in range(2)}
    path = pack(tmp_path / "x.zip", members | {"photos2/c.png": image_bytes(9)})
    assert load(path).factors == {"label": pytest.approx(np.array([0, 0, 0, 0, 1]))}
    inside = load(f"{path}:photos")
    assert inside.names == ("a/0.png", "a/1.png", "b/0.png", "b/1.png")
    assert inside.factors["label"].tolist() == [0, 0, 1, 1]
    assert load(f"{path}:photos/a/").names == ("0.png", "1.png")
    with pytest.raises(InputError, match="x.zip: holds no image file in its folder other"):
        load(f"{path}:other")


def test_what_is_left_out_is_told(tmp_path, load, caplog):
    whole = image_bytes(5)
    members = {
        "a.png": whole,
        "photograph": image_bytes(6, "JPEG"),
        "b.jfif": image_bytes(7, "JPEG", exif=b"Exif\0\0This_is_not_valid"),
        "broken.png": whole[:40],
        "notes.txt": b"text",
        "film.mp4": b"\0\0\0\x18ftypisom",
        ".hidden.png": whole,
        "__MACOSX/._a.png": b"junk",
        "deep/@eaDir/a.png": whole,
        "deep/.git/x.png": whole,
        "empty/": b"",
    }
    with caplog.at_level(logging.WARNING):
        found = load(pack(tmp_path / "x.zip", members))
    assert found.names == ("a.png", "b.jfif", "photograph")
    assert found.images[:, 0, 0, 0].tolist() == [5, 7, 6]
    texts = [record.getMessage() for record in caplog.records]
    assert len(texts) == 3
    assert "not images, and left out: 1 .mp4, 1 .txt" in texts[0]
    assert "1 of 4 files cannot be read and are left out:\n  broken.png (" in texts[1]
    assert (
        "damaged metadata is ignored, and what it may say of the orientation (images: 1" in texts[2]
        and "b.jfif" in texts[2]
    )


def test_paths_lead_nowhere(tmp_path, load):
    members = {
        "/etc/a.png": image_bytes(1),
        "../../b.png": image_bytes(2),
        "c/./d.png": image_bytes(3),
    }
    found = load(pack(tmp_path / "x.zip", members))
    assert found.names == ("b.png", "c/d.png", "etc/a.png")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["x.zip"]


def encrypt(path):
    """Sets the flag of encryption of every member, as a password would."""
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        place = content.find(mark)
        while place >= 0:
            content[place + offset] |= 1
            place = content.find(mark, place + 4)
    path.write_bytes(content)


def test_encrypted_archives_are_refused(tmp_path, load):
    path = pack(tmp_path / "x.zip", {"a.png": image_bytes(1), "b.png": image_bytes(2)})
    encrypt(path)
    with pytest.raises(InputError, match="2 of its files are encrypted, the first is a.png"):
        load(path)


def test_bombs_are_left_out_before_they_unpack(tmp_path, load, monkeypatch, caplog):
    header = b"IHDR" + struct.pack(">IIBBBBB", 50_000, 50_000, 8, 0, 0, 0, 0)
    chunks = b"\0\0\0\x0d" + header + bytes(4)
    members = {
        "a.png": image_bytes(1),
        "pixels.png": b"\x89PNG\r\n\x1a\n" + chunks,
        "zeros.png": bytes(2_000_000),
    }
    path = pack(tmp_path / "x.zip", members)
    assert path.stat().st_size < 4_000
    monkeypatch.setattr(archives, "MOST_BYTES", 1_000_000)
    assert load(path).names == ("a.png",)
    assert "zeros.png (ValueError: unpacks to 2 MB, more than an image has)" in caplog.text
    assert "pixels.png (" in caplog.text


def test_archives_that_cannot_be_read_are_named(tmp_path, load):
    with pytest.raises(InputError, match="nowhere.zip: there is no such file"):
        load(tmp_path / "nowhere.zip")
    (tmp_path / "x.zip").write_bytes(b"no archive")
    with pytest.raises(InputError, match="x.zip: cannot be read as a ZIP archive"):
        load(tmp_path / "x.zip")
    with pytest.raises(InputError, match="holds no image file .*: it holds 1 .txt"):
        load(pack(tmp_path / "x.zip", {"a.txt": b"text"}))
    with pytest.raises(InputError, match="none of its 1 image files can be read; the first is a.p"):
        load(pack(tmp_path / "x.zip", {"a.png": b"junk"}))
    with pytest.raises(InputError, match="cannot be read as a ZIP archive: is a folder"):
        load(tmp_path)
    with zipfile.ZipFile(tmp_path / "twice.zip", "w") as archive:
        archive.writestr("a.png", image_bytes(1))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.png", image_bytes(2))
    with pytest.raises(InputError, match="twice.zip: has two files a.png"):
        load(tmp_path / "twice.zip")


def test_a_damaged_member_is_named_and_the_others_are_read(tmp_path, load, caplog):
    members = {f"{k}.png": image_bytes(k, side=40) for k in range(3)}
    path = pack(tmp_path / "x.zip", members, zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    content[content.index(b"1.png") + 60] ^= 0xFF
    path.write_bytes(content)
    assert load(path).names == ("0.png", "2.png")
    assert "1.png (BadZipFile: Bad CRC-32" in caplog.text


def test_a_table_gives_landmarks_of_images_in_an_archive(tmp_path, load):
    face = np.array([[4, 5], [11, 5], [8, 9], [5, 12], [10, 12]])
    path = pack(tmp_path / "x.zip", {f"in/{k}.png": image_bytes(k, side=16) for k in range(2)})
    row = "1.png," + ",".join(map(str, face.ravel()))
    (tmp_path / "t.csv").write_text(f"{HEADER}\n{row}\n")
    for spec in (f"zip:{path}", f"zip:{path}:in", str(path)):
        images = load(spec.removeprefix("zip:"))
        kept, points = read_landmarks(str(tmp_path / "t.csv"), spec, images)
        assert kept.tolist() == [1]
        np.testing.assert_allclose(points[0], (face + 0.5) / 2 - 0.5)


def named_by(system, path, names):
    """An archive of images whose names stand there as a program of a system has written them."""
    with zipfile.ZipFile(path, "w") as archive:
        for number, name in enumerate(names):
            info = zipfile.ZipInfo("x")
            info.filename, info.create_system = name, system
            archive.writestr(info, image_bytes(number))
    return path


def test_folders_may_be_written_with_backslashes_where_programs_do_so(tmp_path, load):
    names = ["cat\\a.png", "dog\\", "dog\\b.png"]
    found = load(named_by(0, tmp_path / "windows.zip", names))
    assert found.names == ("cat/a.png", "dog/b.png")
    assert found.factors["label"].tolist() == [0, 1]
    # Elsewhere it is part of a name, as in a folder.
    assert load(named_by(3, tmp_path / "unix.zip", names[:1])).names == ("cat\\a.png",)


def test_entries_that_name_nothing_lose_no_others(tmp_path, load):
    path = named_by(3, tmp_path / "x.zip", ["..", ".", "", "a/b.png"])
    assert load(path).names == ("a/b.png",)
    assert load(f"{path}:./a//").names == ("b.png",)


def test_a_folder_of_an_archive_and_the_archive_may_have_colons(tmp_path, load):
    path = pack(tmp_path / "x: 2.zip", {"a:b/1.png": image_bytes(1), "c/2.png": image_bytes(2)})
    assert load(f"{path}:a:b").names == ("1.png",)
    assert load(f"{path}:c").names == ("2.png",)
    assert len(load(path)) == 2
    with pytest.raises(InputError, match="holds no image file in its folder a:c"):
        load(f"{path}:a:c")
