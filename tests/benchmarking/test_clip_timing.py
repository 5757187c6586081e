"""The benchmark of clips times both steps on as many frames, of equal emission networks."""

import dataclasses
import json
import re

import numpy as np
import pytest

from dgn_tf import benchmark
from dgn_tf.benchmarking import clips, registry

TINY = (
    "--parts=clips",
    "--width=0.02",
    "--clips=3",
    "--frames=2",
    "--langevin_steps=1",
    "--repeats=2",
)


SETTINGS = {
    "clips": 3,
    "side": 32,
    "channels": 3,
    "frames": 2,
    "width": 0.02,
    "frames_per_chunk": 0,
    "langevin_steps": 1,
}


@pytest.mark.slow
def test_both_steps_are_timed(run_app, tmp_path):
    said = run_app(benchmark, *TINY, f"--output={tmp_path}/clips.json")
    assert said.status == 0, said.err
    result = json.loads((tmp_path / "clips.json").read_text())
    # The settings of clips are their own.
    assert set(result) == {"machine", "clips"}
    assert result["clips"]["settings"] == SETTINGS
    first, second = result["clips"]["seconds"].values()
    assert result["clips"]["ratios"] == [a / b for a, b in zip(first, second, strict=True)]
    lines = said.out.splitlines()
    lines = lines[[line[:8] for line in lines].index("One trai") :]
    assert lines[0].startswith("One training step on 6 frames of 32x32x3, l = 1")
    seconds = [float(re.search(r"\(min ([\d.]+)\)", line)[1]) for line in lines[1:3]]
    assert [line[:20].strip() for line in lines[1:3]] == ["3 clips of 2 frames", "6 images"]
    assert min(seconds) > 0
    low, high = map(float, re.search(r"pairs, ([\d.]+) to ([\d.]+)", lines[3]).groups())
    median = float(re.match(r"clips / images +([\d.]+)", lines[3])[1])
    assert low <= median <= high


def test_the_emission_networks_are_alike(run_app, monkeypatch):
    models = []

    def step(model, shape, config):
        models.append((model, shape))
        return lambda: None

    monkeypatch.setattr(clips, "step", step)
    assert run_app(benchmark, *TINY).status == 0
    (video, of_clips), (image, of_images) = models
    assert np.prod(of_clips) == np.prod(of_images) == 6
    assert video.steps == 1
    shapes = [[w.shape for w in model.weights] for model in (video.emission, image)]
    assert shapes[0] == shapes[1]


def test_the_defaults_are_those_of_small_clips(run_app, monkeypatch):
    asked = []

    def measure(config, settings):
        asked.append((config, settings))
        return {"seconds": {"a": [1.0], "b": [2.0]}, "ratios": [0.5], "settings": SETTINGS}

    part = dataclasses.replace(clips.PART, measure=measure)
    monkeypatch.setitem(registry.PARTS, "clips", part)
    assert run_app(benchmark, "--parts=clips").status == 0
    assert run_app(benchmark, "--parts=clips", "--frames=3", "--repeats=2").status == 0
    (config, settings), (other, fewer) = asked
    assert (config.data.side, config.data.frames, config.model.width) == (32, 8, 0.2)
    assert (config.learning.langevin_steps, config.model.frames_per_chunk) == (5, 0)
    assert (settings.clips, settings.repeats) == (25, 7)
    assert (other.data.frames, other.data.side, fewer.repeats) == (3, 32, 2)


@pytest.mark.parametrize(
    "flag", ["--frames_per_chunk=4", "--frames=0", "--side=48", "--clips=0", "--model=mocogan"]
)
def test_impossible_settings_are_refused(run_app, flag):
    said = run_app(benchmark, *TINY, flag)
    assert said.status != 0 and flag.partition("=")[0].removeprefix("--") in said.err
