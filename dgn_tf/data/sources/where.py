"""Examples chosen by the value of a label: the setting `where`."""

import logging

import numpy as np

from dgn_tf.config.fields import number_in, parse_where
from dgn_tf.data.examples import Examples
from dgn_tf.data.label_values import described, label_of
from dgn_tf.data.sources.source import Source
from dgn_tf.data.sources.walking import composed
from dgn_tf.utils.errors import InputError

_log = logging.getLogger(__name__)

_LISTED = 10


def select(examples: Examples, source: Source, spec: str, where: str) -> Examples:
    """The examples that `where` chooses.

    Text is compared as people see it, without blanks around it. Class folders, which labels number,
    may be given by their names.

    Args:
        examples: N examples.
        source: that they come from.
        spec: what they were loaded from, for messages.
        where: LABEL=VALUE.

    Raises:
        InputError: there is no such label, it is no single value, or no example has the value.
    """
    label, text = parse_where(where)
    if label not in examples.factors:
        listing = described(examples, numbers=False) if examples.factors else "no labels"
        raise InputError(f"`where={where}`: {spec} has no label {label!r}; it has {listing}.")
    try:
        values = label_of(examples, label)
    except ValueError as error:
        raise InputError(f"`where={where}`: the label {label!r} of {spec} {error}.") from None
    number = number_in(text)
    by_folder = source.class_folders and label == "label"
    folders = np.array([composed(name.partition("/")[0]) for name in examples.names])
    named = folders == composed(text)
    if values.dtype.kind == "U":
        chosen = np.array([_plain(value) == _plain(text) for value in values])
    elif by_folder and number is None:
        values, chosen = folders, named
    else:
        chosen = values == number
    if not chosen.any():
        if by_folder and named.any():
            # To take it would let two values mean one folder: those of 1 to 10 have a label=9, too.
            raise InputError(
                f"`where={where}`: labels number the folders of {spec} from 0, in order: the "
                f"folder {text} is {label}={values[np.argmax(named)]:g}."
            )
        raise InputError(
            f"`where={where}`: no example of {spec} has it; {label} is {_all(values)}."
        )
    folder = examples.names[np.argmax(chosen)].partition("/")[0]
    if by_folder and number is not None and number_in(folder) not in (None, number):
        _log.warning(
            "--where=%s takes the folder %s of %s: labels number its folders from 0, in order.",
            where,
            folder,
            spec,
        )
    return examples.subset(chosen)


def _plain(text: str) -> str:
    return composed(text.strip())


def _all(values: np.ndarray) -> str:
    """The values that there are, the first of them, for a message."""
    known = np.unique(values)
    listed = [str(v) if values.dtype.kind == "U" else f"{v:g}" for v in known[:_LISTED]]
    return ", ".join(listed) + (", ..." if len(known) > _LISTED else "")
