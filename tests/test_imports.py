"""The house rules that a parser can check: one-way imports, short files, short functions."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]

# A room is a top-level module or package of dgn_tf; `__init__` is dgn_tf/__init__.py itself.
FLOORS = {
    0: ["__init__", "aside", "config", "locks", "parsing", "stored"],
    1: ["models", "data"],
    2: ["learning"],
    3: ["evaluation", "explorer", "serving", "visualize"],
    4: [
        "benchmarking",
        "flags",
        "learners",
        "outputs",
        "results",
        "runs",
        "selftest",
        "subject",
        "trained",
    ],
    5: [
        "train",
        "infer",
        "evaluate",
        "transfer",
        "export",
        "explore",
        "prepare",
        "pack",
        "benchmark",
        "benchmark_clips",
        "amortise",
        "doctor",
    ],  # fmt: skip
}
FLOOR_OF = {room: floor for floor, rooms in FLOORS.items() for room in rooms}

# The benchmark compiles a step as a training does. Reports and the explorer hold pictures; a run
# directory keeps the flags in effect; results are written with a progress bar, under names that are
# safe.
SIDEWAYS = {
    ("benchmarking", "learners"),
    ("config", "parsing"),
    ("config", "stored"),
    ("locks", "parsing"),
    ("stored", "__init__"),
    ("stored", "parsing"),
    ("evaluation", "visualize"),
    ("explorer", "visualize"),
    ("runs", "flags"),
    ("results", "flags"),
    ("results", "outputs"),
    ("subject", "flags"),
    ("subject", "runs"),
    ("trained", "runs"),
}
# Learning takes any model as an argument, so it must not know one.
FORBIDDEN = {("learning", "models")}

MAX_FILE_LINES = 350
MAX_FUNCTION_LINES = 60


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
            names = [f"dgn_tf.{a.name}" if a.name in FLOOR_OF else "dgn_tf" for a in node.names]
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
    if room == other or (room, other) in SIDEWAYS:
        return True
    return FLOOR_OF[other] < FLOOR_OF[room] and (room, other) not in FORBIDDEN


def import_violations(path: str, source: str) -> list[str]:
    room = room_of(path)
    if room not in FLOOR_OF:
        return [f"{path}: '{room}' stands on no floor: add it to FLOORS in tests/test_imports.py"]
    violations = []
    for line, other in imported_rooms(source):
        if other == ".":
            violations.append(f"{path}:{line}: relative import: write it from dgn_tf on")
        elif other not in FLOOR_OF:
            violations.append(f"{path}:{line}: imports dgn_tf.{other}, which stands on no floor")
        elif not may_import(room, other):
            violations.append(f"{path}:{line}: {room} must not import {other}")
    return violations


def length_violations(path: str, source: str) -> list[str]:
    violations = []
    lines = len(source.splitlines())
    if lines > MAX_FILE_LINES:
        violations.append(f"{path}: {lines} lines, more than {MAX_FILE_LINES}")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = node.end_lineno - node.lineno + 1
            if lines > MAX_FUNCTION_LINES:
                violations.append(
                    f"{path}:{node.lineno}: {node.name} has {lines} lines, "
                    f"more than {MAX_FUNCTION_LINES}"
                )
    return violations


def files_under(folder: str) -> list[str]:
    return sorted(p.relative_to(ROOT).as_posix() for p in (ROOT / folder).rglob("*.py"))


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", files_under("dgn_tf"))
def test_imports_run_one_way(path):
    assert import_violations(path, read(path)) == []


@pytest.mark.parametrize(
    "path", files_under("dgn_tf") + files_under("tests") + files_under("benchmarks")
)
def test_files_and_functions_are_short(path):
    assert length_violations(path, read(path)) == []


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
    assert "tests/test_imports.py" in files_under("tests")


def test_every_folder_is_a_package():
    # An installed copy holds packages only: a folder without __init__.py would be left out.
    folders = {(ROOT / path).parent for path in files_under("dgn_tf")}
    assert [f.name for f in sorted(folders) if not (f / "__init__.py").is_file()] == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("dgn_tf/config.py", "import json\nfrom dgn_tfx import models\n"),
        ("dgn_tf/models/warp.py", "from dgn_tf.models.layers import x\nimport dgn_tf.config\n"),
        ("dgn_tf/models/baselines/vae.py", "from dgn_tf.models import layers\n"),
        ("dgn_tf/learning/loop.py", "from dgn_tf import __version__\nfrom dgn_tf import data\n"),
        ("dgn_tf/evaluation/report.py", "from dgn_tf.visualize.grids import grid\n"),
        ("dgn_tf/runs.py", "from dgn_tf import flags\nfrom dgn_tf.learning import checkpoints\n"),
        ("dgn_tf/train.py", "from dgn_tf import flags, runs\nimport dgn_tf.models.warp as warp\n"),
    ],
)
def test_downward_imports_pass(path, source):
    assert import_violations(path, source) == []


@pytest.mark.parametrize(
    ("path", "source", "message"),
    [
        ("dgn_tf/__init__.py", "from dgn_tf.models import warp", "__init__ must not import models"),
        ("dgn_tf/config.py", "import dgn_tf.flags", "config must not import flags"),
        ("dgn_tf/data/heads.py", "from dgn_tf.models import warp", "data must not import models"),
        ("dgn_tf/models/warp.py", "from dgn_tf import data", "models must not import data"),
        ("dgn_tf/models/a.py", "def f():\n  import dgn_tf.train", "models must not import train"),
        ("dgn_tf/learning/loop.py", "from dgn_tf import models", "learning must not import models"),
        ("dgn_tf/visualize/a.py", "import dgn_tf.evaluation", "must not import evaluation"),
        ("dgn_tf/flags.py", "from dgn_tf import runs", "flags must not import runs"),
        ("dgn_tf/train.py", "from dgn_tf.infer import f", "train must not import infer"),
        ("dgn_tf/models/warp.py", "from . import layers", "relative import"),
        ("dgn_tf/models/a.py", "import dgn_tf.spare.a", "dgn_tf.spare, which stands on no floor"),
        ("dgn_tf/spare/a.py", "", "'spare' stands on no floor"),
    ],
)
def test_other_imports_are_named(path, source, message):
    (violation,) = import_violations(path, source)
    assert violation.startswith(path)
    assert message in violation


def test_every_import_of_a_line_is_seen():
    source = "import os\nimport dgn_tf.runs, dgn_tf.train\nfrom dgn_tf import config, flags\n"
    assert imported_rooms(source) == [(2, "runs"), (2, "train"), (3, "config"), (3, "flags")]


def test_length_limits_are_inclusive():
    body = "    x = 1\n"
    assert length_violations("a.py", "def f():\n" + body * 59) == []
    (violation,) = length_violations("a.py", "class A:\n  async def f():\n" + body * 60)
    assert violation == "a.py:2: f has 61 lines, more than 60"
    assert length_violations("a.py", "x = 1\n" * 350) == []
    assert length_violations("a.py", "x = 1\n" * 351) == ["a.py: 351 lines, more than 350"]
