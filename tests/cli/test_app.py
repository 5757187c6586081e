"""Errors of any command are a line."""

import pytest

from dgn_tf import sample


def test_a_working_directory_that_is_gone_is_told(tmp_path, monkeypatch, run_app):
    (tmp_path / "gone").mkdir()
    with monkeypatch.context() as patch:
        patch.chdir(tmp_path / "gone")
        (tmp_path / "gone").rmdir()
        said = run_app(sample, "--output=a.png")
    assert said.status == 2
    assert (
        said.err == "error: the working directory has been removed: go to one that is there (cd).\n"
    )


def test_other_errors_are_none_of_the_users(tmp_path, monkeypatch, run_app):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sample, "check_source", None)
    with pytest.raises(TypeError):
        run_app(sample, f"--run_dir={tmp_path}", "--output=a.png")
