"""The wheel: what is installed works anywhere, with the presets of flags/ inside."""

import os
import pathlib
import subprocess
import sys
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder that the wheel alone is installed into; packages it needs are this program's."""
    root = tmp_path_factory.mktemp("wheel")
    # What is built leaves its traces beside setup.py: in a copy.
    names = ("dgn_tf", "flags", "setup.py", "setup.cfg", "pyproject.toml", "MANIFEST.in")
    run("cp", "-r", *(str(ROOT / name) for name in (*names, "README.md", "LICENSE")), str(root))
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-q")
    run(*pip, "wheel", "--no-deps", "--wheel-dir", str(root / "dist"), ".", cwd=root)
    (wheel,) = (root / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if "/presets/" in name}
    assert held == {f"dgn_tf/presets/{path.name}" for path in (ROOT / "flags").glob("*.cfg")}
    run(*pip, "install", "--no-deps", "--target", str(root / "site"), str(wheel))
    return root / "site"


def test_a_preset_is_trained_from_another_folder(installed, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(installed)}
    command = (str(installed / "bin/dgn"), "train", "--preset=debug", "--epochs=1")
    said = run(*command, "--limit=50", "--run_dir=run", cwd=tmp_path, env=environment)
    assert (tmp_path / "run/model.keras").is_file() and "--epochs=1" in said
    look = (sys.executable, "-c", "import dgn_tf; print(dgn_tf.__file__)")
    where = run(*look, cwd=tmp_path, env=environment)
    assert where.startswith(str(installed))
