"""The experiments of dgn_tf.evaluate by name: what each is, and its settings.

A module of this folder has the members of `Described`, and a module of the same name in
`dgn_tf.evaluation.experiments` measures. Nothing else names it: the fields of its `Settings` become
flags, and `--experiment=NAME` runs it.
"""

import dataclasses
import importlib
import pkgutil
from typing import Protocol, cast

from dgn_tf.config.data import DataConfig
from dgn_tf.config.fields import setting
from dgn_tf.utils.errors import InputError


class Described(Protocol):
    """What a module of this folder has.

    Attributes:
        SUMMARY: half a sentence for the help of --experiment.
        HOLDS: what models of the run it is for: of "images", of "clips", or of both.
        LATE_DATA: True where data that are not given are missed by the experiment, which looks at
            the model first or finds data of its own; may be left out.
        Settings: a frozen dataclass whose fields `dgn_tf.config.fields.setting` has declared.
    """

    SUMMARY: str
    HOLDS: tuple[str, ...]
    Settings: type


def names() -> list[str]:
    """The names of all experiments, in the order of the alphabet; none is imported."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def find(name: str) -> Described:
    """The experiment of a name.

    Raises:
        InputError: there is none.
    """
    if name not in names():
        raise InputError(
            f"`experiment={name}`: must be one of {', '.join(names())}. (The transfer table, E2, "
            "is a program of its own: dgn_tf.transfer.)"
        )
    return cast(Described, importlib.import_module(f"{__name__}.{name}"))


def late_data(name: str) -> bool:
    """Whether an experiment itself misses data that are not given (`LATE_DATA`)."""
    return getattr(find(name), "LATE_DATA", False)


def suits(name: str, trained: DataConfig) -> bool:
    """Whether an experiment is for models that have learned from such data."""
    return ("clips" if trained.frames else "images") in find(name).HOLDS


def suiting(trained: DataConfig) -> list[str]:
    """The names of the experiments for models that have learned from such data."""
    return [name for name in names() if suits(name, trained)]


def owners() -> dict[str, list[str]]:
    """For every setting that some experiments alone have, the names of these experiments."""
    found: dict[str, list[str]] = {}
    for name in names():
        for field in dataclasses.fields(find(name).Settings):
            found.setdefault(field.name, []).append(name)
    return found


def all_settings() -> type:
    """A dataclass with the settings of all experiments, to declare flags from.

    Experiments that declare a setting of the same name share it: its help is that of each, after
    the experiment's name.

    Raises:
        ValueError: they declare it with other types, defaults or choices.
    """
    fields = []
    for name, experiments in owners().items():
        declared = {e: find(e).Settings.__dataclass_fields__[name] for e in experiments}
        kinds = {(f.type, f.default, f.metadata["choices"]) for f in declared.values()}
        if len(kinds) > 1:
            raise ValueError(f"{' and '.join(experiments)} declare different settings {name!r}")
        ((kind, default, choices),) = kinds
        text = " ".join(f"{owner}: {field.metadata['help']}" for owner, field in declared.items())
        fields.append((name, kind, setting(default, text, choices)))
    # The first line is the heading of these flags in the help.
    about = {"__doc__": "What single experiments are given."}
    return dataclasses.make_dataclass("ExperimentSettings", fields, namespace=about, frozen=True)
