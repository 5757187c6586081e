"""Settings of inference: their ranges, and what a run says where they are not given."""

import pytest

from dgn_tf.config import MAX_STARTS, InferenceConfig, TrainingConfig
from dgn_tf.utils.errors import InputError


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("starts", 0),
        ("starts", MAX_STARTS + 1),
        ("seed", -1),
        ("seed", 2**31),
        ("step_size", 0.0),
        ("step_size", float("nan")),
        ("sigma", -1.0),
        ("sigma", float("inf")),
    ],
)
def test_a_value_out_of_range_is_refused_by_its_name(name, value):
    with pytest.raises(InputError, match=f"`{name}={value}`: must be"):
        InferenceConfig(**{name: value})


def test_step_size_and_sigma_are_those_that_a_training_ended_with():
    training = TrainingConfig(step_size="0:0.3,0.5:0.2", sigma="0:1,0.9:0.25")
    settings = InferenceConfig(steps=20).resolved(training)
    wanted = InferenceConfig(steps=20, starts=4, amortised=False, step_size=0.2, sigma=0.25)
    assert settings == wanted
    assert InferenceConfig(sigma=2.0).resolved(training).sigma == 2.0


def test_a_guess_needs_fewer_steps_and_starts():
    def chosen(guessed, **given):
        found = InferenceConfig(**given).resolved(TrainingConfig(), guessed)
        return found.steps, found.starts, found.amortised

    assert chosen(False) == (300, 4, False)
    assert chosen(True) == (100, 1, True)
    assert chosen(True, steps=7, starts=3) == (7, 3, True)
    # Samples of the posterior need theirs.
    assert chosen(True, noise=True) == (300, 4, True)
