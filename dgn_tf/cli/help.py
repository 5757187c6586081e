"""The help of a command: what people use on one screen, and everything by section."""

import re
import shutil
import textwrap
from collections.abc import Iterable, Mapping, Sequence

from absl import flags

from dgn_tf.cli.presets import preset_names

# Flags that people use, by the title of their group.
Common = Mapping[str, Sequence[str]]

_WIDEST, _COLUMN = 100, 26
# Lines of a flag on the one screen.
_BRIEF_LINES = 2
_OWN_SECTION, _LIBRARY_SECTION = "This command", "How the program itself runs (absl)"


def wanted_help(argv: Sequence[str]) -> str | None:
    """Which help a command line asks for: "brief", "all", or None for none."""
    for argument in argv[1:]:
        if argument == "--":
            break
        if argument in ("-h", "--help", "-help", "--helpshort", "-helpshort"):
            return "brief"
        if argument in ("--help=all", "-help=all", "--helpfull", "-helpfull"):
            return "all"
    return None


def brief_help(about: str, common: Common | None, values: flags.FlagValues) -> str:
    """The help of a command on one screen.

    Args:
        about: what the command does, the docstring of its module: the first paragraph, and how it
            is used, the second.
        common: the flags to show; none shows all that the command has declared itself.
        values: the flags.
    """
    lines = [*_opening(about, 2), ""]
    for title, names in (common or _sections(values, own=True)).items():
        lines += [f"{title}:", *(line for name in names for line in _brief(values[name])), ""]
    if "preset" in values:
        names = ", ".join(preset_names())
        lines += [*textwrap.wrap(f"Presets: {names}", _width(), subsequent_indent="  "), ""]
    return "\n".join([*lines, "All flags, by section: --help=all"])


def full_help(about: str, values: flags.FlagValues) -> str:
    """The whole help: every flag with its default and its choices, by section.

    Args:
        about: the docstring of the command's module.
        values: the flags.
    """
    lines = [*_opening(about), ""]
    for title, names in _sections(values).items():
        lines += [f"{title}:", *(line for name in names for line in _full(values[name])), ""]
    return "\n".join(lines).rstrip()


def note_section(values: flags.FlagValues, names: Iterable[str], title: str) -> None:
    """Say to which section of the whole help flags belong; others are the command's own."""
    for name in names:
        vars(values[name])["section"] = title


def _opening(about: str, paragraphs: int | None = None) -> list[str]:
    shown = about.strip().split("\n\n")[:paragraphs]
    return "\n\n".join(shown).splitlines()


def _sections(values: flags.FlagValues, own: bool = False) -> dict[str, list[str]]:
    """The names of all flags by section, in the order in which they were declared."""
    found: dict[str, list[str]] = {}
    library: list[str] = []
    for module, declared in values.flags_by_module_dict().items():
        for flag in declared:
            if module.startswith(("absl.", "tensorflow")):
                library.append(flag.name)
            else:
                found.setdefault(getattr(flag, "section", _OWN_SECTION), []).append(flag.name)
    first = {_OWN_SECTION: found.pop(_OWN_SECTION, [])}
    sections = first | found | ({} if own else {_LIBRARY_SECTION: sorted(library)})
    return {title: names for title, names in sections.items() if names}


def _brief(flag: flags.Flag) -> list[str]:
    # The first sentence; "et al. 2018" is in the middle of one.
    text = re.split(r"(?<=[^.][.])(?<!et al[.]) ", _said(flag), maxsplit=1)[0]
    text = re.sub(r"(?<![.])[.]$", "", text)
    return _entry(_shown(flag), text, _BRIEF_LINES)


def _full(flag: flags.Flag) -> list[str]:
    choices = getattr(flag.parser, "enum_values", None)
    text = _said(flag)
    if choices and any(str(choice) not in text for choice in choices):
        text += f" One of {', '.join(filter(None, map(str, choices)))}."
    return _entry(_shown(flag), text)


def _said(flag: flags.Flag) -> str:
    """The help of a flag, without the list of its choices that absl puts in front."""
    return re.sub(r"^<[^>]*>: ", "", " ".join((flag.help or "").split()))


def _shown(flag: flags.Flag) -> str:
    """The flag as it is written, with its default."""
    if flag.boolean:
        return f"--[no]{flag.name}" + (" (on)" if flag.default else "")
    default = "" if flag.default in (None, []) else str(flag.default_as_str).strip("'")
    return f"--{flag.name}={default or '...'}"


def _width() -> int:
    return min(_WIDEST, max(60, shutil.get_terminal_size((_WIDEST, 24)).columns))


def _entry(name: str, text: str, most: int | None = None) -> list[str]:
    """Lines for a flag: its name in a column of its own, and what it does beside or below."""
    wrapped = textwrap.wrap(
        text, _width() - _COLUMN, max_lines=most, placeholder=" ...", break_on_hyphens=False
    )
    name = f"  {name}"
    if len(name) >= _COLUMN and most and "=" in name:
        # A long default is left out rather than given a line of its own.
        name = f"{name.partition('=')[0]}=..."
    if len(name) >= _COLUMN:
        return [name, *(" " * _COLUMN + line for line in wrapped)]
    first, *rest = wrapped or [""]
    return [f"{name:<{_COLUMN}}{first}".rstrip(), *(" " * _COLUMN + line for line in rest)]
