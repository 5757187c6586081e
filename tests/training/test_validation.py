"""The error of held-out examples: measured when it is time, in the weights that are used."""

import contextlib

import numpy as np
import pytest

from dgn_tf.config import TrainingConfig
from dgn_tf.data.examples import Examples
from dgn_tf.training import validation
from dgn_tf.training.validation import Validation


@pytest.fixture
def measure(monkeypatch):
    """`measure(epochs)`: the number of each epoch, and what was asked of the inference."""
    seen = {"entered": 0, "shown": []}

    @contextlib.contextmanager
    def measured():
        seen["entered"] += 1
        yield

    def make_inference(model, settings, encoder):
        seen["steps"], seen["starts"] = settings.steps, settings.starts

        def infer(images, ids, batch_size, progress, given):
            seen["shown"].append((len(images), batch_size, given["appearance"][:, 0].tolist()))
            return {"appearance": given["appearance"]}

        return infer

    monkeypatch.setattr(validation, "make_inference", make_inference)
    monkeypatch.setattr(validation, "reconstruction_errors", lambda m, x, z: np.arange(len(x)))

    def run(epochs, count=4, encoder=None, every=None, frames=None):
        shape = [count, 8, 8, 1] if frames is None else [count, frames, 8, 8, 1]
        names = tuple(map(str, range(count)))
        examples = Examples(np.zeros(shape, np.uint8), np.arange(count), names)
        learning, given = TrainingConfig(epochs=epochs), {"appearance": np.arange(count)[:, None]}
        callback = Validation(object(), examples, learning, encoder, given, every, measured)
        callback.set_params({"epochs": epochs})
        logs = [{"msre": 1.0} for _ in range(epochs)]
        for epoch, row in enumerate(logs):
            callback.on_epoch_end(epoch, row)
        return [row.get("val_msre") for row in logs], seen

    return run


def test_every_epoch_of_a_short_run_and_twenty_of_a_long_one(measure):
    assert measure(3)[0] == [1.5, 1.5, 1.5]
    values, _ = measure(65)
    assert [epoch for epoch, value in enumerate(values, 1) if value] == [*range(3, 64, 3), 65]
    assert measure(5, every=2)[0] == [None, 1.5, None, 1.5, 1.5]


def test_the_inference_is_short_and_in_the_weights_that_are_used(measure):
    _, seen = measure(1)
    assert (seen["steps"], seen["starts"], seen["entered"]) == (100, 1, 1)
    _, seen = measure(1, encoder=object(), frames=30)
    assert seen["steps"] == 20 and seen["shown"][-1][1] == 3


def test_of_many_examples_some_are_measured_with_their_labels(measure):
    _, seen = measure(1, count=399)
    assert seen["shown"][0][0] == 200 and seen["shown"][0][2] == list(range(0, 399, 2))
