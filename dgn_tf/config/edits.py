"""Edits of inferred latents as text: GROUP:DIRECTION=VALUE."""

import math
from typing import NamedTuple

from dgn_tf.utils.errors import InputError

_FORM = "GROUP:DIRECTION=VALUE, for example geometry:1=2 or 'geometry:shift x=-1.5'"


class Edit(NamedTuple):
    """A step of `value` standard deviations along a direction, a name or a number from 1 on."""

    group: str
    direction: str
    value: float


def parse_edit(text: str) -> Edit:
    """The edit that `text`, GROUP:DIRECTION=VALUE, describes.

    Raises:
        InputError: `text` is not of this form, or its value is no finite number.
    """
    left, equals, number = text.rpartition("=")
    group, colon, direction = (part.strip() for part in left.partition(":"))
    if not (equals and colon and group and direction):
        raise InputError(f"`edit={text}`: must be {_FORM}.")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"`edit={text}`: {number!r} is not a number; must be {_FORM}.")
    return Edit(group, direction, value)
