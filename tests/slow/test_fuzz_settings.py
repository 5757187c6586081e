"""Settings and notes of runs a little damaged, by the thousand: right, or one clear message."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from absl import flags as absl_flags
from hypothesis import given
from mutations import SHARE, SOAK, for_a_while, fuzz, in_time, mutants

from dgn_tf import train
from dgn_tf.cli.app import parse_command_line
from dgn_tf.cli.flags import config_from_flags
from dgn_tf.config import Config, ModelConfig
from dgn_tf.config.edits import parse_edit
from dgn_tf.config.fields import parse_schedule, parse_where
from dgn_tf.config.serialization import flagfile
from dgn_tf.training.callbacks import read_metrics
from dgn_tf.utils.checksums import verified, with_checksum
from dgn_tf.utils.errors import InputError


def older(config):
    """As versions wrote it that had no checksum."""
    sections = json.loads(config.to_json())
    del sections["checksum"], sections["version"]
    return json.dumps(sections)


def test_configurations():
    config = Config(model=ModelConfig(alpha=0.1, smoothing=0.02))
    whole = {"now": config.to_json().encode(), "older": older(config).encode()}

    @fuzz(2000)
    @given(mutants(whole))
    def check(file):
        with in_time():
            try:
                found = Config.from_json(file[1].decode(errors="surrogateescape"))
            except InputError as error:
                assert str(error)
            else:
                assert Config.from_json(found.to_json()) == found
                assert found == config or b'"checksum"' not in file[1]

    for_a_while(check)


def test_flagfiles(tmp_path, capsys):
    path = tmp_path / "flags.cfg"
    before = set(absl_flags.FLAGS)
    train.define_flags()

    @fuzz(300)
    @given(mutants({"flags": flagfile(Config().settings()).encode()}))
    def check(file):
        path.write_bytes(file[1])
        absl_flags.FLAGS.unparse_flags()
        for name in set(absl_flags.FLAGS) - before:
            absl_flags.FLAGS[name].unparse()
        with in_time():
            try:
                parse_command_line(["program", f"--flagfile={path}"])
                config = config_from_flags(absl_flags.FLAGS)
            except InputError as error:
                assert str(error).startswith("`")
            except SystemExit as end:
                error = capsys.readouterr().err
                assert end.code == 0 or error.startswith("error: ") and error.count("\n") == 1
            else:
                assert Config.from_json(config.to_json()) == config
        capsys.readouterr()

    try:
        for_a_while(check)
    finally:
        for name in set(absl_flags.FLAGS) - before:
            delattr(absl_flags.FLAGS, name)
        absl_flags.FLAGS.unparse_flags()


def test_what_runs_keep_as_json(tmp_path):
    path, values = tmp_path / "metrics.jsonl", {"step": 12, "sums": {"msre": 0.1 + 0.2}}
    rows = [{"epoch": epoch, "msre": 1 / epoch} for epoch in (1, 2, 3)]
    whole = {
        "sealed": json.dumps(with_checksum(values)).encode(),
        "rows": "".join(json.dumps(row) + "\n" for row in rows).encode(),
    }

    @fuzz(800)
    @given(mutants(whole))
    def check(file):
        path.write_bytes(file[1])
        with in_time():
            assert all(isinstance(row["epoch"], int) for row in read_metrics(path))
            try:
                found = verified(file[1].decode(errors="replace"))
            except ValueError:
                return
            # A file without a checksum is taken as it is: older versions wrote none.
            assert found == values or b'"checksum"' not in file[1]

    for_a_while(check)


def test_settings_in_words():
    words = {
        str(n): text
        for n, text in enumerate(
            (b"0:1e-3,0.1:8e-4,0.5:1", b"0.1", b"view=0", b"geometry:widen=2", b"appearance:1=-1e3")
        )
    }

    @fuzz(600)
    @given(mutants(words))
    def check(file):
        text = file[1].decode(errors="surrogateescape")
        for parse in (parse_schedule, parse_where, parse_edit):
            try:
                parse(text)
            except ValueError as error:
                assert str(error)

    for_a_while(check)


@pytest.mark.skipif(not SOAK, reason="a soak: DGN_SOAK_MINUTES says how long")
@pytest.mark.parametrize("reader", ["config", "labels", "journal", "npz"])
def test_readers_under_atheris(tmp_path, reader):
    pytest.importorskip("atheris")
    program = Path(__file__).with_name("guided.py")
    command = [sys.executable, program, reader, str(max(1, round(SHARE))), tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
