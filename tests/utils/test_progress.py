"""Progress on standard error: lines now and then, the last one always."""

import contextlib
import os
import sys
import types

from dgn_tf.utils.progress import in_notebook, is_watched, make_bar, progress_bar, tell


def test_progress_prints_lines_apart_and_the_last_one(monkeypatch, capsys):
    clock = types.SimpleNamespace(now=100.0)
    monkeypatch.setattr("time.monotonic", lambda: clock.now)
    with progress_bar("Reading", seconds=10.0) as report:
        for done in (1, 2, 3, 4, 5):
            clock.now += 6.0
            report(done, 5)
    assert capsys.readouterr().err.splitlines() == [
        "Reading: 2 of 5, about 18 s left",
        "Reading: 4 of 5, about 6 s left",
        "Reading: 5 of 5, about 0 s left",
    ]


def test_quick_work_needs_no_progress_lines(capsys):
    with progress_bar("Reading") as report:
        report(1, 2)
        report(2, 2)
    assert capsys.readouterr().err == ""


def test_work_goes_on_where_nobody_reads_its_progress():
    reader, writer = os.pipe()
    os.close(reader)
    with contextlib.suppress(BrokenPipeError), open(writer, "w") as stream:
        for _ in range(3):
            tell("half of it", stream)
        done = True
    assert done


def test_a_notebook_is_watched_and_a_shell_of_ipython_is_not_one(monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: False)
    for config, found in (({"IPKernelApp": {}}, True), ({}, False)):
        shell = types.SimpleNamespace(config=config)
        module = types.SimpleNamespace(get_ipython=lambda shell=shell: shell)
        monkeypatch.setitem(sys.modules, "IPython", module)
        assert in_notebook() == is_watched() == found
    monkeypatch.delitem(sys.modules, "IPython")
    assert not in_notebook()


def test_a_terminal_without_a_size_has_a_bar_too(monkeypatch):
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        monkeypatch.setattr(sys, "stderr", nowhere)
        for size, wanted in (((0, 0), {"ncols": 80, "nrows": 24}), ((0, 50), {"ncols": 80})):
            monkeypatch.setattr(os, "get_terminal_size", lambda _, size=size: size)
            with make_bar(total=3, disable=False) as bar:
                assert wanted.items() <= vars(bar).items()
