"""Which data a run is measured on, as far as settings and names tell: nothing is read."""

from typing import NamedTuple

from dgn_tf.config import DataConfig
from dgn_tf.config.evaluate import EvaluationData
from dgn_tf.config.fields import number_in, parse_where
from dgn_tf.data.sources import may_share, paths_of, source_of, with_kind
from dgn_tf.data.sources.memory import MEMORY
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.words import counted


class Measured(NamedTuple):
    """What a run is measured on.

    Attributes:
        spec: its name, with its kind; empty for the part of its data that the run has held out.
        given: its name for people; empty where the examples are known to be held out.
        noun: for one example.
    """

    spec: str
    given: str
    noun: str

    def said(self, count: int) -> str:
        """A number of these examples: "60 images of PATH", or "60 held-out images"."""
        if not self.given:
            return counted(count, f"held-out {self.noun}")
        return f"{counted(count, self.noun)} of {self.given}"


def measured_on(trained: DataConfig, data: EvaluationData) -> Measured:
    """What a run is measured on: what is given, else what it has held out, else its test split.

    Args:
        trained: what the run learned from.
        data: what is given.

    Raises:
        InputError: nothing is given and the run has nothing, or it was trained on what is given.
    """
    noun = "clip" if trained.frames else "image"
    if trained.validation and not data.data:
        if data.where:
            raise InputError("`where` chooses from `data`: give that too.")
        return Measured("", "", noun)
    source, _ = source_of(trained.data)
    given = data.data or source.held_out
    if not given:
        raise nothing_given(trained)
    spec = not_trained_on(trained, "data", given, data.where)
    return Measured(spec, "" if _apart(trained, spec) else given, noun)


def nothing_given(trained: DataConfig) -> InputError:
    """The error that a run which learned from some data has nothing to be measured on."""
    noun = "clips" if trained.frames else "images"
    if source_of(trained.data)[0] is MEMORY:
        why = f"this run learned from arrays in memory: name {noun} to measure it on"
    else:
        why = f"{noun} that the run was not trained on"
    return InputError(f"`data` is needed: {why}, for example folder:PATH.")


def not_trained_on(trained: DataConfig, name: str, spec: str, where: str = "") -> str:
    """The name of data, with its kind, that a run was not trained on as far as names tell.

    Args:
        trained: what the run learned from.
        name: of the setting that gives them.
        spec: their name.
        where: LABEL=VALUE that they must have, or empty.

    Raises:
        InputError: the run was trained on them.
    """
    spec = with_kind(spec)
    if overlap((spec, where), (trained.data, trained.where)):
        raise InputError(f"`{name}={spec}` is what the run was trained on: give held-out images.")
    return spec


def overlap(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether two (data set, where) may share examples, as far as their names tell."""
    (spec, where), (other_spec, other_where) = one, other
    same = bool(spec and other_spec) and may_share(spec, other_spec)
    return same and _may_meet(where, other_where)


def _may_meet(where: str, other: str) -> bool:
    """Whether an example may have both values of labels, each LABEL=VALUE or empty for any."""
    if not where or not other:
        return True
    (label, value), (other_label, other_value) = parse_where(where), parse_where(other)
    if label != other_label:
        return False
    number, other_number = number_in(value), number_in(other_value)
    if value.strip() == other_value.strip():
        return True
    if number is None and other_number is None:
        return False
    # Of class folders a name and a number can mean the same.
    return number is None or other_number is None or number == other_number


def _apart(trained: DataConfig, spec: str) -> bool:
    """Whether data that do not overlap what was learned from are known to be others.

    Those are another split of a data set that has a name, and what another value of a label chooses
    from the same data. Of other paths nobody knows what they hold.
    """
    both = (trained.data, spec)
    named = len({source_of(each)[0].kind for each in both}) == 1
    # Slices of a split, as in tfds:mnist:train[50%:], may overlap.
    whole = not any(paths_of(each) or set(each) & set("[+") for each in both)
    return (named and whole) or may_share(*both)
