"""The command line: every setting a flag, one line for every mistake."""

import subprocess
import sys
import types

import pytest
from absl import flags as absl_flags

from dgn_tf.cli.flags import (
    config_from_flags,
    define_config_flags,
    define_settings_flags,
    settings_from_flags,
)
from dgn_tf.config import (
    Config,
    DataConfig,
    ExecutionConfig,
    ModelConfig,
    OutputConfig,
    TrainingConfig,
)
from dgn_tf.config.inference import InferenceConfig
from dgn_tf.config.serialization import flagfile
from dgn_tf.utils.errors import InputError

# Between them no setting has its default everywhere.
OTHER = Config(
    data=DataConfig("npz:a b.npz", 32, 1, 4, 2, 12.5, "view=0", 7, data_dir="prepared"),
    model=ModelConfig(
        "dynamic",
        3,
        4,
        0.5,
        2,
        2,
        1.5,
        0.7,
        "continuous",
        "mixed_bfloat16",
        0.25,
        0.05,
        "zeros",
        0.1,
        0.2,
        0.3,
        0.0,
        0.5,
        0.25,
        2,
        5,
        True,
        3,
    ),
    learning=TrainingConfig(
        9,
        8,
        7,
        "0:0.3,0.5:0.1",
        "0.4",
        0.25,
        False,
        True,
        "0:1e-3,0.5:2e-4",
        2.5,
        0.99,
        init_from="runs/a",
        freeze="geometry",
        seed=2**31 - 1,
        shards=4,
    ),
    record=OutputConfig(2, 5, 6, "mlflow,wandb"),
    execution=ExecutionConfig("off", 4, "mirrored"),
)
JUDGED = Config(
    data=DataConfig(stills=5, mirror=True, validation=0.125),
    learning=TrainingConfig(
        adversarial=True,
        likelihood_weight=0.1,
        r1_weight=5.0,
        r1_every=4,
        warmup=0.2,
        discriminator_rate="1e-3",
        discriminator_width=0.5,
        minibatch_deviation=True,
        proposals="encoder",
        chain_start="zero",
        dreams=True,
        encoder_rate="1e-3",
        decorrelation=0.25,
    ),
)
STILLS_FIRST = Config(DataConfig(frames=4), ModelConfig("dynamic", emission="IV"))
LABELLED = Config(
    DataConfig(label="digit", faces="eyes:0.2"),
    ModelConfig(appearance="label", refinement=0.1),
    TrainingConfig(optimizer="lion"),
)
CONFIGS = (OTHER, JUDGED, STILLS_FIRST, LABELLED)


def app(main=lambda argv: None):
    return types.SimpleNamespace(define_flags=define_config_flags, main=main)


def read_config(seen):
    return app(lambda argv: seen.append(config_from_flags(absl_flags.FLAGS)))


def test_without_flags_the_settings_are_the_defaults(run_app):
    seen = []
    assert run_app(read_config(seen)).status == 0
    assert seen == [Config()]


@pytest.mark.parametrize("config", CONFIGS, ids=["other", "judged", "stills first", "labelled"])
def test_a_flagfile_gives_every_setting_again(config, run_app, tmp_path):
    (tmp_path / "run.cfg").write_text(flagfile(config.settings()))
    seen = []
    assert run_app(read_config(seen), f"--flagfile={tmp_path}/run.cfg").status == 0
    assert seen == [config]


def test_no_setting_is_left_out_above():
    defaults = Config().settings()
    for name, (default, _) in defaults.items():
        values = [config.settings()[name][0] for config in CONFIGS]
        assert any(value != default for value in values), name


def test_flags_after_a_flagfile_win(run_app, tmp_path):
    (tmp_path / "run.cfg").write_text("# comment\n--side=32\n--epochs=3\n")
    seen = []
    run_app(read_config(seen), f"--flagfile={tmp_path}/run.cfg", "--epochs=4", "--nonoise")
    (config,) = seen
    assert (config.data.side, config.learning.epochs, config.learning.noise) == (32, 4, False)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--epoch=3", "Unknown command line flag 'epoch'. Did you mean: epochs ?"),
        ("--zzz", "Unknown command line flag 'zzz'"),
        ("--epochs=x", "flag --epochs=x: invalid literal"),
        ("--model=gan", "flag --model=gan: value should be one of <deformable|abp|vae"),
        ("--noise=maybe", "flag --noise=maybe: "),
        ("--flagfile=missing.cfg", "Unable to open flagfile: [Errno 2] No such file"),
        ("epochs=3", "'epochs=3' is no flag: flags look like --name=value"),
        ("--side=48", "--side=48: must be one of 32, 64, 128, 256."),
        ("--epochs=0", "--epochs=0: must be at least 1."),
        ("--sigma=0:1,0.5", "--sigma: '0:1,0.5' is neither a number nor"),
        ("--step_size=-1", "--step_size: '-1': values must be above 0"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(run_app, argument, message):
    seen = []
    said = run_app(read_config(seen), argument)
    assert (said.status, said.out, seen) == (2, "", [])
    (line,) = said.err.splitlines()
    assert line.startswith(f"error: {message}")


def test_required_flags_that_are_missing_are_named(run_app):
    def define_flags():
        absl_flags.DEFINE_string("needed", None, "One.", required=True)
        absl_flags.DEFINE_string("also_needed", None, "Two.", required=True)

    said = run_app(types.SimpleNamespace(define_flags=define_flags, main=pytest.fail))
    assert said.status == 2
    (line,) = said.err.splitlines()
    assert line.startswith("error: ") and "--needed" in line and "--also_needed" in line


def test_an_input_error_of_the_app_is_one_line_and_any_other_error_is_not_hidden(run_app):
    def refuse(argv):
        raise InputError("--run_dir=x: name another.")

    said = run_app(app(refuse))
    assert (said.status, said.err) == (2, "error: --run_dir=x: name another.\n")

    def crash(argv):
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        run_app(app(crash))


def test_a_name_that_is_too_long_is_told(run_app, tmp_path):
    said = run_app(app(lambda argv: (tmp_path / ("n" * 300)).write_text("")))
    assert said.status == 2 and "longer than the file system takes" in said.err


def test_settings_that_the_library_names_become_flags(run_app):
    def refuse(argv):
        raise InputError("`side=48` and `fps` are wrong for `zebra=1`: see `frames`.")

    said = run_app(app(refuse))
    assert said.err == "error: --side=48 and --fps are wrong for `zebra=1`: see --frames.\n"


def test_settings_of_any_dataclass_become_flags(run_app):
    seen = []
    names = ("steps", "sigma")
    one = types.SimpleNamespace(
        define_flags=lambda: define_settings_flags(InferenceConfig, names),
        main=lambda argv: seen.append(settings_from_flags(InferenceConfig, absl_flags.FLAGS)),
    )
    assert run_app(one, "--steps=20").status == 0
    assert run_app(one, "--sigma=0.5").status == 0
    assert seen == [InferenceConfig(steps=20), InferenceConfig(sigma=0.5)]
    said = run_app(one, "--steps=0")
    assert said.err == "error: --steps=0: must be at least 1.\n"
    assert run_app(one, "--starts=2").status == 2


def test_ctrl_c_in_a_command_is_one_line_and_status_130():
    program = (
        "import signal, time\nfrom dgn_tf.cli.app import run_app\n"
        "run_app(lambda argv: (signal.raise_signal(signal.SIGINT), time.sleep(60)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Interrupted.\n")
