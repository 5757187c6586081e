"""What a page asks for, checked: nothing that comes in is trusted."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from dgn_tf.inference.statistics import SOURCES
from dgn_tf.types import LatentArrays
from dgn_tf.utils.errors import InputError

# Far beyond any latent, and far from what float32 cannot hold.
_LARGEST = 1e6
# A board of 8 by 8, or the frames of an animation.
MOST_IMAGES = 64
_MOST_SEED = 2**31
_LONGEST_NAME = 40


def parse_json(body: bytes) -> dict:
    """The object of a request.

    Raises:
        InputError: the body is not JSON, or no object.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise InputError("the request is not JSON.") from None
    if not isinstance(value, dict):
        raise InputError("the request must be a JSON object.")
    return value


def parse_latents(value: Any, dims: Mapping[str, int]) -> LatentArrays:
    """Latents float32 [d] of each group, from an object of lists.

    Raises:
        InputError: groups, lengths or numbers are wrong.
    """
    if not isinstance(value, dict) or set(value) != set(dims):
        raise InputError(f"latents must be an object with {' and '.join(dims)}.")
    for group, dim in dims.items():
        numbers = value[group]
        if not isinstance(numbers, list) or len(numbers) != dim:
            found = len(numbers) if isinstance(numbers, list) else "no list"
            raise InputError(f"latents of {group} must be a list of {dim} numbers; got {found}.")
        if not all(_is_number(number) for number in numbers):
            raise InputError(f"latents of {group} must be numbers, finite and below {_LARGEST:g}.")
    return {group: np.array(value[group], np.float32) for group in dims}


def parse_many(value: Any, dims: Mapping[str, int]) -> LatentArrays:
    """Latents float32 [N, d] of each group, from a list of N objects of lists.

    Raises:
        InputError: the list is empty or too long, or latents in it are wrong.
    """
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_IMAGES:
        raise InputError(f"latents must be a list of those of 1 to {MOST_IMAGES} images.")
    rows = [parse_latents(latents, dims) for latents in value]
    return {group: np.stack([row[group] for row in rows]) for group in dims}


def parse_samples(asked: Mapping[str, Any]) -> tuple[list[int], str]:
    """The seeds and the source of samples that an object with "seed", "count", "source" asks for.

    Raises:
        InputError: one of them is missing or out of range.
    """
    seed, count, source = (asked.get(name) for name in ("seed", "count", "source"))
    if type(seed) is not int or not 0 <= seed < _MOST_SEED:
        raise InputError(f"seed must be a whole number from 0 to {_MOST_SEED - 1}.")
    if type(count) is not int or not 1 <= count <= MOST_IMAGES:
        raise InputError(f"count must be a whole number from 1 to {MOST_IMAGES}.")
    if source not in SOURCES:
        raise InputError(f"source must be {' or '.join(SOURCES)}.")
    return list(range(seed, seed + count)), source


def parse_name(asked: Mapping[str, Any], counts: Mapping[str, int]) -> tuple[str, int, str]:
    """(Group, direction from 0, its new name), from an object with the three.

    Raises:
        InputError: there is no such direction, or the name is no text, too long or of several
            lines.
    """
    group, direction, name = (asked.get(key) for key in ("group", "direction", "name"))
    if not isinstance(group, str) or group not in counts:
        raise InputError(f"group must be {' or '.join(counts)}.")
    if type(direction) is not int or not 0 <= direction < counts[group]:
        raise InputError(f"directions of {group} are numbered from 0 to {counts[group] - 1}.")
    if not isinstance(name, str) or len(name) > _LONGEST_NAME or not name.isprintable():
        raise InputError(f"a name must be a line of at most {_LONGEST_NAME} characters.")
    return group, direction, name.strip()


def parse_label(text: str, count: int) -> np.ndarray:
    """The one-hot label [1, count] that `text` numbers.

    Raises:
        InputError: it is no number from 0 to count - 1.
    """
    if not (text.isascii() and text.isdecimal() and len(text) < 9 and int(text) < count):
        raise InputError(f"label must be a number from 0 to {count - 1}.")
    return np.eye(count, dtype=np.float32)[[int(text)]]


def _is_number(value: Any) -> bool:
    # A NaN compares with nothing; an integer of a thousand digits does.
    return type(value) in (int, float) and -_LARGEST < value < _LARGEST
