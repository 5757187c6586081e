"""Presets: the flagfiles that come with the program, by name, in a checkout and in a wheel alike.

A checkout has them in its folder `flags`, which a wheel holds as `dgn_tf/presets` (see setup.py).
"""

import difflib
import re
from collections.abc import Sequence
from pathlib import Path

from absl import flags

import dgn_tf
from dgn_tf.utils.errors import InputError

_PACKAGE = Path(dgn_tf.__file__).resolve().parent
_IN_WHEEL, _IN_CHECKOUT = _PACKAGE / "presets", _PACKAGE.parent / "flags"
_FLAG = re.compile(r"--?preset(=(?P<name>.*))?", re.DOTALL)


def preset_names() -> list[str]:
    """The names of all presets, sorted."""
    return sorted(path.stem for path in _folder().glob("*.cfg"))


def preset_path(name: str, setting: str = "preset") -> Path:
    """The flagfile of a preset.

    Args:
        name: of the preset, such as "faces64".
        setting: that names it, for the message.

    Raises:
        InputError: there is no preset of this name; the message says which are near.
    """
    names = preset_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"must be one of {_listed(names)}."
        raise InputError(f"`{setting}={name}`: there is no such preset; {hint}")
    return _folder() / f"{name}.cfg"


def preset_summary(name: str) -> str:
    """What a preset is for, in a sentence or two: the comment at the top of its file.

    Raises:
        InputError: there is no preset of this name.
    """
    lines = preset_path(name).read_text(encoding="utf-8").splitlines()
    first = next((n for n, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return " ".join(line.removeprefix("#").strip() for line in lines[:first])


def define_preset_flag() -> None:
    """Declares --preset, which `read_files` puts the settings of a preset in place of."""
    flags.DEFINE_string(
        "preset",
        None,
        "Settings that come with the program, by name; flags beside it win. Presets: "
        f"{_listed(preset_names())}.",
    )


def read_files(argv: Sequence[str], values: flags.FlagValues) -> list[str]:
    """A command line with the contents of flagfiles and presets in place of their names.

    Presets on the command line itself come first, so that every flag beside them wins.

    Args:
        argv: the program's name and its arguments.
        values: the flags of the program; without a flag `preset` there are no presets.

    Raises:
        InputError: a preset that is not there, or without a name; a flagfile without one.
        absl.flags.Error: a flagfile that cannot be read.
    """
    arguments = list(argv)
    before = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if any(argument in ("--flagfile=", "-flagfile=") for argument in before):
        # Absl takes none for none.
        raise InputError("--flagfile is empty: name a file of flags, or leave it out.")
    if "preset" not in values:
        return list(values.read_flags_from_files(arguments))
    program, *rest = arguments
    marked = _marked(rest)
    arguments = [program, *(a for a, preset in marked if preset)]
    arguments += [a for a, preset in marked if not preset]
    while True:
        program, *rest = values.read_flags_from_files(arguments)
        # A flagfile may name one too, and its settings stand where it does.
        marked = _marked(rest)
        arguments = [program, *(argument for argument, _ in marked)]
        if not any(preset for _, preset in marked):
            return arguments


def _marked(arguments: Sequence[str]) -> list[tuple[str, bool]]:
    """Each argument up to "--", those that name a preset as --flagfile, and whether it is such."""
    found, rest = [], list(arguments)
    while rest and rest[0] != "--":
        argument = rest.pop(0)
        match = _FLAG.fullmatch(argument)
        if match is None:
            found.append((argument, False))
            continue
        name = match["name"] if match[1] else (rest.pop(0) if rest else "")
        if not name:
            raise InputError(f"`preset` needs a name: one of {_listed(preset_names())}.")
        found.append((f"--flagfile={preset_path(name)}", True))
    return [*found, *((argument, False) for argument in rest)]


def _folder() -> Path:
    return _IN_WHEEL if _IN_WHEEL.is_dir() else _IN_CHECKOUT


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
