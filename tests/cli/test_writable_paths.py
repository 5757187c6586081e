"""Whether a command can write to a path, asked before it begins."""

import pytest

from dgn_tf.cli.paths import require_writable
from dgn_tf.utils.errors import InputError


@pytest.mark.parametrize("inside", ["", "deep/er"])
@pytest.mark.parametrize("target", ["nowhere/disk", "link"])
def test_a_link_to_nothing_is_said_to_be_one(tmp_path, inside, target):
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(InputError, match=f"run.*link is a link to {target}, and nothing is there"):
        require_writable("run", tmp_path / "link" / inside)


def test_a_link_to_a_folder_is_one(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    require_writable("run", tmp_path / "link/deep/er")
    assert not list((tmp_path / "disk").iterdir())
