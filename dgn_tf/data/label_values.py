"""Labels as people store them, as one value for each example."""

import numpy as np

from dgn_tf.data.examples import Examples

# A value that is not known, as programs write it into tables, in small letters or large.
MISSING = "nan"


def label_of(examples: Examples, name: str) -> np.ndarray:
    """One value for each example: numbers, truth values or text [N].

    A label may have axes of length 1 ([N, 1]), be one-hot ([N, K], in each row one 1 and else 0),
    and stand at every frame of a clip if it is the same in all. In text, "nan" in large letters is
    the same value as in small ones.

    Raises:
        ValueError: it is none of these; the message is the rest of a sentence that begins with the
            name.
    """
    values, count = examples.factors[name], len(examples)
    if values.dtype.kind not in "biufUS":
        raise ValueError(f"is {values.dtype}, neither numbers nor text")
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "backslashreplace")
    if values.dtype.kind == "U":
        values = with_one_missing(values)
    if examples.frames and values.ndim > 1 and values.shape[1] == examples.frames:
        flat = values.reshape(count, examples.frames, -1)
        changing = np.flatnonzero((flat != flat[:, :1]).any(axis=(1, 2)))
        if len(changing):
            raise ValueError(f"changes within clip {examples.names[changing[0]]}")
        values = values[:, 0]
    if values.size == count:
        return values.reshape(count)
    if values.ndim == 2 and values.dtype.kind in "biuf":
        if np.isin(values, (0, 1)).all() and (values.sum(axis=1) == 1).all():
            return values.argmax(axis=1)
    shape = ", ".join(str(length) for length in values.shape[1:])
    raise ValueError(f"is [N, {shape}], neither one value for each example nor one-hot")


def with_one_missing(values: np.ndarray) -> np.ndarray:
    """Text in which a missing value is written in one way, however a table writes it."""
    return np.where(np.char.lower(values) == MISSING, MISSING, values)


def number_label_of(examples: Examples, name: str) -> np.ndarray:
    """`label_of`, if it is numbers or truth values.

    Raises:
        ValueError: also if it is text.
    """
    values = label_of(examples, name)
    if values.dtype.kind == "U":
        known = ", ".join(str(value) for value in np.unique(values)[:3])
        raise ValueError(f"is text ({known}, ...), and a number is needed: number its values")
    return values


def described(examples: Examples, numbers: bool = True) -> str:
    """The names of what can be a label; of the rest, why not."""
    found, others = [], []
    for name in examples.factors:
        try:
            number_label_of(examples, name) if numbers else label_of(examples, name)
            found.append(name)
        except ValueError as error:
            others.append(f"{name} {error}")
    return "; ".join([", ".join(found) or "none", *others])
