"""The model that a command takes where none is named."""

import pytest

from dgn_tf.cli import paths
from dgn_tf.utils.errors import InputError


def test_the_first_model_that_ships_is_the_default(tmp_path, monkeypatch):
    # As in an installed wheel, which holds no models.
    monkeypatch.setattr(paths, "__file__", str(tmp_path / "site-packages" / "dgn_tf" / "cli" / "x"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"no model is named, and none is here: give `run_dir`"):
        paths.default_model()
    for name in ("portraits64", "heads64", "other"):
        folder = tmp_path / "saved_models" / name / "2"
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
    assert paths.default_model() == "saved_models/portraits64"
    (tmp_path / "saved_models" / "portraits64" / "2" / "config.json").unlink()
    assert paths.default_model() == "saved_models/heads64"


def test_a_clone_has_a_default_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert paths.version_folder(paths.user_path(paths.default_model())).is_dir()
