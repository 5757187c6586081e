"""Names that people give to directions stay, with the run or among their own settings."""

import numpy as np
import pytest

from dgn_tf.runs import names
from dgn_tf.runs.trained import load_trained
from dgn_tf.utils.errors import InputError
from dgn_tf.visualize.directions import Directions, renamed

DIRECTIONS = {
    "geometry": Directions(np.zeros(2), np.eye(2), np.array([3.0, 1.0]), ("widen", "nod")),
    "appearance": Directions(np.zeros(2), np.eye(2), np.array([2.0, 1.0])),
}


def test_names_are_those_of_their_directions_alone(tmp_path):
    path = tmp_path / "deep" / "names.json"
    assert names.with_names(path, DIRECTIONS)["geometry"].names == ("widen", "nod")
    given = renamed(DIRECTIONS, "appearance", 1, "smile")
    names.keep_names(path, given)
    found = names.with_names(path, DIRECTIONS)
    assert found["appearance"].names == ("appearance 1", "smile")
    assert found["geometry"].names == ("widen", "nod")
    # After a run has gone on, a direction of this number is another.
    turned = DIRECTIONS["geometry"]._replace(axes=np.eye(2)[::-1])
    other = names.with_names(path, DIRECTIONS | {"geometry": turned})
    assert other["appearance"].names == ()
    path.write_text(path.read_text().replace("smile", "frown"))
    with pytest.raises(InputError, match=r"names.json is damaged .*: delete it"):
        names.with_names(path, DIRECTIONS)


def test_names_of_an_export_are_the_users_own(served, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    trained = load_trained(None, str(served.path))
    before = sorted((path, path.stat().st_mtime_ns) for path in served.path.rglob("*"))
    trained.keep_names(renamed(trained.directions, "geometry", 0, "yes"))
    assert load_trained(None, str(served.path)).directions["geometry"].names[0] == "yes"
    assert sorted((p, p.stat().st_mtime_ns) for p in served.path.rglob("*")) == before
    (kept,) = tmp_path.rglob("*.json")
    kept.unlink()
    assert load_trained(None, str(served.path)).directions["geometry"].names[0] != "yes"


def test_names_of_a_run_lie_in_its_folder(tiny_run):
    trained = load_trained(str(tiny_run.folder), None)
    trained.keep_names(renamed(trained.directions, "appearance", 1, "brightness"))
    assert (tiny_run.folder / "names.json").is_file()
    found = load_trained(str(tiny_run.folder), None).directions["appearance"].names
    assert found == ("appearance 1", "brightness")
    (tiny_run.folder / "names.json").unlink()


def test_names_that_cannot_be_kept_are_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="names.json cannot be written"):
        names.keep_names(tmp_path / "file" / "names.json", DIRECTIONS)
