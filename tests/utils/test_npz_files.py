"""Archives that are damaged, or say that they are larger than they can be."""

import io
import zipfile

import numpy as np
import pytest

from dgn_tf.utils import npz_files
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.npz_files import npz_headers, read_npz


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def archive(path, **entries):
    """An archive of whatever bytes are given, `a_npy` as a.npy."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in entries.items():
            file.writestr(name.replace("_", "."), content)
    return str(path)


def test_arrays_and_their_headers(tmp_path):
    images = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    fields = np.zeros(2, [("größe", "f4")])
    np.savez_compressed(tmp_path / "a.npz", images=images, turned=images.T, one=3.5, fields=fields)
    found = read_npz(str(tmp_path / "a.npz"))
    assert list(found) == ["images", "turned", "one", "fields"]
    np.testing.assert_array_equal(found["images"], images)
    np.testing.assert_array_equal(found["turned"], images.T)
    assert found["one"] == 3.5 and found["fields"].shape == (2,)
    assert npz_headers(str(tmp_path / "a.npz"))["images"] == ((2, 3, 4), np.uint8)


def test_what_memory_cannot_hold_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = archive(tmp_path / "a.npz", images_npy=npy(np.zeros((1000, 1000))))
    assert (tmp_path / "a.npz").stat().st_size < 100_000
    assert len(read_npz(path)["images"]) == 1000
    monkeypatch.setattr(npz_files, "free_memory", lambda: 4e6)
    monkeypatch.setattr(np, "load", None)
    message = r"npz:.*a.npz: its arrays are 0.0 GB, and 0.0 GB of memory are free"
    with pytest.raises(InputError, match=message):
        read_npz(path)


WHOLE = npy(np.zeros((4, 5), np.uint8))


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"a_npy": WHOLE.replace(b"(4, 5)", b"(9**9,5)"[:6])}, "cannot be read"),
        ({"a_npy": WHOLE.replace(b"(4, 5)", b"(9, 5)")}, r"a.npy is not as long as uint8 \[9, 5\]"),
        ({"a_npy": WHOLE.replace(b"(4, 5)", b"(2, 5)")}, r"a.npy is not as long as uint8 \[2, 5\]"),
        ({"a_npy": WHOLE.replace(b"(4, 5)", b"(-4,5)")}, "a.npy is not as long as"),
        ({"a_npy": WHOLE[:20]}, "cannot be read"),
        ({"a_npy": b""}, "cannot be read"),
        ({"readme_txt": b"hello"}, "cannot be read"),
        ({"a_npy": npy(np.array([{}], object))}, "a.npy holds objects, which need allow_pickle"),
        ({"a_npy": WHOLE, "a": WHOLE}, "two arrays have the same name"),
    ],
)
def test_what_cannot_be_right_is_named(tmp_path, entries, reason):
    path = archive(tmp_path / "a.npz", **entries)
    with pytest.raises(InputError, match=reason) as caught:
        read_npz(path)
    assert str(caught.value).startswith(f"npz:{path}: ")
