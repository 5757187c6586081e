"""The flagfiles that come with the project: each is read by its program, and makes a model."""

import pathlib
import types

import pytest
from absl import flags as absl_flags

from dgn_tf import train, transfer
from dgn_tf.cli.flags import config_from_flags
from dgn_tf.models.factory import make_model

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILES = sorted(path.name for path in (ROOT / "flags").glob("*.cfg"))


def test_they_are_found():
    assert {"quickstart.cfg", "clips_quickstart.cfg", "mug.cfg"} <= set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_a_flagfile_makes_a_model_and_says_what_it_is_for(name, run_app, monkeypatch):
    monkeypatch.chdir(ROOT)
    seen = []
    app = transfer if name.startswith("transfer") else train
    read = types.SimpleNamespace(
        define_flags=app.define_flags,
        main=lambda argv: seen.append(config_from_flags(absl_flags.FLAGS)),
    )
    said = run_app(read, f"--flagfile=flags/{name}", "--run_dir=x")
    assert said.status == 0, said.err
    (config,) = seen
    data = config.data
    model = make_model(config.model, data.side, data.channels, data.frames)
    assert model.count_params() > 0 and len(model.latent_dims) == 2
    assert (ROOT / "flags" / name).read_text().startswith("# ")
    assert f"`{name.removesuffix('.cfg')}`" in (ROOT / "README.md").read_text()
