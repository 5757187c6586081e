"""Errors of any command are a line."""

import os

import pytest
import tensorflow as tf
from PIL import Image

from dgn_tf import infer, prepare, sample, train


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


@pytest.fixture
def closed(tmp_path, monkeypatch):
    """A folder that may not be entered, for root neither."""
    folder = tmp_path / "closed"
    folder.mkdir()

    def refusing(function):
        def call(path, *args, **kwargs):
            # A file may be given by its number, too.
            text = "" if isinstance(path, int) else os.path.abspath(os.fsdecode(path))
            if os.path.dirname(text).startswith(str(folder)):
                raise PermissionError(13, "Permission denied", str(path))
            return function(path, *args, **kwargs)

        return call

    for name in ("stat", "lstat", "mkdir", "open"):
        monkeypatch.setattr(os, name, refusing(getattr(os, name)))
    return folder


@pytest.mark.parametrize(
    ("program", "args"),
    [
        (train, ("--data={closed}", "--run_dir={free}")),
        (train, ("--data=npz:{closed}/x.npz", "--run_dir={free}")),
        (train, ("--data={closed}/x.zip", "--run_dir={free}")),
        (train, ("--data=heads", "--side=32", "--run_dir={closed}/run")),
        (sample, ("--run_dir={closed}/run", "--output={free}.png")),
        (infer, ("--data={closed}", "--run_dir={closed}/run", "--output_dir={free}")),
        (prepare, ("{images}", "{closed}/crops")),
    ],
)
def test_a_folder_that_may_not_be_entered_is_told(tmp_path, closed, run_app, program, args):
    (tmp_path / "images").mkdir()
    Image.new("L", (32, 32)).save(tmp_path / "images" / "a.png")
    places = {"closed": closed, "free": tmp_path / "free", "images": tmp_path / "images"}
    said = run_app(program, *(arg.format(**places) for arg in args))
    assert said.status == 2
    assert said.err.count("\n") == 1
    assert str(closed) in said.err
    assert "ermission denied" in said.err


def test_links_that_lead_to_themselves_are_told(tmp_path, run_app):
    (tmp_path / "one").symlink_to(tmp_path / "two")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    said = run_app(prepare, f"{tmp_path}/one", f"{tmp_path}/crops")
    assert said.status == 2
    assert said.err.startswith("error: ")


@pytest.mark.parametrize(
    "error", [MemoryError(), tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")]
)
def test_a_lack_of_memory_is_told(tmp_path, monkeypatch, run_app, error):
    def lacking(*args):
        raise error

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dgn_tf.runs.training.train", lacking)
    said = run_app(train, "--data=heads", "--run_dir=run")
    assert said.status == 1
    assert said.err.startswith("error: there is not enough memory") and "--batch_size" in said.err
    assert said.err.count("\n") == 1


def test_a_flagfile_without_a_name_is_told(run_app):
    said = run_app(train, "--flagfile=", "--epochs=1")
    assert (said.status, said.out) == (2, "")
    assert said.err == "error: --flagfile is empty: name a file of flags, or leave it out.\n"


def test_a_flagfile_that_is_no_text_is_told(tmp_path, run_app):
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    said = run_app(train, f"--flagfile={tmp_path}/a.png", "--run_dir=run")
    assert said.status == 2 and "that --flagfile names is no text" in said.err


def test_other_errors_are_none_of_the_users(tmp_path, monkeypatch, run_app):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sample, "check_source", None)
    with pytest.raises(TypeError):
        run_app(sample, f"--run_dir={tmp_path}", "--output=a.png")
