"""The notebooks in docs/tutorials, run from their first cell to their last at debug size.

All share one kernel, which imports TensorFlow once, and forgets its names before each of them.
"""

import os

import nbformat
import pytest
from jupyter_client.manager import KernelManager
from markdown_blocks import ROOT
from nbclient import NotebookClient

NOTEBOOKS = sorted((ROOT / "docs" / "tutorials").glob("*.ipynb"))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """`run(path)` executes a notebook, beside a copy of what it reads."""
    root = tmp_path_factory.mktemp("project")
    folder = root / "docs" / "tutorials"
    folder.mkdir(parents=True)
    (root / "saved_models").symlink_to(ROOT / "saved_models")
    environment = {
        **os.environ,
        "DGN_TUTORIAL_SIZE": "debug",
        "MPLBACKEND": "agg",
        "PYTHONPATH": str(ROOT),
        "XLA_FLAGS": "--xla_backend_optimization_level=0",
    }
    kernel = KernelManager()
    kernel.start_kernel(env=environment, cwd=str(folder))

    def execute(path):
        notebook = nbformat.read(path, as_version=4)
        notebook.cells.insert(0, nbformat.v4.new_code_cell("%reset -f"))
        NotebookClient(notebook, km=kernel, timeout=300).execute()
        return notebook

    yield execute
    kernel.shutdown_kernel(now=True)


def test_there_are_seven():
    assert len(NOTEBOOKS) == 7


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_tutorial_runs(path, run):
    cells = run(path).cells
    shown = [output for cell in cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in shown)
