"""The rules of the house that a parser can check: one-way imports, and nothing read can run."""

import ast
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]

# At the root of dgn_tf a file is a command and a folder is a library. A folder imports only what
# stands further down this list; a command imports any of it, and no other command.
ORDER = (
    "api",
    "benchmarking",
    "evaluation",
    "explorer",
    "runs",
    "serving",
    "visualize",
    "training",
    "inference",
    "models",
    "data",
    "cli",
    "config",
    "ops",
    "types",
    "__init__",
    "utils",
)
COMMANDS = (
    "train",
    "infer",
    "sample",
    "morph",
    "drive",
    "evaluate",
    "transfer",
    "amortise",
    "prepare",
    "pack",
    "export",
    "explore",
    "benchmark",
    "doctor",
    "__main__",
)


def room_of(path: str) -> str:
    """The room of a file given relative to the project's root, as in dgn_tf/models/warp.py."""
    return path.removesuffix(".py").split("/")[1]


def imported_rooms(source: str) -> list[tuple[int, str]]:
    """(line, room) of every import of dgn_tf, inside functions too; "." for a relative one."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            found.append((node.lineno, "."))
            continue
        elif isinstance(node, ast.ImportFrom) and node.module == "dgn_tf":
            # A name that is no room is something that dgn_tf/__init__.py defines.
            rooms = (*ORDER, *COMMANDS)
            names = [f"dgn_tf.{a.name}" if a.name in rooms else "dgn_tf" for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module]
        else:
            continue
        for name in names:
            package, _, rest = name.partition(".")
            if package == "dgn_tf":
                found.append((node.lineno, rest.split(".")[0] or "__init__"))
    return sorted(found)


def may_import(room: str, other: str) -> bool:
    # The front door names what the folder of its own has, for type checkers alone.
    if (room, other) == ("__init__", "api"):
        return True
    if room in COMMANDS:
        return other in ORDER
    return other in ORDER and ORDER.index(other) >= ORDER.index(room)


def import_violations(path: str, source: str) -> list[str]:
    room = room_of(path)
    if room not in (*ORDER, *COMMANDS):
        return [f"{path}: '{room}' has no place: add it to ORDER in tests/test_architecture.py"]
    violations = []
    for line, other in imported_rooms(source):
        if other == ".":
            violations.append(f"{path}:{line}: relative import: write it from dgn_tf on")
        elif not may_import(room, other):
            violations.append(f"{path}:{line}: {room} must not import {other}")
    return violations


def files_under(folder: str) -> list[str]:
    return sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / folder).rglob("*.py"))


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", files_under("dgn_tf"))
def test_imports_run_one_way(path):
    assert import_violations(path, read(path)) == []


def test_files_at_the_root_are_commands():
    files = {path.stem for path in (ROOT / "dgn_tf").glob("*.py")}
    assert files == {*COMMANDS, "types", "__init__"}
    for name in COMMANDS:
        _, _, entry = read(f"dgn_tf/{name}.py").partition("def main_cli(")
        # What ends a command quietly after Ctrl-C and `| head`.
        assert "run_app(main" in entry or "with at_the_terminal():" in entry, name


def imported_at_once(source: str) -> list[str]:
    """Every module that is imported when the module with this source is."""
    nodes = ast.parse(source).body
    found = [a.name for node in nodes if isinstance(node, ast.Import) for a in node.names]
    return found + [n.module for n in nodes if isinstance(n, ast.ImportFrom) and n.module]


# Not a callback or the version: those have nothing to be configured.
MAKES = re.compile(r"keras\.(layers\.\w+\(|ops|Sequential|optimizers|models|losses|Input|export)")


def test_whatever_makes_something_of_keras_imports_what_configures_it():
    graph, found = {}, []
    for path in files_under("dgn_tf"):
        module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        graph[module] = imported_at_once(read(path))
        if "keras" in graph[module] and MAKES.search(read(path)):
            found.append(module)
    assert len(found) > 20

    def configures(module, seen=()):
        return module == "dgn_tf.types" or any(
            configures(other, (*seen, module))
            for other in graph.get(module, ())
            if other in graph and other not in seen
        )

    assert [module for module in found if not configures(module)] == []


# What a command may import before it has read its flags: nothing there needs TensorFlow.
QUICK = ("cli", "config", "utils", "__init__")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_reads_its_flags_before_it_imports_what_takes_seconds(name):
    for module in imported_at_once(read(f"dgn_tf/{name}.py")):
        package, room, *_ = [*module.split("."), "__init__"]
        assert package not in ("tensorflow", "keras", "numpy"), module
        assert package != "dgn_tf" or room in QUICK, module


def test_no_files_import_each_other():
    graph = {}
    for path in files_under("dgn_tf"):
        module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        # What is imported inside a function is not there when the module is made.
        nodes = ast.parse(read(path)).body
        graph[module] = {
            target
            for node in nodes
            if isinstance(node, ast.ImportFrom) and node.module and node.module != module
            for target in (node.module, *(f"{node.module}.{a.name}" for a in node.names))
            if target.startswith("dgn_tf")
        }
    done: set[str] = set()

    def visit(module, trail):
        assert module not in trail, " -> ".join([*trail[trail.index(module) :], module])
        if module in graph and module not in done:
            for other in graph[module]:
                visit(other, [*trail, module])
            done.add(module)

    for module in graph:
        visit(module, [])


def test_learning_and_inference_know_no_model():
    # They take any model as an argument: see dgn_tf/types.py.
    for path in (*files_under("dgn_tf/training"), *files_under("dgn_tf/inference")):
        rooms = {room for _, room in imported_rooms(read(path))}
        assert "models" not in rooms, path


# Readers that can be made to run what a file says.
UNSAFE = {"pickle", "shelve", "marshal", "joblib", "dill", "yaml"}


def unsafe_readers(path: str, source: str) -> list[str]:
    violations = []
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        violations += [f"{path}:{node.lineno}: {n}" for n in names if n.split(".")[0] in UNSAFE]
        if not isinstance(node, ast.Call):
            continue
        call = ast.unparse(node)
        if call.startswith(("eval(", "exec(")) or "safe_mode=False" in call:
            violations.append(f"{path}:{node.lineno}: {call}")
        if ast.unparse(node.func) in ("np.load", "numpy.load") and "allow_pickle=False" not in call:
            violations.append(f"{path}:{node.lineno}: {call}")
    return violations


@pytest.mark.parametrize("path", files_under("dgn_tf"))
def test_nothing_that_is_read_can_run(path):
    assert unsafe_readers(path, read(path)) == []


def test_readers_that_run_what_they_read_are_named():
    source = (
        "import pickle\nfrom yaml import load\nnp.load(f)\neval(x)\nload_model(p, safe_mode=False)"
    )
    assert len(unsafe_readers("a.py", source)) == 5
    assert unsafe_readers("a.py", "np.load(f, allow_pickle=False)\nmodel.eval()") == []


def test_the_files_are_found():
    assert {"dgn_tf/__init__.py", "dgn_tf/config/__init__.py"} <= set(files_under("dgn_tf"))
    assert "tests/test_architecture.py" in files_under("tests")


def test_every_folder_is_a_package():
    # An installed copy holds packages only: a folder without __init__.py would be left out.
    folders = {(ROOT / path).parent for path in files_under("dgn_tf")}
    assert [f.name for f in sorted(folders) if not (f / "__init__.py").is_file()] == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("dgn_tf/config/data.py", "import json\nfrom dgn_tfx import models\n"),
        ("dgn_tf/models/a.py", "from dgn_tf.models.layers import x\nimport dgn_tf.config\n"),
        ("dgn_tf/models/baselines/vae.py", "from dgn_tf.models import layers\n"),
        ("dgn_tf/training/loop.py", "from dgn_tf import __version__\nfrom dgn_tf import data\n"),
        ("dgn_tf/evaluation/report.py", "from dgn_tf.visualize.grids import grid\n"),
        ("dgn_tf/train.py", "from dgn_tf import cli, runs\nimport dgn_tf.ops.warp as warp\n"),
    ],
)
def test_downward_imports_pass(path, source):
    assert import_violations(path, source) == []


@pytest.mark.parametrize(
    ("path", "source", "message"),
    [
        ("dgn_tf/__init__.py", "from dgn_tf.models import a", "__init__ must not import models"),
        ("dgn_tf/config/a.py", "import dgn_tf.cli", "config must not import cli"),
        ("dgn_tf/data/heads.py", "from dgn_tf.models import a", "data must not import models"),
        ("dgn_tf/ops/warp.py", "from dgn_tf import data", "ops must not import data"),
        ("dgn_tf/models/a.py", "def f():\n  import dgn_tf.train", "models must not import train"),
        ("dgn_tf/visualize/a.py", "import dgn_tf.evaluation", "must not import evaluation"),
        ("dgn_tf/train.py", "from dgn_tf.infer import f", "train must not import infer"),
        ("dgn_tf/models/a.py", "from . import layers", "relative import"),
        ("dgn_tf/models/a.py", "import dgn_tf.spare.a", "models must not import spare"),
        ("dgn_tf/spare/a.py", "", "'spare' has no place"),
    ],
)
def test_other_imports_are_named(path, source, message):
    (violation,) = import_violations(path, source)
    assert violation.startswith(path)
    assert message in violation


def test_every_import_of_a_line_is_seen():
    source = "import os\nimport dgn_tf.runs, dgn_tf.train\nfrom dgn_tf import config, cli\n"
    assert imported_rooms(source) == [(2, "runs"), (2, "train"), (3, "cli"), (3, "config")]
