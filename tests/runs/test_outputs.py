import os
from pathlib import Path

import pytest

from dgn_tf.runs.directory import Run
from dgn_tf.runs.outputs import output_folder
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.folders import atomic_folder, partial_folder
from dgn_tf.utils.ownership import RECORD, RESULTS, files_under


def test_occupied_output_folders_are_kept(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "mine.jpg").write_text("x")
    for name, overwrite, message in (
        ("file", True, "is a file"),
        ("photos", False, "not empty: name another, or give `overwrite`"),
        ("photos", True, "nothing there is replaced"),
        ("file/below", False, "cannot be made"),
    ):
        with pytest.raises(InputError, match=message):
            with output_folder(tmp_path / name, overwrite):
                pytest.fail("the work must not begin")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["file", "mine.jpg", "photos"]


def test_results_survive_when_their_place_is_taken_meanwhile(tmp_path):
    with pytest.raises(InputError, match="the results are in .*partial"):
        with output_folder(tmp_path / "out", False) as folder:
            (folder / "report.json").write_text("hours of work")
            (tmp_path / "out").mkdir()
            (tmp_path / "out" / "other").write_text("")
    assert (folder / "report.json").read_text() == "hours of work"


@pytest.mark.parametrize("made", [output_folder, lambda path, _: atomic_folder(path, RESULTS)])
def test_folders_that_were_made_for_nothing_are_gone_again(tmp_path, made):
    (tmp_path / "mine").mkdir()
    with pytest.raises(KeyboardInterrupt):
        with made(tmp_path / "mine/new/deep/out", False) as folder:
            (folder / "half.png").write_text("")
            raise KeyboardInterrupt
    assert [p.name for p in tmp_path.rglob("*")] == ["mine"]


def test_what_a_killed_command_has_left_is_told(tmp_path, caplog):
    # As after SIGKILL: nothing is cleared.
    left = partial_folder(tmp_path / "out")
    left.mkdir()
    with output_folder(tmp_path / "out", False) as folder:
        assert folder != left
    assert f"{left} is left of one that was killed: remove it" in caplog.text
    assert left.exists() and caplog.text.count("remove it") == 1


def test_a_folder_that_is_being_filled_is_none_that_was_left(tmp_path, caplog, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with atomic_folder(Path("out"), RESULTS) as folder:
        (folder / "report.json").write_text("new")
    assert (tmp_path / "out/report.json").exists() and not caplog.text


def test_an_empty_output_folder_is_used(tmp_path):
    (tmp_path / "out").mkdir()
    with output_folder(tmp_path / "out", False) as folder:
        (folder / "report.json").write_text("new")
        assert not list((tmp_path / "out").iterdir())
    assert (tmp_path / "out" / "report.json").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_report_that_lies_there_does_not_make_a_folder_ours(tmp_path):
    thesis = tmp_path / "guard/thesis/chapter1.tex"
    thesis.parent.mkdir(parents=True)
    thesis.write_text("x")
    (tmp_path / "guard/report.json").write_text("{}")
    with pytest.raises(InputError, match="nothing there is replaced"):
        with output_folder(tmp_path / "guard", True):
            pytest.fail("the work must not begin")
    assert thesis.read_text() == "x"


def test_what_a_killed_process_of_the_same_number_has_left_is_in_nobodys_way(tmp_path):
    # In a container each command may be process 1.
    left = tmp_path / f".out.partial-{os.getpid()}"
    left.mkdir()
    (left / "half.png").write_text("x")
    write(tmp_path / "out", "one")
    assert (tmp_path / "out/report.json").read_text() == "one"
    assert files_under(left) == ["half.png"]


def write(folder, text, overwrite=False, sources=()):
    with output_folder(folder, overwrite, sources) as partial:
        (partial / "images").mkdir()
        (partial / "report.json").write_text(text)
        (partial / f"images/{text}.png").write_text(text)


def test_overwriting_keeps_what_others_have_added(tmp_path, caplog):
    write(tmp_path / "out", "old")
    (tmp_path / "out/images/mine.png").write_text("mine")
    (tmp_path / "out/notes.txt").write_text("mine")
    write(tmp_path / "out", "new", overwrite=True)
    assert files_under(tmp_path / "out") == [
        RECORD,
        "images/mine.png",
        "images/new.png",
        "notes.txt",
        "report.json",
    ]
    assert "kept what this program did not write: images/mine.png, notes.txt" in caplog.text
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_results_that_are_read_are_not_overwritten(tmp_path):
    write(tmp_path / "out", "old")
    with pytest.raises(InputError, match="holds the data"):
        write(tmp_path / "out", "new", overwrite=True, sources=[tmp_path / "out/images"])
    assert (tmp_path / "out/images/old.png").exists()


def test_a_run_is_not_overwritten_by_results(tmp_path):
    Run(tmp_path / "run").lock()
    with pytest.raises(InputError, match="nothing there is replaced"):
        write(tmp_path / "run", "new", overwrite=True)


def test_an_empty_output_folder_stays_the_same_folder(tmp_path, monkeypatch):
    # Its owner may have allowed others nothing, and a shell may be in it.
    (tmp_path / "out").mkdir(mode=0o700)
    monkeypatch.chdir(tmp_path / "out")
    before = os.stat(tmp_path / "out")
    write(".", "one")
    after = os.stat(tmp_path / "out")
    assert (before.st_ino, before.st_mode) == (after.st_ino, after.st_mode)
    assert files_under(Path()) == [RECORD, "images/one.png", "report.json"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def mounted(monkeypatch, folder):
    """Let a disk be mounted at a folder: nothing can take its place."""
    replace, ismount = os.replace, os.path.ismount

    def refusing(source, target):
        if folder in (Path(source), Path(target)):
            raise OSError(16, "Device or resource busy")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refusing)
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path) == folder or ismount(path))


