"""Files that appear whole or not at all, and paths that are no patterns."""

import errno
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dgn_tf import pack, prepare
from dgn_tf.data.sources import packed
from dgn_tf.utils.errors import disk_reason
from dgn_tf.utils.files import (
    LOCK,
    RECORD,
    atomic_write,
    literal_path,
    matching_paths,
    partial_path,
    user_path,
    write_text,
)
from dgn_tf.utils.folders import atomic_folder, new_folder


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


def test_the_home_folder_is_meant_by_a_tilde_alone(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_path("~/a/b") == tmp_path / "a/b"
    assert user_path("~") == tmp_path
    # A file, and no user: `Path.expanduser` would raise.
    assert str(user_path("~copy.jpg")) == "~copy.jpg"
    assert str(user_path("a/~/b")) == "a/~/b"


NAMES = st.text(st.sampled_from("ab1[]*?\\ !-^{}~%#.ü"), min_size=1, max_size=6).filter(
    lambda name: name.strip(".") and not name.startswith("~")
)


@given(NAMES, NAMES, st.lists(NAMES, max_size=3))
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
def test_a_path_that_is_there_names_itself(first, second, others):
    with tempfile.TemporaryDirectory() as root:
        wanted = Path(root, first, second)
        for path in (wanted, *(Path(root, name, second) for name in others)):
            path.mkdir(parents=True, exist_ok=True)
            (path / "x").write_text(str(path))
        assert matching_paths(wanted) == [wanted]
        with literal_path(wanted) as link:
            assert (link / "x").read_text() == str(wanted)
            assert not set("[]*?\\") & set(str(link))


def test_a_path_that_is_not_utf8_is_read_by_a_link(tmp_path):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    (folder / "x").write_text("read")
    with literal_path(folder) as link:
        assert (link / "x").read_text() == "read"
        assert str(link).encode().isascii()


def test_a_pattern_names_what_matches_below_a_folder_with_marks_in_its_name(tmp_path):
    for name in ("run[1]/part-0", "run[1]/part-1", "run[1]/.part-2", "run1/part-9"):
        (tmp_path / name).mkdir(parents=True)
    root = tmp_path / "run[1]"
    assert matching_paths(root / "part-*") == [root / "part-0", root / "part-1"]
    assert matching_paths(root / "*") == [root / "part-0", root / "part-1"]
    assert matching_paths(tmp_path / "run[12]") == [tmp_path / "run1"]
    assert matching_paths(tmp_path / "none/*") == []


def test_a_link_keeps_pointing_to_the_file_that_is_written(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk/a.json").write_text("old")
    for name in ("a.json", "new.json"):
        link = tmp_path / name
        link.symlink_to(tmp_path / "disk" / name)
        write_text(link, "new")
        assert link.is_symlink() and (tmp_path / "disk" / name).read_text() == "new"
    assert names(tmp_path / "disk") == ["a.json", "new.json"]


def test_who_may_read_a_file_stays_when_it_is_replaced(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    path.chmod(0o600)
    write_text(path, "new")
    assert path.stat().st_mode & 0o777 == 0o600


def test_no_file_takes_the_place_of_a_pipe(tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(OSError, match="is a pipe or device"):
        write_text(tmp_path / "pipe.json", "x")
    assert (tmp_path / "pipe.json").is_fifo() and names(tmp_path) == ["pipe.json"]


def test_the_longest_name_that_a_file_system_takes_can_be_written(tmp_path):
    # Of two bytes each, so that none is cut in half.
    path = tmp_path / ("ü" * 125 + ".json")
    write_text(path, "x")
    assert path.read_text() == "x" and names(tmp_path) == [path.name]


def test_two_that_write_one_file_at_once_both_write_it_whole(tmp_path):
    path = tmp_path / "a.json"
    with atomic_write(path) as first:
        first.write_text("first, half")
        with atomic_write(path) as second:
            second.write_text("second")
            assert second.suffix == ".json" and second != first
        assert path.read_text() == "second"
        first.write_text("first, whole")
    assert path.read_text() == "first, whole" and names(tmp_path) == ["a.json"]


def test_in_a_folder_with_a_lock_what_a_killed_process_left_is_written_over(tmp_path):
    folder = tmp_path / "run" / "samples"
    folder.mkdir(parents=True)
    for name in (LOCK, RECORD):
        (tmp_path / "run" / name).touch()
    partial_path(folder / "a.txt").write_text("half of")
    write_text(folder / "a.txt", "whole")
    assert [path.name for path in folder.iterdir()] == ["a.txt"]
    assert (folder / "a.txt").read_text() == "whole"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG])
def test_what_a_disk_refuses_names_the_file(tmp_path, number):
    """Systems name none, or the one that is made first; libraries raise errors of their own."""
    said = os.strerror(number)
    for error in (OSError(number, said), RuntimeError(f"HDF5: {said}"), None):
        path = tmp_path / "a.json"
        with pytest.raises(OSError) as found, atomic_write(path) as partial:
            raise error or OSError(number, said, str(partial))
        assert (found.value.errno, found.value.filename) == (number, str(path))
        assert disk_reason(found.value) == f"{said}: {path}"
    # Others are passed on as they are, and so is what has a name.
    for error in (OSError(errno.EACCES, "no"), ValueError("x"), OSError(number, said, "b.json")):
        with pytest.raises(type(error)) as found, atomic_write(tmp_path / "a.json"):
            raise error
        assert found.value is error
    with pytest.raises(OSError) as found, atomic_folder(tmp_path / "out", "a report"):
        raise OSError(number, said)
    assert found.value.filename == str(tmp_path / "out")
    with pytest.raises(OSError) as found, atomic_folder(tmp_path / "out", "a report") as partial:
        raise OSError(number, said, str(partial / "a" / "b.png"))
    assert found.value.filename == str(tmp_path / "out" / "a" / "b.png")
    with pytest.raises(OSError) as found, new_folder(tmp_path / "out", "no"):
        raise OSError(number, said)
    assert found.value.filename == str(tmp_path / "out")


def test_a_disk_that_is_full_is_named_by_commands_with_the_file(tmp_path, run_app, monkeypatch):
    Image.new("RGB", (32, 32)).save(tmp_path / "a.png")
    (tmp_path / "in").mkdir()
    (tmp_path / "a.png").rename(tmp_path / "in" / "a.png")

    def full(*given, **more):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as broken:
        broken.setattr("dgn_tf.data.cropping.crops.Image.Image.save", full)
        said = run_app(prepare, f"{tmp_path}/in", f"{tmp_path}/out", "--crop=centre")
    crop = f"{tmp_path}/out/crops/a.png"
    assert said.status == 1
    assert said.err.startswith(f"error: {crop} cannot be written (No space left on device)")
    monkeypatch.setattr("dgn_tf.data.sources.packed.np.savez", full)
    data = (f"--data={tmp_path}/in", "--side=32", f"--output={tmp_path}/packed")
    said = run_app(pack, *data)
    assert said.status == 1 and said.err.count("\n") == 1
    assert f"(No space left on device: {tmp_path}/packed)" in said.err
    assert not (tmp_path / "packed").exists()


def test_of_two_that_pack_into_one_new_folder_one_wins(tmp_path, run_app, monkeypatch):
    (tmp_path / "in").mkdir()
    Image.new("RGB", (32, 32)).save(tmp_path / "in" / "a.png")
    command = (f"--data={tmp_path}/in", "--side=32", f"--output={tmp_path}/packed")
    write = packed.pack

    def slow(examples, folder, *more):
        write(examples, folder, *more)
        with atomic_folder(tmp_path / "packed", "packed data", new=True) as quicker:
            write(examples, quicker, *more)

    monkeypatch.setattr(packed, "pack", slow)
    said = run_app(pack, *command)
    wanted = f"error: {tmp_path}/packed was made by another process meanwhile, and stays as it is"
    assert said.status == 2 and wanted in said.err
    assert names(tmp_path) == ["in", "packed"]
    assert len(packed.load_packed(str(tmp_path / "packed"), 32, 3)) == 1


def test_what_another_process_is_about_to_begin_is_no_foreign_folder(tmp_path, run_app):
    (tmp_path / "in").mkdir()
    Image.new("RGB", (32, 32)).save(tmp_path / "in" / "a.png")
    (tmp_path / "out").mkdir()
    for name in (".lock", ".partial-settings.json"):
        (tmp_path / "out" / name).touch()
    said = run_app(prepare, f"{tmp_path}/in", f"{tmp_path}/out", "--crop=centre")
    assert said.status == 0, said.err
