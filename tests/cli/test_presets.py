"""Presets: the flagfiles of the project by their names, wherever it is installed."""

import re

import pytest

from dgn_tf import train, transfer
from dgn_tf.cli import presets
from dgn_tf.cli.flags import config_from_flags, config_from_preset
from dgn_tf.utils.errors import InputError


@pytest.fixture
def settings(run_app):
    """`settings(*arguments)`: what dgn_tf.train, or another app, would do with a command line."""

    class Read:
        def __init__(self, app):
            self.define_flags, self.config = app.define_flags, None

        def main(self, argv):
            from absl import flags

            self.config = config_from_flags(flags.FLAGS)

    def read(*arguments, app=train):
        reader = Read(app)
        said = run_app(reader, *arguments, "--run_dir=x")
        return reader.config or said.err

    return read


def test_a_preset_is_its_flagfile(settings):
    preset = settings("--preset=debug")
    assert preset == settings(f"--flagfile={presets.preset_path('debug')}")
    assert preset == config_from_preset("debug") == settings("-preset", "debug")
    assert preset.learning.epochs == 6


def test_flags_beside_a_preset_win_wherever_they_stand(settings):
    before, after = (
        settings("--epochs=2", "--preset=debug"),
        settings("--preset=debug", "--epochs=2"),
    )
    assert before == after and after.learning.epochs == 2 and after.data.side == 32


def test_a_flagfile_may_name_a_preset(settings, tmp_path, monkeypatch):
    (tmp_path / "own.cfg").write_text("--preset=debug\n--epochs=3\n")
    assert settings(f"--flagfile={tmp_path}/own.cfg") == settings("--preset=debug", "--epochs=3")
    monkeypatch.chdir(tmp_path)
    table = settings("--preset=transfer_heads", app=transfer)
    assert table == settings("--preset=quickstart")


def test_a_typo_is_answered_with_what_is_near(settings):
    assert settings("--preset=face64") == (
        "error: --preset=face64: there is no such preset; did you mean faces64?\n"
    ) or "did you mean faces64 or" in settings("--preset=face64")
    assert "must be one of celeba64, cifar10_cars" in settings("--preset=zzz")
    assert settings("--preset=").startswith("error: --preset needs a name: one of celeba64")
    with pytest.raises(InputError, match="`settings=zzz`: there is no such preset"):
        presets.preset_path("zzz", "settings")


def test_every_preset_says_what_it_is_for():
    names = presets.preset_names()
    assert {"debug", "faces64", "quickstart"} <= set(names)
    assert all(len(presets.preset_summary(name)) > 20 for name in names)
    assert presets.preset_summary("debug").startswith("Seconds: does the whole program run here?")


def test_presets_for_data_of_ones_own_need_them(run_app, tmp_path):
    summaries = {name: presets.preset_summary(name) for name in presets.preset_names()}
    own = [name for name, text in summaries.items() if re.search("--data=(?!heads)", text)]
    own = [name for name in own if not name.startswith("transfer")]
    assert {"faces64", "portraits64", "mug"} <= set(own)
    for name in own:
        # Rendered heads would be learned without a word.
        assert not config_from_preset(name).data.data.startswith("heads"), name
    said = run_app(train, "--preset=faces64", f"--run_dir={tmp_path}/run")
    assert said.status == 2 and said.err.startswith("error: --data is needed: give a folder")
    assert not (tmp_path / "run").exists()
