"""How much memory is free."""

import math
import os
import pathlib
import platform
import subprocess
import sys

import pytest

from dgn_tf.utils import memory


def test_free_memory_is_a_number_of_bytes():
    assert 1e6 < memory.free_memory() < 1e15
    assert memory.free_memory() <= memory._total_memory()


def test_where_the_system_does_not_tell_memory_is_not_limited(monkeypatch):
    def refuse(*_):
        raise OSError

    monkeypatch.setattr(pathlib.Path, "read_text", refuse)
    assert memory.free_memory() == memory._total_memory()
    monkeypatch.setattr(os, "sysconf", refuse)
    assert memory.free_memory() == math.inf


PROGRAM = """
import resource

import numpy as np

from dgn_tf.utils.memory import keep_freed_memory

kept = {keep} and keep_freed_memory()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    [np.ones(10**6) for _ in range(9)]
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_memory_that_was_freed_is_not_asked_for_again():
    faults = {}
    for keep in (True, False):
        program = [sys.executable, "-c", PROGRAM.format(keep=keep)]
        kept, count = subprocess.run(program, capture_output=True, check=True).stdout.split()
        assert kept == str(keep).encode()
        faults[keep] = int(count)
    assert faults[True] < faults[False] / 10


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: object())
    assert not memory.keep_freed_memory()
