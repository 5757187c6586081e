import pytest

from dgn_tf.runs.outputs import output_folder
from dgn_tf.utils.errors import InputError


def test_occupied_output_folders_are_kept(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "mine.jpg").write_text("x")
    for name, overwrite, message in (
        ("file", True, "is a file"),
        ("photos", False, "not empty: name another, or give `overwrite`"),
        ("photos", True, "not from an inference"),
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


def test_an_empty_output_folder_is_used(tmp_path):
    (tmp_path / "out").mkdir()
    with output_folder(tmp_path / "out", False) as folder:
        (folder / "report.json").write_text("new")
        assert not list((tmp_path / "out").iterdir())
    assert (tmp_path / "out" / "report.json").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
