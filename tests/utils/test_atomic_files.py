"""Files and folders that appear whole or not at all."""

import os

import pytest

from dgn_tf.utils.files import atomic_folder, atomic_write, write_text


def test_a_text_is_replaced_whole(tmp_path):
    path = tmp_path / "a.json"
    write_text(path, "old ü\n")
    write_text(path, "new ü\n")
    assert path.read_bytes() == "new ü\n".encode()
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_there_only_at_the_end(tmp_path):
    path = tmp_path / "new" / "deep" / "a.json"
    with atomic_write(path) as partial:
        partial.write_text("whole")
        assert not path.exists()
        # Writers tell the format by the suffix, and readers leave hidden files out.
        assert partial.suffix == ".json" and partial.name.startswith(".")
        assert partial.parent == path.parent
    assert path.read_text() == "whole"
    assert names(path.parent) == ["a.json"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_after_an_error_the_old_file_is_still_there(tmp_path, error):
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(type(error)):
        with atomic_write(path) as partial:
            partial.write_text("half")
            raise error
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.json"]


def test_a_writer_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        with atomic_write(tmp_path / "a.json"):
            pass
    assert names(tmp_path) == []


def test_names_that_are_no_text_are_written_as_they_are(tmp_path):
    write_text(tmp_path / "a.txt", os.fsdecode(b"caf\xe9\r\n"))
    assert (tmp_path / "a.txt").read_bytes() == b"caf\xe9\r\n"


def test_a_folder_takes_the_place_of_the_old_one(tmp_path):
    folder = tmp_path / "new" / "folder"
    for name in ("a", "b"):
        with atomic_folder(folder) as partial:
            (partial / name).write_text(name)
            assert not (folder / name).exists()
        assert names(folder) == [name]
    assert names(folder.parent) == ["folder"]


def test_after_an_error_the_old_folder_is_still_there(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "old").write_text("")
    with pytest.raises(ValueError):
        with atomic_folder(folder) as partial:
            (partial / "new").write_text("")
            raise ValueError
    assert names(folder) == ["old"]
    assert names(tmp_path) == ["folder"]


def test_the_old_folder_comes_back_if_the_new_one_cannot_be_put_in_place(tmp_path, monkeypatch):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "old").write_text("")
    replace = os.replace

    def refuse(source, target):
        if source.name.startswith(".partial"):
            raise OSError(5, "Input/output error")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="Input/output error"):
        with atomic_folder(folder) as partial:
            (partial / "new").write_text("")
    assert names(folder) == ["old"]
    assert names(tmp_path) == ["folder"]
