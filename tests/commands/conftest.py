"""What tests of the training command share."""

import shutil

import pytest

from dgn_tf import train


@pytest.fixture
def run_again(run_app, tiny_run, tmp_path):
    """Runs the command of a copy of the shared run again; `run_again.folder` is the copy."""
    folder = tmp_path / "run"
    shutil.copytree(tiny_run.folder, folder)

    def again(*arguments):
        return run_app(train, *tiny_run.command, f"--run_dir={folder}", *arguments)

    again.folder = folder
    return again
