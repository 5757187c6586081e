"""Programs give settings of any type: whole floats are taken, all else is one error."""

import dataclasses
import importlib
import pkgutil
from pathlib import Path

import numpy as np
import pytest

import dgn_tf as dgn
from dgn_tf import config
from dgn_tf.config.drive import MotionSettings
from dgn_tf.config.fields import Typed, typed, whole_number
from dgn_tf.utils.errors import InputError

for _module in pkgutil.iter_modules(config.__path__):
    importlib.import_module(f"dgn_tf.config.{_module.name}")

FIELDS = [
    (kind, field)
    for kind in Typed.__subclasses__()
    for field in dataclasses.fields(kind)
    if "help" in field.metadata
]
# What cannot be left out.
NEEDED = {
    "DriveSettings": {"face": "a", "video": "b"},
    "InferenceTask": {"data": "a"},
}


@pytest.mark.parametrize(("kind", "field"), FIELDS, ids=lambda part: getattr(part, "name", None))
def test_every_setting_names_itself_in_the_error_of_another_type(kind, field):
    for wrong in ([1], {"a": 1}, b"1", object(), np.arange(3)):
        with pytest.raises(InputError, match=f"^`{field.name}="):
            kind(**NEEDED.get(kind.__name__, {}) | {field.name: wrong})


def test_values_become_what_is_declared():
    data = config.DataConfig(side=32.0, channels=np.int64(1), limit=np.float32(7), mirror=np.True_)
    assert (data.side, data.channels, data.limit, data.mirror) == (32, 1, 7, True)
    assert [type(value) for value in (data.side, data.channels, data.limit)] == [int] * 3
    assert data.mirror is True
    learning = config.TrainingConfig(sigma=0.5, init_from=Path("runs/a"), head_start=0)
    assert (learning.sigma, learning.init_from) == ("0.5", "runs/a")
    assert type(learning.head_start) is float
    assert MotionSettings(smooth=np.float64(2)).smooth == 2.0
    assert config.InferenceConfig(steps=20.0).steps == 20
    assert dgn.Langevin(steps=2.0).steps == 2


@pytest.mark.parametrize(
    ("value", "kind", "shown"),
    [
        (2.5, int, "2.5"),
        ("3", int, "'3'"),
        (True, int, "True"),
        (None, int, "None"),
        (float("nan"), int, "nan"),
        (float("inf"), int, "inf"),
        (np.float32(0.5), int | None, "0.5"),
        (True, float, "True"),
        (np.True_, float, "True"),
        ("0.1", float, "'0.1'"),
        (10**400, float, "1000"),
        (1, bool, "1"),
        ("no", bool, "'no'"),
        (None, str, "None"),
        (True, str, "True"),
    ],
)
def test_what_is_not_of_the_type_is_refused(value, kind, shown):
    with pytest.raises(InputError, match=f"^`name={shown}.*`: must be"):
        typed("name", value, kind)


def test_an_argument_is_a_whole_number_of_at_least_some_value():
    assert whole_number("seed", np.float64(3), 0) == 3
    with pytest.raises(InputError, match="`seed=-1`: must be at least 0"):
        whole_number("seed", -1, 0)
