"""Every command in README.md and docs/ is read by its own parser."""

import ast
import contextlib
import importlib
import io
import re
import shlex
import subprocess

import pytest
from absl import flags as absl_flags
from markdown_blocks import PAGES, ROOT, all_blocks, blocks_of

from dgn_tf.cli.app import parse_command_line
from dgn_tf.cli.flags import config_from_flags
from dgn_tf.utils.errors import InputError

BLOCKS = all_blocks()
LANGUAGES = {"sh", "python", "diff", "text", ""}
# The rest of a shell's words; what they do is tested by the block's own test.
OTHERS = {"make", ".", "pip", "cp", "sed", "docker", "curl", "printf", "tensorboard"}
SHELL = [block for block in BLOCKS if block.language == "sh"]


def commands_of(block):
    """(Name, flags) of each command of this project in a block of shell."""
    for words in block.commands():
        words = [word for word in words if not re.match(r"[A-Z_]+=", word)]
        if words[0] == "dgn":
            yield words[1], words[2:]
        elif words[0] not in OTHERS:
            raise AssertionError(f"{block}: what is {words[0]}?")


def read_flags(name, arguments):
    """What stops the parser of a command: nothing, if the arguments are sound."""
    module = importlib.import_module(f"dgn_tf.{name}")
    if not hasattr(module, "define_flags"):
        return "" if not arguments else "takes no flags"
    before, said = set(absl_flags.FLAGS), io.StringIO()
    module.define_flags()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            parse_command_line(["dgn", *arguments], getattr(module, "POSITIONALS", ()))
        if name == "train":
            config_from_flags(absl_flags.FLAGS)
    except InputError as error:
        return str(error)
    except SystemExit:
        return said.getvalue()
    finally:
        for flag in set(absl_flags.FLAGS) - before:
            delattr(absl_flags.FLAGS, flag)
        absl_flags.FLAGS.unparse_flags()
    return ""


def test_the_blocks_are_found():
    assert {path.relative_to(ROOT).as_posix() for path in PAGES} > {"README.md", "docs/results.md"}
    assert len(SHELL) > 20 and len(BLOCKS) > 30
    page = "a\n<!-- needs: a GPU -->\n```sh\ndgn x \\\n  --y  # why\n```\n\n```python\nz\n```\n"
    one, other = blocks_of(page, "page.md")
    assert one.needs == "a GPU" and one.commands() == [["dgn", "x", "--y"]]
    assert other.language == "python" and not other.needs and other.text == "z\n"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_commands_stand_in_fenced_blocks_of_known_languages(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"^ +(dgn|python|make|pip|curl) ", text.replace("\\\n", ""), re.M)
    for block in blocks_of(text, path.name):
        assert block.language in LANGUAGES, block


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_the_flags_of_a_command_are_those_that_it_declares(block, monkeypatch):
    monkeypatch.chdir(ROOT)
    if block.page == "docs/extending.md":
        pytest.skip("names what the page adds: tests/slow/test_extending.py")
    for name, arguments in commands_of(block):
        assert read_flags(name, arguments) == "", [name, *arguments]


@pytest.mark.parametrize("block", [b for b in SHELL if not b.needs], ids=str)
def test_what_no_test_can_run_says_what_it_needs(block):
    # All else is run: tests/slow/test_documentation.py, and for this page test_extending.py.
    changes = ("cp", "sed") if block.page == "docs/extending.md" else ()
    for words in block.commands():
        assert words[0] in ("dgn", *changes), "needs a marker: <!-- needs: ... -->"


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "python"], ids=str)
def test_blocks_of_python_are_python(block):
    ast.parse(block.text)


def test_the_rows_of_the_tables_are_commands(monkeypatch):
    monkeypatch.chdir(ROOT)
    said = subprocess.run(["make", "-n", "tables"], capture_output=True, text=True, check=True)
    rows = [line for line in said.stdout.splitlines() if " -m dgn_tf " in line]
    assert len(rows) > 20
    for row in rows:
        name, *arguments = shlex.split(row)[3:]
        assert read_flags(name, arguments) == "", row


def test_a_wrong_flag_is_found(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert "stpes" in read_flags("infer", ["--stpes=3"])
    assert read_flags("prepare", ["photos"]) != ""


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.needs], ids=str)
def test_what_a_block_needs_is_said(block):
    # So that the slow test leaves out nothing by mistake, and nobody writes "needs: nothing".
    assert re.search(
        r"minute|hour|GPU|server|machine|own|photograph|run|extra|Docker|browser|proxy|account"
        r"|data|file|MNIST",
        block.needs,
    )
