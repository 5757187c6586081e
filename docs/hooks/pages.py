"""Pages of the site that are made from the code when it is built: commands, settings, API.

mkdocs calls `on_files`; nothing here imports TensorFlow.
"""

import dataclasses
import importlib
import inspect
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


def command_names() -> list[str]:
    """The commands, which are the files at the root of dgn_tf that declare flags."""
    paths = sorted((ROOT / "dgn_tf").glob("*.py"))
    return [path.stem for path in paths if "def define_flags(" in path.read_text(encoding="utf-8")]


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
    settings = {f.name: kind for _, kind in settings_sections() for f in dataclasses.fields(kind)}
    lines = [
        "# Commands",
        "",
        "Made from the flags that the commands declare. `--flagfile=FILE` reads flags from a file, "
        "and `--noNAME` is `--NAME=false`.",
    ]
    for name in command_names():
        module = importlib.import_module(f"dgn_tf.{name}")
        summary = (inspect.getdoc(module) or "").split("\n\n")[0].split(": python -m")[0]
        lines += ["", f"## {name}", "", " ".join(summary.split()).rstrip(".") + ".", ""]
        positionals = getattr(module, "POSITIONALS", ())
        if positionals:
            lines += [f"Takes {' and '.join(f'`{p}`' for p in positionals)} before its flags.", ""]
        declared = declared_flags(name)
        shared = [flag for flag in declared if flag.name in settings and _same(flag, settings)]
        if len(shared) > len(settings) / 2:
            lines += ["Takes every setting of a training ([Settings](settings.md)), and:", ""]
            declared = [flag for flag in declared if flag not in shared]
        lines += _table(
            ("flag", "default", "what"),
            ((f"`--{f.name}`", _value(f.default), _prose(f.help)) for f in declared),
        )
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
            f"For models of {described.HOLDS}: {described.SUMMARY}.",
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


def _same(flag: flags.Flag, settings: dict[str, type]) -> bool:
    field = settings[flag.name].__dataclass_fields__[flag.name]
    return flag.help == field.metadata["help"]


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
