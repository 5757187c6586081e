"""The one command: it names all others, passes on to them, and says nothing of its own."""

import configparser
import pathlib
import subprocess
import sys
import types

import pytest

import dgn_tf
from dgn_tf import __main__ as dgn

ROOT = pathlib.Path(dgn_tf.__file__).parent


def call(monkeypatch, capsys, *arguments):
    """Status, standard output and standard error of `dgn arguments`."""
    monkeypatch.setattr(sys, "argv", ["dgn", *arguments])
    status = 0
    try:
        dgn.main_cli()
    except SystemExit as end:
        status = end.code
    said = capsys.readouterr()
    return status, said.out, said.err


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",), ("help",)])
def test_alone_it_shows_all_commands_on_a_screen(monkeypatch, capsys, arguments):
    status, out, err = call(monkeypatch, capsys, *arguments)
    assert (status, err) == (0, "") and len(out.splitlines()) <= 25
    files = {path.stem for path in ROOT.glob("*.py")} - {"__init__", "__main__", "types"}
    assert files == set(dgn.COMMANDS)
    assert all(f"\n  {name} " in out for name in files)


@pytest.mark.parametrize(
    ("words", "entry"), [(["dgn", "train"], "main_cli"), (["/bin/dgn-train"], "program")]
)
def test_ctrl_c_while_a_command_is_imported_is_one_line(words, entry):
    program = f"""
import importlib, signal, sys
from dgn_tf import __main__ as dgn
signal.signal(signal.SIGINT, signal.default_int_handler)
importlib.import_module = lambda name: signal.raise_signal(signal.SIGINT)
sys.argv = {words}
dgn.{entry}()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Interrupted.\n")


def test_every_command_has_a_program_of_its_own(monkeypatch):
    setup = configparser.ConfigParser()
    setup.read(ROOT.parent / "setup.cfg")
    lines = setup["options.entry_points"]["console_scripts"].strip().splitlines()
    programs = dict(line.split(" = ") for line in lines)
    assert programs.pop("dgn") == "dgn_tf.__main__:main_cli"
    assert set(programs.values()) == {"dgn_tf.__main__:program"}
    called = []
    monkeypatch.setattr(
        dgn.importlib,
        "import_module",
        lambda name: types.SimpleNamespace(main_cli=lambda: called.append(name)),
    )
    for name in programs:
        monkeypatch.setattr(sys, "argv", [f"/venv/bin/{name}"])
        dgn.program()
    assert sorted(called) == sorted(f"dgn_tf.{name}" for name in dgn.COMMANDS)


def test_a_typo_is_answered_with_the_near_command(monkeypatch, capsys):
    status, out, err = call(monkeypatch, capsys, "trian", "--side=32")
    assert (status, out) == (2, "")
    assert err == "error: 'trian' is no command of dgn; did you mean train? (see dgn --help)\n"
    assert "; they are prepare, train, " in call(monkeypatch, capsys, "zzz")[2]


def test_the_version_is_told(monkeypatch, capsys):
    assert call(monkeypatch, capsys, "--version") == (0, f"dgn_tf {dgn_tf.__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "begins"),
    [
        (["help", "amortize"], "Learn where inference may start"),
        (["doctor", "--help"], "usage: dgn doctor"),
    ],
)
def test_commands_are_passed_on_to(arguments, begins):
    done = subprocess.run(
        [sys.executable, "-m", "dgn_tf", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and done.stdout.startswith(begins) and done.stderr == ""
