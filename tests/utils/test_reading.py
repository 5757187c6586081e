"""What a program keeps for itself is read from regular files alone: a pipe would wait for ever."""

import os

import pytest

from dgn_tf.cli.paths import run_config
from dgn_tf.runs.data_note import read_note
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.ownership import RECORD, REPORT, Ownership
from dgn_tf.utils.reading import read_text


def test_text_is_that_of_a_regular_file(tmp_path):
    (tmp_path / "a").write_bytes("é\r\n".encode())
    assert read_text(tmp_path / "a") == "é\r\n"
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="is a named pipe"):
        read_text(tmp_path / "pipe")


def test_a_pipe_in_the_place_of_a_file_of_a_run_is_refused(tmp_path):
    for name in ("config.json", "data.json", RECORD):
        os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match="config.json: is a named pipe"):
        run_config(tmp_path)
    with pytest.raises(InputError, match="data.json is missing or damaged"):
        read_note(tmp_path / "data.json")
    assert not Ownership(tmp_path, REPORT).recorded
