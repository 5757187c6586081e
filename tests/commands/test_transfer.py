"""The transfer table: who is tested, what is averaged, and the program from end to end."""

import dataclasses
import json
import sys
import types

import numpy as np
import pytest

from dgn_tf import transfer
from dgn_tf.config import Config, DataConfig, ModelConfig
from dgn_tf.data.examples import Examples, as_float
from dgn_tf.evaluation.metrics.errors import squared_errors
from dgn_tf.evaluation.transfer import member
from dgn_tf.evaluation.transfer.table import split_views, transfer_report, view_errors
from dgn_tf.evaluation.transfer.trainings import fair
from dgn_tf.models.factory import make_model
from dgn_tf.runs.directory import Run
from dgn_tf.training.checkpoints import Checkpoints, Progress


def faces(count, **factors):
    images = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 1), dtype=np.uint8)
    return Examples(images, np.arange(count), tuple(map(str, range(count))), factors)


def test_nobody_is_both_tuned_on_and_tested():
    views = np.tile([-30.0, 0.0, 30.0], 4)
    identity = np.repeat(np.arange(4), 3)
    tuned, unseen = split_views(faces(12, identity=identity), views, 0.0, tuned=2, per_view=10)
    assert tuned.tolist() == [1, 4]
    assert unseen.tolist() == [6, 9, 7, 10, 8, 11]
    # Without identities only the images themselves are left out.
    tuned, unseen = split_views(faces(12), views, 0.0, tuned=2, per_view=2)
    assert unseen.tolist() == [0, 3, 7, 10, 2, 5]


def test_errors_are_averaged_by_view():
    class Gray:
        latent_dims = {"appearance": 1}

        def part(self, name, z):
            return np.zeros((len(z), 32, 32, 1), np.float32) + z[:, :, None, None]

        def combine(self, parts):
            return parts["appearance"]

        def __getattr__(self, name):
            raise AttributeError(name)

    examples, views = faces(5), np.array([0.0, 15.0, 0.0, 15.0, 0.0])
    z = np.linspace(-0.5, 0.5, 5, dtype=np.float32)[:, None]
    model = Gray()
    model.part = lambda name, z: _tensor(Gray.part(model, name, z.numpy()))
    errors = view_errors(model, examples, views, {"appearance": z})
    every = squared_errors(
        as_float(examples.images), np.broadcast_to(z[:, :, None, None], (5, 32, 32, 1))
    )
    assert errors["0"] == pytest.approx(every[[0, 2, 4]].mean(), rel=1e-5)
    assert errors["15"] == pytest.approx(every[[1, 3]].mean(), rel=1e-5)
    assert errors["all"] == pytest.approx(every.mean(), rel=1e-5)


def _tensor(values):
    return types.SimpleNamespace(numpy=lambda: values)


def test_the_table_has_means_deviations_and_ratios():
    results = {
        "deformable": [{"-30": 6.0, "0": 4.0, "all": 5.0}, {"-30": 8.0, "0": 4.0, "all": 6.0}],
        "abp": [{"-30": 10.0, "0": 5.0, "all": 7.5}, {"-30": 18.0, "0": 5.0, "all": 11.5}],
    }
    report = transfer_report(results, {"deformable": "3", "abp": "4"})
    errors, ratios, *_ = report.tables
    assert errors.columns == ("view", "deformable", "abp")
    assert errors.rows == (
        ("0", "4.00 ± 0.00", "5.00 ± 0.00"),
        ("-30", "7.00 ± 1.41", "14.00 ± 5.66"),
        ("all", "5.50 ± 0.71", "9.50 ± 2.83"),
    )
    assert ratios.rows[1] == ("-30", pytest.approx(0.5))
    assert report.numbers["ratio"]["abp"]["all"] == pytest.approx(5.5 / 9.5)
    alone = transfer_report({"abp": [{"0": 1.0, "all": 1.0}]}, {"abp": "4"})
    assert alone.tables[0].rows == (("0", "1.00"), ("all", "1.00"))


@pytest.mark.parametrize("method", ["abp", "vae"])
def test_rivals_are_as_large_as_the_deformable_generator(method):
    model = ModelConfig(appearance_dim=6, geometry_dim=6, alpha=0.25)
    config = Config(data=DataConfig(side=32), model=model)
    ours = make_model(model, 32, 3).count_params()
    settings = fair(config, method)
    assert settings.appearance_dim == 12 and settings.model == method
    rival = make_model(settings, 32, 3).networks["appearance"].count_params()
    assert abs(rival / ours - 1) < 0.03
    assert fair(config, "deformable") == model


@pytest.fixture
def target(tmp_path):
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (12, 32, 32), dtype=np.uint8)
    np.savez(tmp_path / "target.npz", images=images, side=np.tile([1, 2, 3], 4))
    return f"npz:{tmp_path}/target.npz:images"


def config_of(arguments):
    """The `Config` of the command line --name=value ..."""
    values = dict(argument.removeprefix("--").split("=", 1) for argument in arguments)
    sections = {}
    for section in dataclasses.fields(Config):
        kinds = {field.name: field.type for field in dataclasses.fields(section.type)}
        sections[section.name] = section.type(
            **{n: values[n] == "true" if k is bool else k(values[n]) for n, k in kinds.items()}
        )
    return Config(**sections)


