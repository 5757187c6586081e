"""Pages of the site that are made from the code when it is built: commands, settings, API.

mkdocs calls `on_files`; nothing here imports TensorFlow.
"""

import dataclasses
import importlib
import inspect
import re
import sys
import typing
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from absl import flags
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
# The project that is documented, wherever mkdocs itself was started.
sys.path.insert(0, str(ROOT))

# What researchers compose runs from: a heading and the modules below it.
LIBRARY = {
    "Contracts": ("dgn_tf.types",),
    "Models": (
        "dgn_tf.models.deformable",
        "dgn_tf.models.dynamic",
        "dgn_tf.models.generators",
        "dgn_tf.models.factory",
    ),
    "Learning": (
        "dgn_tf.training.alternating",
        "dgn_tf.training.chains",
        "dgn_tf.training.proposals",
        "dgn_tf.training.loop",
    ),
    "Inference": (
        "dgn_tf.inference.langevin",
        "dgn_tf.inference.posterior",
        "dgn_tf.inference.encoder",
    ),
    "Operations": ("dgn_tf.ops.warp", "dgn_tf.ops.regularizers"),
    "Data": ("dgn_tf.data.examples", "dgn_tf.data.sources.registry"),
    "Serving": ("dgn_tf.serving.client", "dgn_tf.serving.lite"),
}


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are made from the code."""
    for path, text in (
        ("index.md", in_docs("README.md")),
        ("contributing.md", in_docs("CONTRIBUTING.md")),
        ("changelog.md", in_docs("CHANGELOG.md")),
        ("LICENSE.txt", (ROOT / "LICENSE").read_text(encoding="utf-8")),
        ("CITATION.cff", (ROOT / "CITATION.cff").read_text(encoding="utf-8")),
        ("reference/commands.md", commands_page()),
        ("reference/settings.md", settings_page()),
        ("reference/api.md", api_page()),
    ):
        files.append(File.generated(config, path, content=text))
    return files


def in_docs(name: str) -> str:
    """A page at the root of the project, with links as they are from the folder docs."""
    text = (ROOT / name).read_text(encoding="utf-8").replace("](docs/", "](")
    for root, place in (
        ("LICENSE", "LICENSE.txt"),
        ("CONTRIBUTING.md", "contributing.md"),
        ("CHANGELOG.md", "changelog.md"),
    ):
        text = text.replace(f"]({root})", f"]({place})")
    return text


def declared_flags(command: str) -> list[flags.Flag]:
    """The flags that a command declares, in the order of the alphabet."""
    module = importlib.import_module(f"dgn_tf.{command}")
    before = set(flags.FLAGS)
    module.define_flags()
    found = [flags.FLAGS[name] for name in sorted(set(flags.FLAGS) - before)]
    for flag in found:
        delattr(flags.FLAGS, flag.name)
    return found


def settings_sections() -> Iterator[tuple[str, type]]:
    """(Heading, dataclass) of the settings of a training."""
    from dgn_tf.config import Config

    yield from typing.get_type_hints(Config).items()


def commands_page() -> str:
    """Every command with its flags; those that are settings of a training are told by a link."""
    from dgn_tf.__main__ import COMMANDS

    settings = {f.name: kind for _, kind in settings_sections() for f in dataclasses.fields(kind)}
    lines = [
        "# Commands",
        "",
        "Made from the flags that the commands declare. `dgn COMMAND --help` shows the first of "
        "these tables, `--help=all` the rest. `--flagfile=FILE` reads flags from a file, and "
        "`--noNAME` is `--NAME=false`.",
    ]
    for name, summary in COMMANDS.items():
        module = importlib.import_module(f"dgn_tf.{name}")
        lines += ["", f"## dgn {name}", "", f"{summary[0].upper()}{summary[1:]}.", ""]
        usage = (inspect.getdoc(module) or "").partition("Usage:")[2].partition("\n\n")[0]
        if usage:
            lines += ["```sh", *(line.strip() for line in usage.strip().splitlines()), "```", ""]
        if not hasattr(module, "define_flags"):
            continue
        declared = {flag.name: flag for flag in declared_flags(name)}
        for heading, names in getattr(module, "COMMON", {}).items():
            rows = [declared.pop(flag) for flag in names]
            lines += [f"**{heading}**", "", *_flags_table(rows), ""]
        shared = [flag for flag in declared.values() if _same(flag, settings)]
        if len(shared) > len(settings) / 2:
            lines += ["And every setting of a training: [Settings](settings.md).", ""]
            declared = {k: flag for k, flag in declared.items() if flag not in shared}
        if declared:
            lines += ["**More**", "", *_flags_table(declared.values())]
    return "\n".join(lines) + "\n"


def settings_page() -> str:
    """The settings of a training by section, and those of inference and of the experiments."""
    from dgn_tf.config import InferenceConfig, experiments

    lines = [
        "# Settings",
        "",
        "Made from the dataclasses in `dgn_tf/config`. Each setting is a flag of the same name. "
        "*Fixed* settings stay as they are when a run goes on. A schedule is a number or "
        "`FRACTION:VALUE` pairs, as in `0:1e-3,0.5:5e-4`: fractions of the run.",
    ]
    for section, kind in settings_sections():
        lines += ["", f"## {section.capitalize()}", "", inspect.getdoc(kind) or "", ""]
        lines += _settings_table(kind)
    lines += ["", "## Inference", "", inspect.getdoc(InferenceConfig) or "", ""]
    lines += _settings_table(InferenceConfig)
    lines += ["", "## Experiments", "", "Of `evaluate --experiment=NAME`.", ""]
    for name in experiments.names():
        described = experiments.find(name)
        lines += [
            "",
            f"### {name}",
            "",
            f"For models of {' and '.join(described.HOLDS)}: {described.SUMMARY}.",
            "",
        ]
        if dataclasses.fields(described.Settings):
            lines += _settings_table(described.Settings)
    return "\n".join(lines) + "\n"


def api_page() -> str:
    """The front door by name, then the modules below it."""
    import dgn_tf

    lines = ["# Python API", ""]
    for name in getattr(dgn_tf, "__all__", ()):
        place = getattr(dgn_tf, "_PLACES", {}).get(name)
        if place:
            lines += [f"::: {place}.{name}"]
            if name.endswith("Generator"):
                # Most of their calls are those of the class that both share.
                lines += ["    options:", "      inherited_members: true"]
            lines += [""]
    lines += ["## The library below", "", "For programs that compose a run themselves.", ""]
    for heading, modules in LIBRARY.items():
        lines += [f"### {heading}", ""]
        for module in modules:
            lines += [f"::: {module}", "    options:", "      heading_level: 4"]
            lines += ["      show_root_full_path: true", ""]
    return "\n".join(lines)


def _settings_table(kind: type) -> list[str]:
    rows = []
    for field in dataclasses.fields(kind):
        if "help" in field.metadata:
            text = _prose(field.metadata["help"])
            if choices := [f"`{c}`" for c in field.metadata["choices"] or () if c != ""]:
                text += f" One of {', '.join(choices)}."
            if field.metadata["fixed"] and kind in dict(settings_sections()).values():
                text += " *Fixed.*"
            rows.append((f"`{field.name}`", _value(field.default), text))
    return _table(("setting", "default", "what"), rows)


def _flags_table(found: Iterable[flags.Flag]) -> list[str]:
    rows = []
    for flag in found:
        # absl writes the choices in front of the text, as in "<png|jpg>: ".
        text = _prose(re.sub(r"^<[^>]*>: ", "", flag.help))
        choices = getattr(flag.parser, "enum_values", None)
        if choices := [f"`{choice}`" for choice in choices or () if choice]:
            text = f"{text.rstrip('.')}. One of {', '.join(choices)}."
        rows.append((f"`--{flag.name}`", _value(flag.default), text))
    return _table(("flag", "default", "what"), rows)


def _same(flag: flags.Flag, settings: dict[str, type]) -> bool:
    """Whether a flag is that of a setting of a training, and not another one of its name."""
    if flag.name not in settings:
        return False
    field = settings[flag.name].__dataclass_fields__[flag.name]
    return flag.help.endswith(field.metadata["help"])


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def _value(default: Any) -> str:
    return "" if default in (None, "", [], ()) else f"`{default}`"


def _prose(text: str) -> str:
    """Help as Markdown inside a table, where a bar or a bracket means something else."""
    text = " ".join(text.split())
    for mark in "|[]<>*_":
        text = text.replace(mark, f"\\{mark}")
    return text[:1].upper() + text[1:]
