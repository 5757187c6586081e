"""Where painted images are written."""

import os

import pytest

from dgn_tf.config.painting import check_output
from dgn_tf.utils.errors import InputError


def test_a_place_that_is_taken_is_told_as_what_it_is(tmp_path):
    (tmp_path / "a.png").write_text("mine")
    (tmp_path / "b.png").mkdir()
    os.mkfifo(tmp_path / "c.png")
    check_output(f"{tmp_path}/a.png", overwrite=True)
    with pytest.raises(InputError, match="a.png` exists: name another file, or give `overwrite`"):
        check_output(f"{tmp_path}/a.png", overwrite=False)
    for overwrite in (False, True):
        with pytest.raises(InputError, match="b.png` is a folder: name a file"):
            check_output(f"{tmp_path}/b.png", overwrite)
        with pytest.raises(InputError, match="c.png` is a pipe or device"):
            check_output(f"{tmp_path}/c.png", overwrite)