def test_the_program_trains_tunes_tests_and_does_nothing_twice(
    run_app, tiny_run, target, tmp_path, monkeypatch
):
    commands = []

    def untrained(command):
        """What dgn_tf.train leaves, without the training."""
        *settings, run_dir = command[3:]
        commands.append(command[3:])
        config = config_of(settings)
        run = Run(run_dir.removeprefix("--run_dir="))
        run.folder.mkdir(parents=True, exist_ok=True)
        (run / "config.json").write_text(config.to_json())
        model = make_model(config.model, config.data.side, config.data.channels)
        Checkpoints(run / "checkpoints", model=model).save(Progress())
        model.save(run / "model.keras")
        return 0

    monkeypatch.setattr(member, "_run", untrained)
    arguments = (
        *tiny_run.command,
        "--methods=abp,vae",
        f"--target={target}",
        "--view=side",
        "--frontal=2",
        "--tuned=2",
        "--per_view=2",
        "--tuning_epochs=1",
        "--repeats=1",
        "--seed=4",
        "--steps=10",
        "--starts=1",
        "--encoder_width=0.1",
        "--epochs=1",
        f"--run_dir={tmp_path}/table",
    )
    said = run_app(transfer, *arguments)
    assert said.status == 0, said.err
    folders = [command[-1].rpartition("/")[2] for command in commands]
    assert folders == ["abp-4", "abp-4-tuned", "vae-4", "vae-4-tuned"]
    tuning = commands[1]
    for flag in ("--where=side=2", "--limit=2", f"--init_from={tmp_path}/table/abp-4", "--freeze="):
        assert flag in tuning
    report = json.loads((tmp_path / "table/report/report.json").read_text())
    assert list(report["numbers"]["mean"]) == ["abp", "vae", "vae, Langevin"]
    assert list(report["numbers"]["mean"]["abp"]) == ["3", "2", "1", "all"]
    assert report["origin"]["test"] == 6
    assert (tmp_path / "table/report/reconstructions.png").exists()
    assert "Report: " in said.out

    def refuse(*arguments, **settings):
        raise AssertionError("tested twice")

    monkeypatch.setattr(member, "view_errors", refuse)
    again = run_app(transfer, *arguments)
    assert again.status == 0, again.err
    kept = json.loads((tmp_path / "table/report/report.json").read_text())
    assert kept["numbers"] == report["numbers"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b"\xff",
        b'{"settings": {"steps": 3}}',
        b'{"settings": {"steps": 3}, "errors": [1]}',
        b'{"settings": {"steps": 3}, "errors": {"abp": {"all": "much"}}}',
    ],
)
def test_damaged_errors_are_measured_anew(tmp_path, caplog, content):
    path, settings = tmp_path / "transfer.json", {"steps": 3}
    assert member._kept(path, settings) is None and not caplog.records
    path.write_bytes(content)
    assert member._kept(path, settings) is None
    (record,) = caplog.records
    assert record.getMessage() == f"{path} is damaged: its errors are measured anew."
    errors = {"abp": {"0": 1.5, "all": 2.0}}
    path.write_text(json.dumps({"settings": settings, "errors": errors}))
    assert member._kept(path, settings) == errors
    assert member._kept(path, {"steps": 4}) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--methods=abp,gan"], "'gan' must be one of"),
        (["--methods=abp,abp"], "--methods=abp,abp: name each once"),
        (["--repeats=0"], "--repeats=0: must be at least 1"),
        (["--freeze=geometry"], "--freeze is for dgn_tf.train"),
        (["--view=pose"], "has no numeric label --view=pose; it has side"),
        (["--view=side", "--frontal=9"], "0 examples with side=9 to fine-tune on"),
        (["--view=side", "--frontal=2", "--tuned=5"], "4 examples with side=2 to fine-tune on"),
        (["--tuning_rate=fast"], "neither a number nor"),
    ],
)
def test_what_cannot_be_is_refused_before_any_training(
    run_app, target, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.setattr(member, "_run", None)
    folder = f"--run_dir={tmp_path}/table"
    said = run_app(transfer, f"--target={target}", "--side=32", folder, *arguments)
    assert said.status == 2 and message in said.err and said.err.count("\n") == 1
    assert not (tmp_path / "table").exists()


def test_after_ctrl_c_a_training_saves_before_the_table_ends(tmp_path, monkeypatch):
    wait, calls = member.subprocess.Popen.wait, []

    def interrupted(self, *arguments, **settings):
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return wait(self, *arguments, **settings)

    monkeypatch.setattr(member.subprocess.Popen, "wait", interrupted)
    saves = f"import time; time.sleep(1); open({str(tmp_path / 'saved')!r}, 'w')"
    with pytest.raises(KeyboardInterrupt):
        member._run([sys.executable, "-c", saves])
    assert (tmp_path / "saved").exists()


def test_a_training_that_fails_is_named(run_app, target, tmp_path, monkeypatch):
    monkeypatch.setattr(member, "_run", lambda command: 2)
    said = run_app(
        transfer,
        f"--target={target}",
        "--side=32",
        "--view=side",
        "--frontal=2",
        "--tuned=1",
        "--methods=deformable",
        f"--run_dir={tmp_path}/table",
    )
    assert said.status == 2
    assert f"the training in {tmp_path}/table/deformable-0 did not end well" in said.err
