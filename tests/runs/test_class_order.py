"""Class folders keep the numbers that a run began with."""

from pathlib import Path

import pytest
from PIL import Image
from tiny import TINY

from dgn_tf import train
from dgn_tf.data.labels import class_folders, one_hot
from dgn_tf.data.sources.folders import load_folder
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
        before.setattr("dgn_tf.data.sources.walking.natural", str)
        said = run_app(train, *command, "--epochs=1", f"--run_dir={run}")
        assert said.status == 0, said.err
    assert Run(run).folders == by_text and classes_of(run) == list(range(CLASSES))
    said = run_app(train, *command, "--epochs=2", f"--run_dir={run}")
    assert said.status == 0, said.err
    assert Run(run).folders == by_text and classes_of(run) == list(range(CLASSES))


def test_folders_whose_names_differ_only_in_how_accents_are_written_are_one_class(tmp_path):
    names = ("Zo\u00eb/a.png", "Zoe\u0308/b.png", "Ann/c.png")
    for number, name in enumerate(names):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("L", (32, 32), number).save(tmp_path / name)
    examples = load_folder(str(tmp_path), 32, 1)
    by_pixel = dict(
        zip(examples.images[:, 0, 0, 0].tolist(), examples.factors["label"], strict=True)
    )
    assert by_pixel == {0: 1, 1: 1, 2: 0}
    folders = class_folders(examples)
    assert len(folders) == 2 and folders[0] == "Ann"
    # Of a run that began where they were written in one way.
    for known in (["Ann", "Zo\u00eb"], ["Ann", "Zoe\u0308"]):
        labels = one_hot(examples, "label", 2, known).argmax(axis=1)
        assert labels.tolist() == examples.factors["label"].tolist()
    # Or as two classes.
    apart = one_hot(examples, "label", 3, ["Ann", *sorted({"Zo\u00eb", "Zoe\u0308"})])
    assert sorted(apart.argmax(axis=1).tolist()) == [0, 1, 2]
    # One folder alone, written in two ways, is no classes.
    Path(tmp_path, "Ann", "c.png").unlink()
    assert load_folder(str(tmp_path), 32, 1).factors == {}
