"""What may be held out and what may not, by names alone."""

import pytest

from dgn_tf.data.measured import overlap


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        ("", "view=1", True),
        ("view=1", "view=1.0", True),
        ("view=1", "view=2", False),
        ("mood=glad", "mood=glad ", True),
        ("mood=glad", "mood=sad", False),
        # Class folders have a name and a number.
        ("label=cats", "label=0", True),
        ("label=cats", "label=dogs", False),
        ("view=1", "part=1", False),
    ],
)
def test_values_of_a_label_tell_examples_apart(tmp_path, one, other, meet):
    spec = f"folder:{tmp_path}"
    assert overlap((spec, one), (spec, other)) == overlap((spec, other), (spec, one)) == meet
