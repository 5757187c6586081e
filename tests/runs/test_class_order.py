"""Class folders keep the numbers that a run began with."""

import pytest
from PIL import Image
from tiny import TINY

from dgn_tf import train
from dgn_tf.runs.directory import Run
from dgn_tf.runs.restoring import load_chains

CLASSES = 12
LABELED = (
    *(flag for flag in TINY if not flag.startswith(("--model=", "--appearance_dim="))),
    "--appearance=label",
    f"--appearance_dim={CLASSES}",
    "--geometry_dim=2",
)


def classes_of(run):
    """The number of each example's class, in the order of the files."""
    return load_chains(run)["appearance"].argmax(axis=1).tolist()


@pytest.mark.slow
def test_a_run_that_was_numbered_by_text_goes_on_with_its_numbers(tmp_path, run_app, monkeypatch):
    for number in range(CLASSES):
        (tmp_path / "in" / str(number)).mkdir(parents=True)
        Image.new("L", (32, 32), 9 * number).save(tmp_path / "in" / str(number) / "a.png")
    command = (*LABELED, f"--data=folder:{tmp_path}/in")
    by_text = sorted(str(number) for number in range(CLASSES))
    run = tmp_path / "run"
    with monkeypatch.context() as before:
        before.setattr("dgn_tf.data.labels.natural", str)
        before.setattr("dgn_tf.data.sources.folders.natural", str)
        said = run_app(train, *command, "--epochs=1", f"--run_dir={run}")
        assert said.status == 0, said.err
    assert Run(run).folders == by_text and classes_of(run) == list(range(CLASSES))
    said = run_app(train, *command, "--epochs=2", f"--run_dir={run}")
    assert said.status == 0, said.err
    assert Run(run).folders == by_text and classes_of(run) == list(range(CLASSES))
