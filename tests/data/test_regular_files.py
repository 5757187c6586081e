"""No reader waits for a pipe, a socket or a device: only regular files are opened."""

import os
import signal
import socket
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dgn_tf.data.cropping.journal import Journal
from dgn_tf.data.cropping.preparing import CropSettings, prepare
from dgn_tf.data.examples import Examples
from dgn_tf.data.labels import read_labels
from dgn_tf.data.landmarks import read_landmarks
from dgn_tf.data.sources.files import load_files, load_photograph, load_photographs
from dgn_tf.data.sources.folders import load_folder
from dgn_tf.data.sources.packed import load_packed
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.npz_files import read_npz
from dgn_tf.utils.reading import open_regular, read_regular


@pytest.fixture(autouse=True)
def in_time():
    """Ends what waits."""

    def late(number, frame):
        raise TimeoutError("waits for a pipe")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


CLIPS = Examples(np.zeros((1, 2, 8, 8, 1), np.uint8), np.arange(1), ("x.mp4#000",))
IMAGES = Examples(np.zeros((1, 8, 8, 1), np.uint8), np.arange(1), ("x.png",))
READERS = {
    "files": lambda path: load_files([path], 8, 1),
    "photograph": load_photograph,
    "photographs": lambda path: load_photographs(path, 3),
    "npz": read_npz,
    "landmarks": lambda path: read_landmarks(path, os.path.dirname(path), IMAGES),
    "labels": lambda path: read_labels(path, ("mood",), CLIPS),
    "journal": lambda path: Journal(Path(path), ("source",)),
}


@pytest.fixture(params=["pipe", "link", "socket", "device"])
def irregular(request, tmp_path, monkeypatch):
    path = tmp_path / "x.jpg"
    if request.param == "pipe":
        os.mkfifo(path)
    elif request.param == "link":
        os.mkfifo(tmp_path / "pipe")
        path.symlink_to(tmp_path / "pipe")
    elif request.param == "socket":
        with socket.socket(socket.AF_UNIX) as listener:
            # A socket's path must be short.
            monkeypatch.chdir(tmp_path)
            listener.bind("x.jpg")
    else:
        path.symlink_to("/dev/zero")
    return path


@pytest.mark.parametrize("reader", READERS)
def test_a_reader_refuses_what_is_no_regular_file(irregular, reader):
    with pytest.raises(InputError, match="not a regular file") as error:
        READERS[reader](str(irregular))
    assert "x.jpg" in str(error.value)


def test_a_folder_goes_on_without_it(irregular, caplog):
    Image.new("L", (8, 8)).save(irregular.with_name("y.png"))
    assert load_folder(str(irregular.parent), 8, 1).names == ("y.png",)
    assert "x.jpg (" in caplog.text and "not a regular file" in caplog.text
    irregular.rename(irregular.with_name("unknown"))
    assert load_folder(str(irregular.parent), 8, 1).names == ("y.png",)
    assert "1 without suffix" in caplog.text


@pytest.mark.parametrize("name", ["x.mp4", "x.gif", "unknown", "x.zip", "x.npz"])
def test_sources_of_clips_and_archives_refuse_it(tmp_path, name, load_data):
    os.mkfifo(tmp_path / name)
    kind = {".zip": "zip", ".npz": "npz"}.get(os.path.splitext(name)[1], "clips")
    with pytest.raises(InputError):
        load_data(f"{kind}:{tmp_path}/{name}", 8, 1, frames=2 * (kind == "clips"))
    with pytest.raises(InputError):
        load_data(f"{tmp_path}/{name}", 8, 1, frames=2)


def test_frames_and_crops_go_on_without_it(tmp_path, load_data, caplog):
    folder = tmp_path / "a"
    folder.mkdir()
    for number in range(3):
        Image.new("L", (16, 16)).save(folder / f"{number}.png")
    os.mkfifo(folder / "3.png")
    assert len(load_data(f"clips:{tmp_path}", 8, 1, frames=3)) == 1
    counts = prepare(str(folder), str(tmp_path / "out"), CropSettings(crop="centre", side=8))
    assert counts["crops"] == 3 and counts["skipped"] == 1


def test_packed_folders_and_their_lists(tmp_path):
    os.mkfifo(tmp_path / "index.json")
    with pytest.raises(InputError, match="not a regular file"):
        load_packed(str(tmp_path), 8, 1)


def test_regular_files_are_read(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert read_regular(tmp_path / "b") == b"abc"
    with open_regular(tmp_path / "b") as file:
        assert file.read() == b"abc"
    with pytest.raises(IsADirectoryError):
        open_regular(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_regular(tmp_path / "c")
