"""Requests of the explorer's page: whatever comes in is looked at first."""

import json

import numpy as np
import pytest

from dgn_tf.explorer import requests
from dgn_tf.utils.errors import InputError

DIMS = {"appearance": 3, "geometry": 2}
Z = {"appearance": [0.5, -1.0, 2], "geometry": [1.0, -0.25]}


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b"\xff", b"9" * 5000])
def test_what_is_not_json_is_told(body):
    with pytest.raises(InputError, match="the request is not JSON."):
        requests.parse_json(body)
    with pytest.raises(InputError, match="must be a JSON object."):
        requests.parse_json(b"[1]")


def test_latents_become_arrays():
    found = requests.parse_latents(json.loads(json.dumps(Z)), DIMS)
    for name, values in Z.items():
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], values)
    found = requests.parse_many([Z, Z, Z], DIMS)
    assert {name: z.shape for name, z in found.items()} == {
        "appearance": (3, 3),
        "geometry": (3, 2),
    }


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "must be an object with appearance and geometry."),
        ([Z], "must be an object with appearance and geometry."),
        ({"appearance": Z["appearance"]}, "must be an object with"),
        ({**Z, "other": [1.0]}, "must be an object with"),
        ({**Z, "geometry": [1.0]}, "geometry must be a list of 2 numbers; got 1."),
        ({**Z, "geometry": "ab"}, "geometry must be a list of 2 numbers; got no list."),
        ({**Z, "geometry": [1.0, float("nan")]}, "geometry must be numbers, finite"),
        ({**Z, "geometry": [1.0, float("inf")]}, "geometry must be numbers, finite"),
        ({**Z, "geometry": [1.0, 10**400]}, "geometry must be numbers, finite"),
        ({**Z, "geometry": [1.0, "2"]}, "geometry must be numbers, finite"),
        ({**Z, "geometry": [1.0, True]}, "geometry must be numbers, finite"),
        ({**Z, "geometry": [1.0, [2.0]]}, "geometry must be numbers, finite"),
    ],
)
def test_latents_that_make_no_sense_are_told(value, message):
    with pytest.raises(InputError, match=message):
        requests.parse_latents(value, DIMS)
    if value is not None:
        with pytest.raises(InputError, match=message):
            requests.parse_many([Z, value], DIMS)


@pytest.mark.parametrize("value", [[], [Z] * 65, Z, None])
def test_few_images_are_painted_at_a_time(value):
    with pytest.raises(InputError, match="a list of those of 1 to 64 images."):
        requests.parse_many(value, DIMS)


def test_labels_are_one_hot():
    np.testing.assert_array_equal(requests.parse_label("1", 3), [[0, 1, 0]])
    for text in ("", "3", "-1", "x", "\u0661", "9" * 5000):
        with pytest.raises(InputError, match="label must be a number from 0 to 2."):
            requests.parse_label(text, 3)
