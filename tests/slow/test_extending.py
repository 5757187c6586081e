"""docs/extending.md, done: what it adds to a copy of the project works and passes its tests."""

import os
import shutil
import subprocess
import sys

import pytest
from markdown_blocks import ROOT, all_blocks

BLOCKS = [block for block in all_blocks() if block.page == "docs/extending.md"]


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of the project that has been extended as the page says."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("dgn_tf", "tests", "flags", "docs", "saved_models"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in ("setup.cfg", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, folder)
    for block in BLOCKS:
        if block.language == "python":
            assert not (folder / block.title).exists()
            (folder / block.title).write_text(block.text, encoding="utf-8")
        elif block.language == "diff":
            patch(folder / block.title, block.text)
        elif "cp " in block.text:
            subprocess.run(["sh", "-ec", block.text], cwd=folder, check=True)
    return folder


def patch(path, text):
    """Make the change of a block, whose lines begin with a space, a minus or a plus."""
    lines = text.splitlines()
    before = "".join(f"{line[1:]}\n" for line in lines if line[0] != "+")
    after = "".join(f"{line[1:]}\n" for line in lines if line[0] != "-")
    whole = path.read_text(encoding="utf-8")
    assert whole.count(before) == 1, f"docs/extending.md is not true of {path.name}:\n{before}"
    path.write_text(whole.replace(before, after), encoding="utf-8")


def test_its_commands_its_tests_and_the_rules(copy):
    names = ("models/test_contract.py", "data/sources/test_registry.py", "test_architecture.py")
    names += ("evaluation/test_experiments.py", "slow/test_documentation.py")
    chosen = "symmetric or ramps or this_version or contrast or every_source or every_model"
    chosen += " or imports_run_one_way or extending"
    command = [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider"]
    command += ["-m", "slow or not slow", "-k", chosen, *(f"tests/{name}" for name in names)]
    environment = {**os.environ, "PYTHONPATH": str(copy)}
    done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-3000:]
    assert "skipped" not in done.stdout.splitlines()[-1]
