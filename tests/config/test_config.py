"""Settings: ranges checked with the flag's name, JSON there and back, schedule texts."""

import dataclasses
import json

import pytest

from dgn_tf.config import (
    Config,
    DataConfig,
    ExecutionConfig,
    ModelConfig,
    OutputConfig,
    TrainingConfig,
)
from dgn_tf.config.data import parse_faces
from dgn_tf.config.fields import parse_schedule
from dgn_tf.utils.errors import InputError


def test_json_round_trip_keeps_every_setting():
    config = Config(
        data=DataConfig(data="folder:pictures", side=128, channels=1, limit=7, data_dir="sets"),
        model=ModelConfig(model="abp", appearance_dim=3, alpha=0.1 + 0.2, border="zeros"),
        learning=TrainingConfig(sigma="0:2,0.3:1", noise=False, seed=2**31 - 1),
        record=OutputConfig(checkpoint_epochs=1, keep_checkpoints=2),
    )
    assert Config.from_json(config.to_json()) == config
    assert Config.from_json(Config().to_json()) == Config() != config
    text = json.loads(config.to_json())
    assert text["data"]["side"] == 128
    assert text["learning"]["noise"] is False


def test_the_defaults_are_the_papers():
    config = Config()
    model, learning = config.model, config.learning
    assert (model.appearance_dim, model.geometry_dim, model.alpha) == (64, 64, 0.625)
    assert model.max_displacement * config.data.side == 20
    assert (learning.batch_size, learning.langevin_steps, learning.epochs) == (100, 20, 1000)
    assert parse_schedule(learning.step_size) == [(0, 0.1)]
    assert parse_schedule(learning.sigma) == [(0, 1.5), (0.1, 1.0)]
    assert parse_schedule(learning.learning_rate)[-1] == (0.9, 1e-4)
    assert (model.fold_penalty, model.mean_penalty) == (0, 0)


def changed(path, value):
    sections = json.loads(Config().to_json())
    del sections["checksum"]
    *parents, last = path
    target = sections
    for name in parents:
        target = target[name]
    target[last] = value
    return json.dumps(sections)


@pytest.mark.parametrize(
    "text, named",
    [
        (changed(["model", "colour"], 1), "colour"),
        (changed(["extra"], {}), "extra"),
        (json.dumps({"data": {}}), "model"),
        (changed(["data"], 3), "configuration"),
        ("[]", "configuration"),
        ("{", "configuration"),
        ("", "configuration"),
        (changed(["data", "side"], 63), "`side=63`"),
        (changed(["data", "side"], "64"), "`side=64`"),
        (changed(["model", "alpha"], "wide"), "configuration"),
        (changed(["learning", "sigma"], "0.5:1"), "`sigma`"),
    ],
)
def test_other_json_is_refused(text, named):
    with pytest.raises(InputError, match=named):
        Config.from_json(text)


@pytest.mark.parametrize(
    "section, name, value",
    [
        (DataConfig, "side", 100),
        (DataConfig, "channels", 2),
        (DataConfig, "limit", -1),
        (ModelConfig, "model", "gan"),
        (ModelConfig, "border", "mirror"),
        (ModelConfig, "appearance_dim", 0),
        (ModelConfig, "geometry_dim", -2),
        (ModelConfig, "alpha", 0.0),
        (ModelConfig, "alpha", float("nan")),
        (ModelConfig, "appearance_beta", -1.0),
        (ModelConfig, "geometry_beta", 0.0),
        (ModelConfig, "max_displacement", 0.0),
        (ModelConfig, "appearance_scheme", 3),
        (ModelConfig, "geometry_scheme", 0),
        (ModelConfig, "fold_penalty", -0.1),
        (ModelConfig, "mean_penalty", -0.1),
        (TrainingConfig, "epochs", 0),
        (TrainingConfig, "batch_size", 0),
        (TrainingConfig, "langevin_steps", 0),
        (TrainingConfig, "seed", -1),
        (TrainingConfig, "seed", 2**31),
        (TrainingConfig, "step_size", "0"),
        (TrainingConfig, "sigma", "0:1,1:2"),
        (TrainingConfig, "learning_rate", "fast"),
        (OutputConfig, "checkpoint_epochs", 0),
        (OutputConfig, "picture_epochs", 0),
        (OutputConfig, "keep_checkpoints", 1),
    ],
)
def test_a_value_out_of_range_is_refused_by_the_name_of_its_flag(section, name, value):
    with pytest.raises(InputError, match=f"`{name}[=`]") as caught:
        section(**{name: value})
    assert str(value) in str(caught.value)


def test_settings_lists_every_flag_once_with_its_help():
    config = Config(data=DataConfig(side=32))
    sections = [DataConfig, ModelConfig, TrainingConfig, OutputConfig, ExecutionConfig]
    names = [field.name for section in sections for field in dataclasses.fields(section)]
    settings = config.settings()
    assert list(settings) == names
    assert len(set(names)) == len(names)
    value, field = settings["side"]
    assert (value, field.metadata["choices"]) == (32, (32, 64, 128, 256))
    assert all(field.metadata["help"].endswith(".") for _, field in settings.values())


def test_settings_cannot_be_changed_afterwards():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().data.side = 32


@pytest.mark.parametrize(
    "text, steps",
    [
        ("0.1", [(0, 0.1)]),
        ("1e-3", [(0, 0.001)]),
        ("0:1", [(0, 1)]),
        ("0:1e-3,0.25:8e-4,0.999:1", [(0, 1e-3), (0.25, 8e-4), (0.999, 1)]),
        (" 0 : 2 , 0.5 : 1 ", [(0, 2), (0.5, 1)]),
    ],
)
def test_parse_schedule(text, steps):
    assert parse_schedule(text) == steps


@pytest.mark.parametrize(
    "text",
    [
        "",
        "fast",
        "0:1,0.5",
        "0.1,0.2",
        "0:1:2",
        "0:1,",
        "0.1:1",
        "-0.1:1,0.5:2",
        "0:1,0.5:2,0.5:3",
        "0:1,0.5:2,0.3:3",
        "0:1,1:2",
        "0:1,nan:2",
        "nan:1",
        "0",
        "-1",
        "inf",
        "1e300",
        "1e-300",
        "nan",
        "0:1,0.5:0",
    ],
)
def test_parse_schedule_refuses_and_quotes(text):
    with pytest.raises(ValueError) as caught:
        parse_schedule(text)
    assert repr(text) in str(caught.value)


def test_how_faces_were_cut_out_is_checked():
    crops = parse_faces("eyes:0.25")
    assert (crops.align, crops.margin) == ("eyes", 0.25)
    assert parse_faces("none").margin == 0.1 and parse_faces("") is None
    for text in ("nose", "eyes:wide", "eyes:9"):
        with pytest.raises(InputError, match="give eyes or none"):
            DataConfig(faces=text)
