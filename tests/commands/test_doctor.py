"""The doctor: what is there, what is not and how to get it, and whether trainings will work."""

import configparser
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dgn_tf import doctor
from dgn_tf.benchmarking import self_test

ROOT = Path(__file__).resolve().parents[2]
HEALTHY = {"gpus": [], "deviations": []}


@pytest.fixture
def setup():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


@pytest.fixture
def healthy(monkeypatch):
    """A machine on which all is well, whatever this one is."""
    versions = {name: least for name, (least, _) in doctor.BASE.items()} | {"av": "18.1.0"}
    monkeypatch.setattr(doctor, "installed", versions.get)
    monkeypatch.setattr(doctor, "run_self_test", lambda: HEALTHY)
    monkeypatch.setattr(doctor, "has_nvidia", lambda: False)
    monkeypatch.setattr(doctor, "free_memory", lambda: 8e9)
    monkeypatch.setattr(sys, "version_info", (3, 11, 7))
    monkeypatch.setattr("platform.python_version", lambda: "3.11.7")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return versions


def printed(capsys):
    """{what: (state, text)} of the table, and the verdict."""
    lines = capsys.readouterr().out.splitlines()
    rows = [re.match(r" *(ok|--|FAIL)  (.+?) {2,}(.+)", line) for line in lines]
    return {row[2]: (row[1], row[3]) for row in rows if row}, lines[-1]


def test_it_knows_what_the_package_needs(setup):
    lines = setup["options"]["install_requires"].split("\n")
    for name, (least, below) in doctor.BASE.items():
        assert f"{name}>={least}" + (f",<{below}" if below else "") in lines
    assert setup["options"]["python_requires"] == ">={},<{}".format(*doctor.PYTHONS)
    extras = setup["options.extras_require"]
    assert set(doctor.EXTRAS) <= set(extras)
    for extra, packages in doctor.EXTRAS.items():
        assert all(f"\n{package}" in extras[extra] for package in packages)
        # What the tests take of the other extras is told there.
        elsewhere = {
            name for other, names in doctor.EXTRAS.items() if other != extra for name in names
        }
        found = {re.match(r"[\w-]+", line)[0] for line in extras[extra].split("\n") if line}
        assert found - elsewhere == set(packages)


def test_a_healthy_machine(healthy, capsys):
    assert doctor.main([]) == 0
    rows, verdict = printed(capsys)
    assert verdict == "Trainings will work."
    assert rows["tensorflow"] == ("ok", "2.21")
    assert rows["extra video"] == ("ok", "av 18.1.0")
    assert rows["extra faces"] == ("--", 'mtcnn not installed: pip install "dgn_tf[faces]"')
    assert rows["GPU"] == ("--", "none: no NVIDIA device in this machine")
    assert rows["memory"] == ("ok", "8.0 GB free")
    assert rows["self-test"][0] == "ok"


def test_other_versions_and_missing_packages(healthy, capsys):
    healthy["tensorflow"], healthy["keras"], healthy["numpy"] = "2.22.0", "3.9.1", None
    assert doctor.main([]) == 1
    rows, verdict = printed(capsys)
    assert rows["tensorflow"] == ("FAIL", '2.22.0: pip install "tensorflow>=2.21,<2.22"')
    assert rows["keras"] == ("FAIL", '3.9.1: pip install "keras>=3.12,<4"')
    assert rows["numpy"] == ("FAIL", 'not installed: pip install "numpy>=2.0"')
    assert verdict == "Trainings will not work: see tensorflow, keras, numpy, self-test."


def test_memory_that_the_system_does_not_tell_is_left_out(healthy, monkeypatch, capsys):
    monkeypatch.setattr(doctor, "free_memory", lambda: math.inf)
    assert doctor.main([]) == 0
    assert "memory" not in printed(capsys)[0]


def test_it_needs_no_other_package_to_say_what_is_missing():
    # Only the standard library is there, and what makes an editable checkout importable.
    program = f"""
import sys
sys.path[:] = [{str(ROOT)!r}, *(p for p in sys.path if "site-packages" not in p)]
class Missing:
    def find_spec(name, *_):
        if name.partition(".")[0] in {{"tensorflow", "keras", "numpy", "absl", "PIL"}}:
            raise ImportError(name)
sys.meta_path.insert(0, Missing)
from dgn_tf import doctor
doctor.installed = lambda name: None
status = doctor.main([])
assert "numpy" not in sys.modules and "tensorflow" not in sys.modules
sys.exit(status)
"""
    said = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True, text=True)
    assert said.returncode == 1, said.stderr
    assert 'FAIL  numpy                not installed: pip install "numpy>=2.0"' in said.stdout
    assert "FAIL  self-test            not run: packages are missing" in said.stdout


def test_an_extra_that_ends_with_a_python(healthy, monkeypatch, capsys):
    monkeypatch.setattr(sys, "version_info", (3, 12, 1))
    assert doctor.main([]) == 0
    text = "tfa-nightly does not support Python 3.12 and newer"
    assert printed(capsys)[0]["extra addons"] == ("--", text)


@pytest.mark.parametrize(
    ("gpus", "visible", "line"),
    [
        (["/physical_device:GPU:0"], None, ("ok", "/physical_device:GPU:0")),
        (
            [],
            None,
            ("--", 'TensorFlow does not use the NVIDIA device: pip install "dgn_tf[cuda]"'),
        ),
        ([], "-1", ("--", "hidden by CUDA_VISIBLE_DEVICES: unset CUDA_VISIBLE_DEVICES")),
    ],
)
def test_a_machine_with_a_gpu(healthy, monkeypatch, capsys, gpus, visible, line):
    monkeypatch.setattr(doctor, "has_nvidia", lambda: True)
    monkeypatch.setattr(doctor, "run_self_test", lambda: HEALTHY | {"gpus": gpus})
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert doctor.main([]) == 0
    assert printed(capsys)[0]["GPU"] == line


def test_no_room(healthy, monkeypatch, capsys):
    monkeypatch.setattr(doctor, "free_memory", lambda: 4e8)
    usage = shutil.disk_usage(".")._replace(free=3e7)
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    assert doctor.main([]) == 1
    rows, verdict = printed(capsys)
    assert rows["memory"] == ("FAIL", "0.4 GB free: a training takes about 1 GB")
    assert rows["disk"][0] == "FAIL" and rows["disk"][1].endswith(": make room")
    assert verdict == "Trainings will not work: see memory, disk."


def test_the_self_test_has_the_stored_numbers_and_notices_others():
    found = self_test.self_test()
    assert self_test.deviations(found) == []
    assert found["msre"] == pytest.approx(self_test.WANTED["msre"], rel=1e-4)
    for name, value in self_test.WANTED.items():
        (deviation,) = self_test.deviations(found | {name: 1.02 * value})
        assert deviation.startswith(f"{name} is ")
        assert self_test.deviations(found | {name: float("nan")})
    assert len(self_test.deviations({})) == len(self_test.WANTED)


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGILL)", "ended by SIGILL"),
        ("raise ImportError('no such library')", "ImportError: no such library"),
        ("", "exit status 0"),
    ],
)
def test_a_self_test_that_gives_no_answer(source, error):
    assert doctor.run_self_test(source) == {"error": error}
    assert doctor._judged({"error": error}) == ("FAIL", "self-test", error)
    assert doctor._judged({"gpus": [], "deviations": ["a", "b"]})[2] == "a; b"
