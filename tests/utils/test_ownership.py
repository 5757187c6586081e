"""Folders that appear whole or not at all, and leave what others have written."""

import os

import pytest

from dgn_tf.utils.errors import InputError
from dgn_tf.utils.folders import atomic_folder
from dgn_tf.utils.ownership import (
    RECORD,
    REPORT,
    RESULTS,
    Ownership,
    files_under,
    remove_files,
    strangers_in,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def older(folder, *files):
    """A folder that this program has written."""
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("old")
    Ownership(folder, REPORT).add_all()


def test_a_folder_takes_the_place_of_the_old_one(tmp_path):
    folder = tmp_path / "new" / "folder"
    for name in ("a", "b"):
        with atomic_folder(folder, REPORT) as partial:
            (partial / name).write_text(name)
            assert not (folder / name).exists()
        assert names(folder) == [RECORD, name]
    assert names(folder.parent) == ["folder"]


def test_after_an_error_the_old_folder_is_still_there(tmp_path):
    folder = tmp_path / "folder"
    older(folder, "old")
    with pytest.raises(ValueError):
        with atomic_folder(folder, REPORT) as partial:
            (partial / "new").write_text("")
            raise ValueError
    assert names(folder) == [RECORD, "old"]
    assert names(tmp_path) == ["folder"]


def test_the_old_folder_comes_back_if_the_new_one_cannot_be_put_in_place(tmp_path, monkeypatch):
    folder = tmp_path / "folder"
    older(folder, "old")
    replace = os.replace

    def refuse(source, target):
        if source.name == f".partial-{os.getpid()}-folder":
            raise OSError(5, "Input/output error")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="Input/output error"):
        with atomic_folder(folder, REPORT) as partial:
            (partial / "new").write_text("")
    assert names(folder) == [RECORD, "old"]
    assert names(tmp_path) == ["folder"]


def test_what_a_killed_process_of_the_same_number_has_left_is_in_nobodys_way(tmp_path, caplog):
    folder, pid = tmp_path / "folder", os.getpid()
    older(folder, "old")
    for name in (f".partial-{pid}-folder", f".replaced-{pid}-folder"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine").write_text("")
    with atomic_folder(folder, REPORT) as partial:
        (partial / "new").write_text("")
    assert names(folder) == [RECORD, "new"]
    assert names(tmp_path) == [f".partial-{pid}-folder", f".replaced-{pid}-folder", "folder"]
    # What was there before the process was killed may be in it.
    assert f".replaced-{pid}-folder may hold files" in caplog.text


def test_what_others_have_put_into_the_old_folder_moves_into_the_new_one(tmp_path, caplog):
    folder = tmp_path / "folder"
    older(folder, "old", "deep/old")
    for name in ("mine", "deep/mine", "of me/thesis", "new"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"my {name}")
    with atomic_folder(folder, REPORT) as partial:
        (partial / "new").write_text("new")
    assert files_under(folder) == [RECORD, "deep/mine", "mine", "new", "of me/thesis"]
    assert (folder / "deep/mine").read_text() == "my deep/mine"
    # Two files of one name cannot be in one place.
    assert (folder / "new").read_text() == "new"
    (other,) = set(tmp_path.iterdir()) - {folder}
    assert (other / "new").read_text() == "my new" and names(other) == ["new"]
    assert str(other) in caplog.text
    assert Ownership(folder, REPORT).names == {"new"}


@pytest.mark.parametrize("record", [None, "{", '{"files": ["thesis"]}', "damaged", "of results"])
def test_a_folder_without_a_sound_record_of_its_kind_is_not_replaced(tmp_path, record):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "thesis").write_text("mine")
    if record == "damaged":
        Ownership(folder, REPORT).add(["other"])
        text = (folder / RECORD).read_text()
        (folder / RECORD).write_text(text.replace("other", "thesis"))
    elif record == "of results":
        Ownership(folder, RESULTS).add(["thesis"])
    elif record:
        (folder / RECORD).write_text(record)
    with pytest.raises(InputError, match="nothing there is replaced"):
        with atomic_folder(folder, REPORT):
            pytest.fail("the work must not begin")
    assert (folder / "thesis").read_text() == "mine"


def test_a_link_keeps_pointing_to_where_the_folder_is(tmp_path):
    (tmp_path / "big disk").mkdir()
    folder = tmp_path / "folder"
    folder.symlink_to(tmp_path / "big disk")
    for name in ("a", "b"):
        with atomic_folder(folder, REPORT) as partial:
            (partial / name).write_text(name)
    assert folder.is_symlink() and names(tmp_path / "big disk") == [RECORD, "b"]


def test_a_record_that_points_outside_removes_nothing_there(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "thesis").write_text("mine")
    owned = Ownership(folder, REPORT)
    owned.add(["../thesis", str(tmp_path / "thesis"), "a/../../thesis"])
    owned.remove()
    assert names(tmp_path) == ["thesis"]


def test_only_what_is_recorded_is_removed(tmp_path):
    older(tmp_path, "a", "deep/b", ".partial-a")
    (tmp_path / "deep/mine").write_text("")
    (tmp_path / "empty").mkdir()
    assert strangers_in(tmp_path) == ["deep/mine"]
    Ownership(tmp_path, REPORT).remove()
    assert files_under(tmp_path) == ["deep/mine"]
    assert (tmp_path / "empty").is_dir()


def test_names_that_are_no_text_are_recorded(tmp_path):
    name = os.fsdecode(b"caf\xe9[*]")
    older(tmp_path, name)
    assert Ownership(tmp_path, REPORT).names == {name}
    Ownership(tmp_path, REPORT).remove()
    assert not tmp_path.exists()


def test_a_folder_in_the_place_of_a_file_is_left(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/mine").write_text("")
    remove_files(tmp_path, ["a", "a/b", "missing"])
    assert files_under(tmp_path) == ["a/b/mine"]
