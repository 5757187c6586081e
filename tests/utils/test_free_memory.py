"""How much memory is free."""

import math
import os
import pathlib

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
