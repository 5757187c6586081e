"""Recognition of expressions (Table III) on sequences and images whose answer is known."""

import json
from unittest import mock

import numpy as np
import pytest
from tiny import TINY

from dgn_tf import evaluate, train
from dgn_tf.evaluation.experiments.expressions import _shrunk, expressions
from dgn_tf.evaluation.metrics.principal import evened_components
from dgn_tf.evaluation.metrics.recognition import check_labels, recognize
from dgn_tf.utils.errors import InputError

PERSONS, CLASSES, FRAMES = 10, 3, 6
FACTS = (("dynamic", 1200, 3, 0.5),)


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    """The sequences here are so plain that a third of the steps does."""
    monkeypatch.setattr("dgn_tf.evaluation.metrics.recognition._STEPS", 300)


@pytest.fixture(scope="module")
def clips():
    """Three motions of ten persons, twice: in a plane, offset by who it is."""
    rng = np.random.default_rng(0)
    labels = np.tile(np.arange(CLASSES), 2 * PERSONS)
    persons = np.repeat(np.arange(PERSONS), 2 * CLASSES)
    bump = np.sin(np.pi * np.arange(FRAMES) / (FRAMES - 1))
    ways = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    motion = bump[None, :, None] * ways[labels][:, None]
    who = rng.normal(0, 0.1, (PERSONS, 2))[persons][:, None]
    described = motion + who + rng.normal(0, 0.05, motion.shape)
    return described, labels, persons


def test_motions_are_told_apart_on_persons_never_seen(clips):
    described, labels, persons = clips
    predicted, fold = recognize(described, labels, persons, folds=2)
    assert np.mean(predicted == labels) > 0.9
    # Nobody is in two folds.
    assert all(len(set(fold[persons == person])) == 1 for person in range(PERSONS))
    assert sorted(set(fold)) == [0, 1]


@pytest.mark.slow
def test_what_says_nothing_is_near_chance_and_the_report_counts(clips):
    described, labels, persons = clips
    keep = persons < 3
    noise = np.random.default_rng(1).standard_normal((keep.sum(), FRAMES, 2))
    report = expressions(
        {"described": described[keep], "noise": noise},
        FACTS,
        labels[keep],
        persons[keep],
        ("a", "b", "c"),
    )
    numbers = report.numbers
    assert numbers["folds"] == 3 and numbers["clips"] == 18 and numbers["persons"] == 3
    assert numbers["chance"] == pytest.approx(100 / 3)
    assert numbers["accuracy"]["described"]["mean"] > 80
    assert numbers["accuracy"]["noise"]["mean"] < 65
    for name, found in numbers["accuracy"].items():
        confusions = numbers["confusions"][name]
        assert confusions.sum(axis=1).tolist() == [6, 6, 6]
        # Folds of the same size: their mean is the share of the diagonal.
        assert found["mean"] == pytest.approx(100 * np.trace(confusions) / 18)
        assert len(found["each"]) == 3
    assert numbers["models"] == {"dynamic": {"parameters": 1200, "latents": 3, "error": 0.5}}
    assert report.tables[0].rows[-1] == ("chance, the largest class", "33.3")
    assert [figure.name for figure in report.figures] == ["confusions"]
    assert report.figures[0].image.std() > 10


def test_one_person_or_one_class_cannot_be_judged(clips):
    described, labels, persons = clips
    for chosen, message in ((persons == 0, "1 and 3"), (labels == 1, "10 and 1")):
        with pytest.raises(InputError, match=f"there are {message}"):
            check_labels(labels[chosen], persons[chosen])
    with pytest.raises(InputError, match="2 to 50 classes; there are 60 and 60"):
        check_labels(np.arange(60), np.arange(60))
    check_labels(labels, persons)


def test_large_maps_are_averaged_down_to_64_pixels():
    maps = np.arange(128.0)[None, :, None, None] + np.zeros((2, 128, 128, 3))
    small = _shrunk(maps).reshape(2, 64, 64, 3)
    np.testing.assert_allclose(small[1, :, 5, 2], 0.5 + 2 * np.arange(64))
    assert _shrunk(np.ones((2, 32, 32, 2))).shape == (2, 2048)


def test_a_single_image_is_told_by_what_it_is(clips):
    described, labels, persons = clips
    peaks = described[:, FRAMES // 2 : FRAMES // 2 + 1]
    predicted, _ = recognize(peaks, labels, persons, folds=2)
    assert np.mean(predicted == labels) > 0.9


def test_the_program_recognizes_images(run_app, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (10, 32, 32), dtype=np.uint8)
    moods, actors = np.resize(["glad", "sad"], len(images)), np.arange(len(images)) // 4
    np.savez(tmp_path / "labeled.npz", images=images, mood=moods, actor=actors)
    run_dir = f"--run_dir={tmp_path}/run"
    deformable = ("--model=deformable", "--geometry_dim=2", "--geometry_scheme=2", "--epochs=1")
    data = f"--data=npz:{tmp_path}/labeled.npz:images"
    said = run_app(train, *TINY, *deformable, "--mirror", data, run_dir)
    assert said.status == 0, said.err
    given = (run_dir, "--experiment=expressions", "--steps=5", "--starts=1")
    refused = run_app(evaluate, *given)
    assert refused.status == 2
    assert "images have no label 'expression'; they have " in refused.err
    assert "Images need arrays of theirs in npz:PATH" in refused.err
    labels = ("--label=mood", "--person=actor")
    refused = run_app(evaluate, *given, *labels, "--align=eyes")
    assert refused.status == 2 and "takes its data as they are" in refused.err
    refused = run_app(evaluate, *given, *labels, f"--rival={tmp_path}/run")
    assert refused.status == 2 and "leave it out for one on images" in refused.err

    def recognize(values, labels, persons, folds, seed, done):
        assert values.shape[:2] == (len(images), 1) and folds == 3
        assert labels.tolist() == [0, 1] * 5
        done(folds)
        return labels, np.unique(persons, return_inverse=True)[1]

    with mock.patch("dgn_tf.evaluation.experiments.expressions.recognize", recognize):
        said = run_app(evaluate, *given, *labels)
    assert said.status == 0, said.err
    assert "Expressions of 10 images of 3 persons" in said.out
    report = json.loads((tmp_path / "run/evaluation/expressions/report.json").read_text())
    accuracy = report["numbers"]["accuracy"]
    assert accuracy["geometric latents (dglf)"]["mean"] == 100
    assert report["origin"]["data"]["person"] == "actor"


@pytest.mark.slow
def test_who_it_is_does_not_matter_where_it_stays_the_same(clips):
    described, labels, persons = clips
    # As loud as can be, but the same in every frame.
    loud = described + 50 * np.random.default_rng(3).standard_normal((PERSONS, 1, 2))[persons]
    predicted, _ = recognize(loud, labels, persons, folds=2)
    assert np.mean(predicted == labels) > 0.9


def test_components_are_evened_to_the_square_root_of_their_spread():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4000, 3)) * [4.0, 1.0, 1e-5] + 7.0
    inputs = evened_components(x, 3)(x)
    # What hardly varies is left out; a spread of a quarter becomes a half.
    assert inputs.shape == (4000, 2) and inputs.dtype == np.float32
    np.testing.assert_allclose(inputs.std(axis=0), [1.0, 0.5], rtol=0.05)
    np.testing.assert_allclose(inputs.mean(axis=0), 0.0, atol=1e-4)
