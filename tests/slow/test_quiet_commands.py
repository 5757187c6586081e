"""Commands that import TensorFlow write nothing of its own: what is on standard error is ours."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow
QUICK = ("--steps=10", "--starts=1", "--limit=4")


@pytest.fixture(scope="module")
def said(tiny_run, tmp_path_factory):
    """`said(name, *arguments)`: standard error of `dgn name arguments` in a folder of its own."""
    place = tmp_path_factory.mktemp("place")
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}

    def call(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "dgn_tf", *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=place,
            env=environment,
        )
        assert done.returncode == 0, done.stderr
        return done.stderr

    return call


def test_training_says_how_far_it_is_and_nothing_else(said, tiny_run):
    lines = said("train", *tiny_run.command, "--run_dir=run").splitlines()
    assert len(lines) == 1 and lines[0].startswith("epoch 3/3 ")


@pytest.mark.parametrize("name", ["infer", "evaluate", "sample", "export"])
def test_other_commands_say_nothing(said, tiny_run, name):
    run, data = f"--run_dir={tiny_run.folder}", f"--data=npz:{tiny_run.root}/data.npz"
    arguments = {
        "infer": (run, data, *QUICK, "--output_dir=out"),
        "evaluate": (run, "--experiment=held_out", "--data=heads:test", *QUICK[:2], "--limit=20"),
        "sample": (run, "--output=samples.png"),
        "export": (run, "--output_dir=exported"),
    }
    assert said(name, *arguments[name]) == ""
