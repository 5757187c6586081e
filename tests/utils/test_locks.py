"""Folders that one process at a time may write to."""

import errno
import fcntl
import gc
import os
import subprocess
import sys

import pytest

from dgn_tf.utils.errors import InputError
from dgn_tf.utils.locks import LOCK, lock_folder

OTHER = (
    "import sys, pathlib; from dgn_tf.utils.locks import lock_folder; "
    "lock = lock_folder(pathlib.Path(sys.argv[1]), '--run_dir=x'); print('locked', flush=True); "
    "sys.stdin.read()"
)


def test_the_process_that_works_in_a_folder_is_named_until_it_is_killed(tmp_path):
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", OTHER, str(tmp_path)], **pipes) as other:
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(InputError) as caught:
            lock_folder(tmp_path, "--run_dir=x")
        assert str(caught.value).startswith(f"--run_dir=x: process {other.pid} on ")
        assert "is working in it" in str(caught.value)
        other.kill()
        other.wait()
    with lock_folder(tmp_path, "--run_dir=x"):
        assert (tmp_path / LOCK).read_text().startswith(f"process {os.getpid()} on ")


def test_an_owner_that_is_not_known_is_another_process(tmp_path):
    with lock_folder(tmp_path, "here"):
        (tmp_path / LOCK).write_text("")
        with pytest.raises(InputError, match="here: another process is working in it"):
            lock_folder(tmp_path, "here")
    with lock_folder(tmp_path, "here"):
        pass


def test_a_lock_lasts_as_long_as_what_was_returned(tmp_path):
    lock = lock_folder(tmp_path, "here")
    gc.collect()
    with pytest.raises(InputError, match=f"process {os.getpid()} on .* is working in it"):
        lock_folder(tmp_path, "here")
    del lock
    gc.collect()
    with lock_folder(tmp_path, "here"):
        pass


def test_a_lock_of_an_older_version_keeps_out_too(tmp_path):
    with open(tmp_path / LOCK, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.write("process 7 on old\n")
        file.flush()
        with pytest.raises(InputError, match="here: process 7 on old is working in it"):
            lock_folder(tmp_path, "here")


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL])
def test_where_nothing_can_be_locked_a_warning_is_enough(tmp_path, monkeypatch, caplog, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    for _ in range(2):
        with lock_folder(tmp_path / "new", "`run_dir=new`"):
            (tmp_path / "new" / "file").write_text("")
    assert "`run_dir=new` is on a file system without locks (" in caplog.text


def test_a_folder_in_it_that_cannot_be_written_is_told_at_once(tmp_path, monkeypatch):
    (tmp_path / "checkpoints").mkdir()

    def refuse(dir):
        if dir.name == "checkpoints":
            raise OSError(30, "Read-only file system")
        return open(os.devnull)

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(InputError, match="here cannot be written: Read-only file system"):
        lock_folder(tmp_path, "here")
    assert not (tmp_path / LOCK).exists()
