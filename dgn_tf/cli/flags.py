"""Command-line flags made from the settings' declarations, and what every app shares."""

import dataclasses
import typing

from absl import flags

from dgn_tf.config import Config
from dgn_tf.utils.errors import InputError

_DEFINERS = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
}


def define_config_flags(names=None, flag_values=flags.FLAGS):
    """Declare one flag for every setting of `Config`, or for those with the given names alone."""
    for name, (default, field) in Config().settings().items():
        if names is not None and name not in names:
            continue
        text = field.metadata["help"]
        if field.type is str and field.metadata["choices"]:
            choices = field.metadata["choices"]
            flags.DEFINE_enum(name, default, choices, text, flag_values=flag_values)
        else:
            _DEFINERS[field.type](name, default, text, flag_values=flag_values)


def config_from_flags(values):
    """The `Config` that the flags say.

    Raises:
        InputError: a value out of its range.
    """
    sections = typing.get_type_hints(Config)
    return Config(
        **{
            section: kind(**{f.name: values[f.name].value for f in dataclasses.fields(kind)})
            for section, kind in sections.items()
        }
    )


def config_from_file(path):
    """The `Config` that a flagfile says, whatever the program's own flags are.

    Raises:
        InputError: it cannot be read, or has something that is no setting.
    """
    values = flags.FlagValues()
    define_config_flags(flag_values=values)
    try:
        values(["flagfile", f"--flagfile={path}"])
    except (flags.Error, OSError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{path}: {' '.join(str(error).split())}") from None
    return config_from_flags(values)


def define_source_flags() -> None:
    """Declares --run_dir and --saved_model, one of which an app needs."""
    flags.DEFINE_string("run_dir", None, "Folder of the training run.")
    flags.DEFINE_string(
        "saved_model", None, "Instead of --run_dir: saved_models/NAME[/VERSION] of dgn_tf.export."
    )


def check_source(run_dir: str | None, saved_model: str | None) -> None:
    """Whether one of the two is given.

    Raises:
        InputError: none or both are.
    """
    if bool(run_dir) == bool(saved_model):
        raise InputError("give either --run_dir, a training run, or --saved_model, an export.")
