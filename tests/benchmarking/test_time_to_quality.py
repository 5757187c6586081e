"""Trainings are measured at the times that were asked for, and what is measured is written."""

import dataclasses

import pytest

from dgn_tf import benchmark
from dgn_tf.benchmarking import time_to_quality
from dgn_tf.benchmarking.time_to_quality import Measurements
from dgn_tf.cli.flags import config_from_file
from dgn_tf.config import Config, DataConfig
from dgn_tf.data.sources import load
from dgn_tf.utils.errors import InputError


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(time_to_quality.time, "monotonic", lambda: self.now)


def test_neither_compiling_nor_measuring_is_time(monkeypatch):
    clock = Clock(monkeypatch)

    def measure():
        clock.now += 50.0
        return {"msre": clock.now}

    callback = Measurements([2.0, 4.5, 5.0], measure)
    clock.now += 30.0  # The first step compiles.
    callback.on_train_batch_end(0)
    for step in range(1, 7):
        clock.now += 1.0
        callback.on_train_batch_end(step)
    callback.on_train_end()
    # 4.5 and 5 have both passed after the sixth step: one measurement is of both.
    assert [(row["seconds"], row["step"]) for row in callback.rows] == [(2, 3), (5, 6), (6, 7)]
    callback.on_train_end()
    assert len(callback.rows) == 3


def test_a_training_lasts_as_long_as_was_asked(monkeypatch):
    clock = Clock(monkeypatch)

    def fit(learner, examples, *, callbacks, should_stop, **_):
        while not should_stop():
            clock.now += 0.25
            callbacks[0].on_train_batch_end(0)

    monkeypatch.setattr(time_to_quality, "fit", fit)
    examples = load(DataConfig("heads", side=32, limit=40))
    config = time_to_quality.flagfile_settings("debug", "heads", 32, 40)
    config = dataclasses.replace(
        config, learning=dataclasses.replace(config.learning, batch_size=10)
    )
    # 4 steps of a quarter of a second are an epoch.
    assert time_to_quality.lasting(config, examples, 12.4).learning.epochs == 12
    assert time_to_quality.lasting(config, examples, 0.1).learning.epochs == 1


def test_the_papers_settings_are_those_of_its_flagfile():
    config = time_to_quality.flagfile_settings("paper", "heads", 32, 10)
    assert config.learning == Config().learning and config.model == Config().model
    assert config.settings()["side"][0] == 32 and config.settings()["limit"][0] == 10
    with pytest.raises(InputError, match="`settings=best`: there is no such preset"):
        time_to_quality.flagfile_settings("best", "heads", 32, 10)
    for name in ("clips64", "mnist"):
        with pytest.raises(InputError, match=f"`settings={name}`: is not for images"):
            time_to_quality.flagfile_settings(name, "heads", 32, 10)


def test_a_rival_of_a_preset_is_as_large_and_learns_its_own_way():
    ours = time_to_quality.flagfile_settings("quickstart", "heads", 32, 10)
    vae = time_to_quality.flagfile_settings("quickstart:vae", "heads", 32, 10)
    assert vae.model.model == "vae" and vae.learning.proposals == "none"
    assert vae.model.appearance_dim == ours.model.appearance_dim + ours.model.geometry_dim
    assert vae.data == ours.data and vae.learning.sigma == ours.learning.sigma
    with pytest.raises(InputError, match="`settings=quickstart:gan`: 'gan' must be one of"):
        time_to_quality.flagfile_settings("quickstart:gan", "heads", 32, 10)


def test_a_flagfile_is_read_beside_the_programs_own_flags(tmp_path):
    (tmp_path / "a.cfg").write_text("# A comment.\n--side=32\n--nonoise\n")
    config = config_from_file(tmp_path / "a.cfg")
    assert config.data.side == 32 and not config.learning.noise
    (tmp_path / "b.cfg").write_text("--sides=32\n")
    for name in ("b.cfg", "missing.cfg"):
        with pytest.raises(InputError, match=name):
            config_from_file(tmp_path / name)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("--seconds=0", "--seconds=0.0: must be at least 1"),
        ("--output=quality.md", "--output=quality.md: must be a folder or end in .json"),
        ("--limit=0", "--limit=0: must be at least 1"),
        ("--settings=best", "--settings=best: there is no such preset"),
        ("--settings=", "--settings: name at least one"),
        ("--held_out=8000", "--data=heads has 10000 images: too few to hold out"),
    ],
)
def test_what_cannot_be_done_is_named(run_app, tmp_path, given, message, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quality.md").touch()
    arguments = ["--parts=quality", "--output=quality.json", "--limit=9000", given]
    if "held_out" in given:
        # Reading so many takes long, and how many there are is all that counts.
        few = load(DataConfig("heads", side=32, limit=1))
        monkeypatch.setattr(type(few), "__len__", lambda self: 10_000)
        monkeypatch.setattr(time_to_quality, "load", lambda *_: few)
    said = run_app(benchmark, *arguments)
    assert said.status == 2
    assert said.err.splitlines()[-1].startswith(f"error: {message}")