def test_results_are_written_onto_a_mounted_disk(tmp_path, monkeypatch, caplog):
    out = tmp_path / "out"
    out.mkdir()
    mounted(monkeypatch, out)
    write(out, "old")
    (out / "images/new.png").write_text("mine")
    (out / "notes.txt").write_text("mine")
    (tmp_path / "thesis").mkdir()
    write(out, "new", overwrite=True)
    assert files_under(out) == [
        RECORD,
        "images/.replaced-new.png",
        "images/new.png",
        "notes.txt",
        "report.json",
    ]
    assert (out / "images/.replaced-new.png").read_text() == "mine"
    assert "is now" in caplog.text and "did not write: images/new.png, notes.txt" in caplog.text
    with atomic_folder(out, RESULTS) as partial:
        (partial / "report.json").write_text("newer")
    assert (out / "report.json").read_text() == "newer" and (out / "notes.txt").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "thesis"]


def test_overwriting_reaches_through_no_link_into_a_folder_of_others(tmp_path, monkeypatch):
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    for stays in (False, True):
        out = tmp_path / f"out {stays}"
        write(out, "same")
        (out / "images/same.png").unlink()
        (out / "images").rmdir()
        (out / "images").symlink_to(thesis)
        (thesis / "same.png").write_text("mine")
        if stays:
            mounted(monkeypatch, out)
        write(out, "same", overwrite=True)
        assert (thesis / "same.png").read_text() == "mine"
        assert [p.name for p in thesis.iterdir()] == ["same.png"]
        assert (out / "images/same.png").read_text() == "same"


def test_who_may_see_results_stays_when_they_are_overwritten(tmp_path):
    write(tmp_path / "out", "old")
    (tmp_path / "out").chmod(0o700)
    write(tmp_path / "out", "new", overwrite=True)
    assert (tmp_path / "out").stat().st_mode & 0o777 == 0o700


def test_results_of_a_command_that_ran_at_the_same_time_are_not_replaced(tmp_path):
    with pytest.raises(InputError, match="the results are in .*partial"):
        with output_folder(tmp_path / "out", False) as folder:
            (folder / "report.json").write_text("slow")
            write(tmp_path / "out", "fast")
    assert (tmp_path / "out/report.json").read_text() == "fast"
    assert (folder / "report.json").read_text() == "slow"
