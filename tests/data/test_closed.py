"""Files and folders that may not be read are said to be closed: they are no damaged ones."""

import builtins
import io
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from dgn_tf.config import DataConfig
from dgn_tf.data.examples import Examples
from dgn_tf.data.sources import load
from dgn_tf.data.sources.files import load_files
from dgn_tf.data.sources.packed import pack
from dgn_tf.utils.errors import InputError

IMAGES = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)


@pytest.fixture
def close(monkeypatch):
    """A function after which a file or folder may not be read, by the superuser neither."""

    def close(place):
        def refusing(function, itself):
            def call(path=".", *args, **kwargs):
                # A file may be given by its number, too.
                text = "" if isinstance(path, int) else os.path.abspath(os.fsdecode(path))
                if text.startswith(f"{place}/") or (itself and text == str(place)):
                    raise PermissionError(13, "Permission denied", str(path))
                return function(path, *args, **kwargs)

            return call

        for module, name, itself in (
            (os, "stat", False),
            (os, "scandir", True),
            (os, "listdir", True),
            (builtins, "open", True),
            (io, "open", True),
        ):
            monkeypatch.setattr(module, name, refusing(getattr(module, name), itself))

    return close


@pytest.fixture
def data(tmp_path):
    for number, image in enumerate(IMAGES):
        (tmp_path / "images/a").mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / f"images/a/{number}.png")
    (tmp_path / "packed").mkdir()
    pack(Examples(IMAGES, np.arange(4), tuple("abcd")), tmp_path / "packed", 2)
    for folder in ("zip", "npz"):
        (tmp_path / folder).mkdir()
    shutil.make_archive(str(tmp_path / "zip/x"), "zip", tmp_path / "images")
    np.savez(tmp_path / "npz/x.npz", images=IMAGES)
    return tmp_path


@pytest.mark.parametrize(
    ("spec", "closed"),
    [
        ("{}/images", "images"),
        ("folder:{}/images", "images/a"),
        ("shards:{}/packed", "packed"),
        ("{}/packed", "packed"),
        ("{}/packed", "packed/index.json"),
        ("{}/packed", "packed/index.npz"),
        ("{}/packed", "packed/data-00001-of-00002.tfrecord"),
        ("zip:{}/zip/x.zip:a", "zip"),
        ("{}/zip/x.zip", "zip"),
        ("{}/zip/x.zip", "zip/x.zip"),
        ("npz:{}/npz/x.npz:images", "npz"),
        ("{}/npz/x.npz", "npz/x.npz"),
    ],
)
def test_it_is_told_as_what_it_is(data, close, spec, closed):
    close(data / closed)
    with pytest.raises(InputError, match="(?i)permission denied") as error:
        load(DataConfig(data=spec.format(data), side=32, channels=3))
    told = str(error.value)
    assert str(data / closed) in told
    assert not any(word in told for word in ("again", "damaged", "not an", "as a"))


def test_so_is_an_image_that_is_named(data, close):
    close(data / "images/a/1.png")
    with pytest.raises(InputError, match="/1.png: permission denied: allow it"):
        load_files([f"{data}/images/a/0.png", f"{data}/images/a/1.png"], 32, 3)


def test_so_is_a_file_of_no_known_kind(data, close):
    (data / "unknown").write_bytes(b"")
    close(data / "unknown")
    with pytest.raises(InputError, match="/unknown: permission denied: allow it"):
        load(DataConfig(data=f"{data}/unknown", side=32))
