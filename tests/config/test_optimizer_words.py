"""The setting `optimizer` for people."""

import json

import keras
import pytest

from dgn_tf.config.optimizer_words import in_words


def adam(rate=1e-3, **settings):
    return json.dumps(keras.optimizers.serialize(keras.optimizers.Adam(rate, **settings)))


@pytest.mark.parametrize(
    ("text", "beside", "words"),
    [
        ("", "lion", "that of the program"),
        ("lion", adam(), "lion"),
        (adam(), "", "Adam with learning rate 0.001"),
        (adam(), adam(0.002), "Adam with learning rate 0.001"),
        (adam(0.5, beta_1=0.8), adam(0.5), "Adam with beta 1 0.8"),
        (
            json.dumps(keras.optimizers.serialize(keras.optimizers.SGD(0.1))),
            adam(),
            "SGD with learning rate 0.1",
        ),
        (
            adam(keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)),
            "",
            "Adam with learning rate ExponentialDecay",
        ),
        ("{damaged", adam(), "{damaged"),
    ],
)
def test_what_differs_is_told(text, beside, words):
    assert in_words(text, beside) == words
