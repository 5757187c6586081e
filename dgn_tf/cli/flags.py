"""Command-line flags made from the settings' declarations, and what every app shares."""

import dataclasses
import os
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from absl import flags

from dgn_tf.cli.help import note_section
from dgn_tf.cli.presets import preset_path, read_files
from dgn_tf.config import Config
from dgn_tf.utils.errors import InputError

_DEFINERS = {
    bool: flags.DEFINE_bool,
    bool | None: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    int | None: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    float | None: flags.DEFINE_float,
    str: flags.DEFINE_string,
}
Settings = TypeVar("Settings")


def define_settings_flags(
    kind: type, names: Sequence[str] | None = None, flag_values: flags.FlagValues = flags.FLAGS
) -> None:
    """Declare a flag for every setting of a dataclass, with its default and its help.

    Args:
        kind: a dataclass whose fields `dgn_tf.config.fields.setting` has declared.
        names: of the settings that get a flag; None for all.
        flag_values: where the flags are declared.
    """
    section = (kind.__doc__ or "").partition("\n")[0].rstrip(".")
    for field in dataclasses.fields(kind):
        if names is not None and field.name not in names:
            continue
        text, choices, default = field.metadata["help"], field.metadata["choices"], field.default
        if field.type is str and choices:
            flags.DEFINE_enum(field.name, str(default), choices, text, flag_values=flag_values)
        else:
            _DEFINERS[field.type](field.name, default, text, flag_values=flag_values)
        note_section(flag_values, [field.name], section)


def settings_from_flags(
    kind: type[Settings],
    values: flags.FlagValues,
    defaults: Mapping[str, Any] | None = None,
    **more: Any,
) -> Settings:
    """An instance of a dataclass with what the flags say; settings without a flag keep defaults.

    Args:
        kind: the dataclass.
        values: the flags.
        defaults: for flags that are not given, in place of what they were declared with.
        more: settings that have no flag.

    Raises:
        InputError: a value out of its range.
    """
    names: list[str] = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    given = {name: values[name].value for name in names if name in values}
    for name, value in (defaults or {}).items():
        if name in given and not values[name].present:
            given[name] = value
    return kind(**given, **more)


def define_config_flags(
    names: Sequence[str] | None = None, flag_values: flags.FlagValues = flags.FLAGS
) -> None:
    """Declare one flag for every setting of `Config`, or for those with the given names alone."""
    for kind in typing.get_type_hints(Config).values():
        define_settings_flags(kind, names, flag_values)


def config_from_flags(
    values: flags.FlagValues, defaults: Mapping[str, Any] | None = None
) -> Config:
    """The `Config` that the flags say; `defaults` as of `settings_from_flags`.

    Raises:
        InputError: a value out of its range.
    """
    sections = typing.get_type_hints(Config).items()
    return Config(**{name: settings_from_flags(kind, values, defaults) for name, kind in sections})


def config_from_file(path: str | os.PathLike) -> Config:
    """The `Config` that a flagfile says, whatever the program's own flags are.

    Raises:
        InputError: it cannot be read, or has something that is no setting.
    """
    values = flags.FlagValues()
    define_config_flags(flag_values=values)
    try:
        values(read_files(["flagfile", f"--flagfile={path}"], values))
    except (flags.Error, OSError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: {' '.join(str(error).split())}") from None
    return config_from_flags(values)


def config_from_preset(name: str) -> Config:
    """The `Config` of a preset, such as "faces64".

    Raises:
        InputError: there is none of this name, or it is for another command than dgn_tf.train.
    """
    return config_from_file(preset_path(name))


def define_source_flags() -> None:
    """Declares --run_dir and --saved_model, one of which an app needs."""
    flags.DEFINE_string("run_dir", None, "Folder of the training run.")
    flags.DEFINE_string(
        "saved_model", None, "Instead of --run_dir: saved_models/NAME[/VERSION] of dgn_tf.export."
    )
