"""The benchmark of clips times both steps on as many frames, of equal emission networks."""

import re

import numpy as np
import pytest

from dgn_tf.benchmarking import clips

TINY = ("--width=0.02", "--clips=3", "--frames=2", "--langevin_steps=1", "--repeats=2")


def test_both_steps_are_timed(run_app):
    said = run_app(clips, *TINY)
    assert said.status == 0, said.err
    lines = said.out.splitlines()
    assert lines[0].startswith("One training step on 6 frames of 32x32x3, l = 1")
    seconds = [float(re.search(r"\(min ([\d.]+)\)", line)[1]) for line in lines[1:3]]
    assert [line[:20].strip() for line in lines[1:3]] == ["3 clips of 2 frames", "6 images"]
    assert min(seconds) > 0
    low, high = map(float, re.search(r"pairs, ([\d.]+) to ([\d.]+)", lines[3]).groups())
    median = float(re.match(r"clips / images +([\d.]+)", lines[3])[1])
    assert low <= median <= high


def test_the_emission_networks_are_alike(run_app, monkeypatch):
    models = []

    def step(model, shape):
        models.append((model, shape))
        return lambda: None

    monkeypatch.setattr(clips, "step", step)
    assert run_app(clips, *TINY).status == 0
    (video, of_clips), (image, of_pictures) = models
    assert np.prod(of_clips) == np.prod(of_pictures) == 6
    assert video.steps == 1
    shapes = [[w.shape for w in model.weights] for model in (video.emission, image)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("flag", ["--frames_per_chunk=4", "--frames=0", "--side=48"])
def test_impossible_settings_are_refused(run_app, flag):
    said = run_app(clips, *TINY, flag)
    assert said.status != 0 and flag.partition("=")[0].removeprefix("--") in said.err
