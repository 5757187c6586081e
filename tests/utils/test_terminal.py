"""A command at the terminal: what it cannot show, Ctrl-C, a reader that has gone."""

import io
import os
import subprocess
import sys
from unittest import mock

import hypothesis
import hypothesis.strategies as st
import pytest

from dgn_tf.utils.terminal import at_the_terminal

START = "import os, signal, sys, time\nfrom dgn_tf.utils.terminal import at_the_terminal\n"


def run(program, encoding="utf-8:strict", **pipes):
    """A program of Python lines that begins with `START`."""
    return subprocess.run(
        [sys.executable, "-c", START + program],
        env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUNBUFFERED": ""},
        check=False,
        stderr=subprocess.PIPE,
        **({"stdout": subprocess.PIPE} | pipes),
    )


@pytest.mark.parametrize("encoding", ["ascii:strict", "utf-8:strict", "latin-1:strict"])
def test_what_the_terminal_cannot_show_is_escaped(encoding):
    program = "with at_the_terminal():\n  for s in (sys.stdout, sys.stderr): print(name, file=s)"
    done = run(r"name = 'caf\udce9 \u4e2d'" + "\n" + program, encoding)
    shown = rb"caf\udce9 " + ("\u4e2d".encode() if "utf" in encoding else rb"\u4e2d") + b"\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, shown, shown)


@hypothesis.given(
    st.text(st.characters(exclude_categories=())),
    st.sampled_from(["ascii", "latin-1", "cp1252", "utf-8", "utf-16"]),
)
def test_any_text_can_be_shown_and_what_the_encoding_has_is_shown_as_it_is(text, encoding):
    written = io.BytesIO()
    stream = io.TextIOWrapper(written, encoding, errors="strict", newline="", write_through=True)
    with mock.patch("sys.stdout", stream), at_the_terminal():
        print(text, end="")
    assert written.getvalue() == text.encode(encoding, "backslashreplace")


def test_names_that_the_terminal_takes_as_they_are_stay_so():
    program = "with at_the_terminal(): print('caf\\udce9')"
    assert run(program, "utf-8:surrogateescape").stdout == b"caf\xe9\n"


def test_outputs_that_are_closed_from_the_start_end_no_command():
    program = "with at_the_terminal():\n  for s in (sys.stdout, sys.stderr): print('x', file=s)"
    command = ["sh", "-c", 'exec "$0" -c "$1" >&- 2>&-', sys.executable, START + program]
    assert subprocess.run(command, check=False).returncode == 0


@pytest.mark.parametrize("where", ["", "sys.exit(0)", "raise ValueError"])
def test_ctrl_c_is_one_line_and_status_130(where):
    # In an import as well as in the work, and while another error is on its way.
    program = f"""
with at_the_terminal():
    try:
        {where or "pass"}
    finally:
        signal.raise_signal(signal.SIGINT)
        time.sleep(60)
"""
    done = run(program)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"Interrupted.\n")


# Before anything is written: what is flushed at once, what only the end would flush, and a lot.
@pytest.mark.parametrize("text", ["print('a', flush=True)", "print('a')", "print('a' * 10**6)"])
@pytest.mark.parametrize("end", ["", "sys.exit(2)"])
def test_a_reader_that_has_gone_ends_a_command_without_a_word(text, end):
    reader, writer = os.pipe()
    os.close(reader)
    done = run(f"with at_the_terminal():\n  {text}\n  {end}", stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_other_errors_and_statuses_are_left_alone():
    done = run("with at_the_terminal(): sys.exit(3)")
    assert (done.returncode, done.stderr) == (3, b"")
    done = run("with at_the_terminal(): raise ValueError('a bug')")
    assert done.returncode == 1 and done.stderr.endswith(b"ValueError: a bug\n")


def test_a_full_disk_under_the_output_is_one_line():
    wanted = b"error: standard output cannot be written: No space left on device.\n"
    for more in ("", ", flush=True"):
        with open("/dev/full", "wb") as full:
            done = run(f"with at_the_terminal(): print('x'{more})", stdout=full)
        assert (done.returncode, done.stderr) == (1, wanted)
