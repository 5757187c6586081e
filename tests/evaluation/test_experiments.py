"""Experiments are found by their file's name, and their settings become flags."""

import dataclasses
import errno
import json
import os
import shutil
import sys

import pytest
from absl import flags as absl_flags

from dgn_tf import evaluate
from dgn_tf.config import DataConfig
from dgn_tf.config import experiments as described
from dgn_tf.evaluation import experiments as measuring
from dgn_tf.utils.errors import InputError

# A whole experiment: a file that says what it is, and one that measures.
DESCRIBED = '''
"""How bright images are."""

import dataclasses

from dgn_tf.config.fields import setting

SUMMARY = "how bright held-out images are"
HOLDS = ("images",)


@dataclasses.dataclass(frozen=True)
class Settings:
    unit: float = setting(255.0, "the value of white.")
'''
MEASURED = '''
"""How bright images are."""

from dgn_tf.evaluation.report import Report, Table


def run(subject, data, settings):
    images = subject.test(data).images
    number = settings.unit * images.mean() / 255.0
    table = Table("Brightness", ("", ""), (("mean", number),))
    return Report("Brightness", {"brightness": number, "seed": subject.inference.seed}, (table,))
'''


@pytest.fixture
def added(tmp_path, monkeypatch):
    """`added(name, described)` adds an experiment of the name."""
    folders = {"config": described, "evaluation": measuring}
    for room, package in folders.items():
        (tmp_path / room).mkdir()
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path / room)])
    written = []

    def add(name, text):
        (tmp_path / "config" / f"{name}.py").write_text(text)
        (tmp_path / "evaluation" / f"{name}.py").write_text(MEASURED)
        written.append(name)

    yield add
    for name in written:
        for package in folders.values():
            sys.modules.pop(f"{package.__name__}.{name}", None)
            if name in vars(package):
                delattr(package, name)


def test_the_experiments_of_this_version():
    assert described.names() == [
        "adversarial",
        "basis",
        "clips",
        "expressions",
        "geometry",
        "held_out",
        "landmarks",
    ]
    assert described.suiting(DataConfig("heads_clips", frames=8)) == ["clips", "expressions"]
    images = described.suiting(DataConfig("heads"))
    assert "held_out" in images and "clips" not in images
    # Expressions are told from images too, as from the frames of clips.
    assert "expressions" in images
    assert described.suiting(DataConfig("heads_clips", stills=8)) == images
    with pytest.raises(InputError, match="`experiment=bases`: must be one of adversarial, basis"):
        described.find("bases")


@pytest.mark.parametrize("name", described.names())
def test_each_has_the_members_of_an_experiment(name):
    experiment = described.find(name)
    assert experiment.HOLDS and set(experiment.HOLDS) <= {"images", "clips"}
    assert experiment.SUMMARY and experiment.SUMMARY[-1] != "."
    assert dataclasses.is_dataclass(experiment.Settings) and experiment.Settings()
    assert callable(measuring.find(name).run)


def test_settings_of_one_name_are_one_flag_with_the_help_of_both():
    assert described.owners()["rival"] == ["adversarial", "expressions"]
    fields = {field.name: field for field in dataclasses.fields(described.all_settings())}
    text = fields["rival"].metadata["help"]
    assert text.startswith("adversarial: a run on") and " expressions: a run of" in text


def test_settings_of_one_name_must_agree(added):
    added("brightness", DESCRIBED.replace("unit", "gamma"))
    with pytest.raises(ValueError, match="basis and brightness declare different settings 'gamma'"):
        described.all_settings()


def test_a_new_experiment_is_two_files_and_nothing_else(added, tiny_run, run_app, tmp_path):
    added("brightness", DESCRIBED)
    shutil.copytree(tiny_run.folder, tmp_path / "run")
    given = (f"--run_dir={tmp_path}/run", "--experiment=brightness", "--seed=7")
    # The training images under another name, which is not known to be theirs.
    (tmp_path / "other.npz").write_bytes((tiny_run.root / "data.npz").read_bytes())
    said = run_app(evaluate, *given, f"--data=npz:{tmp_path}/other.npz", "--unit=1")
    assert said.status == 0, said.err
    report = json.loads((tmp_path / "run/evaluation/brightness/report.json").read_text())
    assert report["numbers"] == {"brightness": pytest.approx(0.5, abs=0.01), "seed": 7}
    assert "mean  0.50" in said.out
    refused = run_app(evaluate, given[0], "--unit=1")
    assert refused.status == 2
    assert "--unit belongs to --experiment=brightness, not to held_out" in refused.err


@pytest.fixture
def brightness(added, tiny_run, tmp_path):
    """A command that measures the brightness of images, and the run that it measures."""
    added("brightness", DESCRIBED)
    shutil.copytree(tiny_run.folder, tmp_path / "run")
    (tmp_path / "other.npz").write_bytes((tiny_run.root / "data.npz").read_bytes())
    given = (f"--run_dir={tmp_path}/run", f"--data=npz:{tmp_path}/other.npz")
    return (*given, "--experiment=brightness"), tmp_path / "run"


def test_a_report_that_cannot_be_written_is_told_before_the_work(
    brightness, run_app, monkeypatch, tmp_path
):
    command, run = brightness
    (run / "evaluation").write_text("")
    monkeypatch.setattr("dgn_tf.runs.evaluated.load", pytest.fail)
    said = run_app(evaluate, *command)
    assert (said.status, said.out) == (2, "")
    wanted = f"error: the report, {run}/evaluation/brightness, cannot be written: Not a directory."
    assert said.err == f"{wanted}\n"


def test_what_was_measured_is_shown_even_where_it_cannot_be_written(
    brightness, run_app, monkeypatch
):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "report.html")

    monkeypatch.setattr("dgn_tf.evaluation.report._page", full)
    said = run_app(evaluate, *brightness[0])
    assert said.status == 1 and "mean  " in said.out
    assert "No space left on device" in said.err.splitlines()[-1]


def test_the_help_of_the_program_has_every_experiment_and_its_settings(added, run_app, monkeypatch):
    added("brightness", DESCRIBED)
    helps = {}

    def seen(argv):
        helps.update({name: absl_flags.FLAGS[name].help for name in absl_flags.FLAGS})

    monkeypatch.setattr(evaluate, "main", seen)
    assert run_app(evaluate, "--run_dir=x").status == 0
    assert "brightness: how bright held-out images are." in helps["experiment"]
    assert helps["unit"] == "brightness: the value of white."
    assert helps["gamma"].startswith("basis: ")
