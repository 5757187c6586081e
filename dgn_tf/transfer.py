"""The transfer table (E2, Table I): train rivals alike, fine-tune on one view, test on all.

Usage: dgn transfer --preset=transfer_heads --run_dir=runs/transfer
"""

from absl import flags as absl_flags

from dgn_tf.cli.app import run_app
from dgn_tf.cli.flags import (
    config_from_flags,
    define_config_flags,
    define_settings_flags,
    settings_from_flags,
)
from dgn_tf.cli.paths import require_text, require_writable
from dgn_tf.cli.presets import define_preset_flag
from dgn_tf.config import InferenceConfig
from dgn_tf.config.transfer import TransferSettings, check_training
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import user_path

FLAGS = absl_flags.FLAGS

# The short help.
COMMON = {
    "What is compared": ("preset", "methods", "data", "target", "view", "frontal"),
    "Where it goes": ("run_dir",),
    "How": ("tuned", "per_view", "tuning_epochs", "repeats", "epochs"),
}


def define_flags() -> None:
    """Declare the flags: every setting of `Config`, for the first training, and the table's own."""
    define_preset_flag()
    define_config_flags()
    absl_flags.DEFINE_string("run_dir", None, "Folder of all runs and the report; needed.")
    define_settings_flags(TransferSettings)
    define_settings_flags(InferenceConfig, ("steps", "starts", "amortised"))


def main(argv: list[str]) -> None:
    """Train what is not trained yet, test what is not tested yet, write the table."""
    del argv
    config, settings = config_from_flags(FLAGS), settings_from_flags(TransferSettings, FLAGS)
    # Other flags with names of its settings are those of the training.
    inference = InferenceConfig(steps=FLAGS.steps, starts=FLAGS.starts, amortised=FLAGS.amortised)
    check_training(config)
    # What takes long to import comes once it is needed: NumPy here, TensorFlow below.
    from dgn_tf.data.sources import require_data

    require_data(config.data)
    require_data(settings)
    if not FLAGS.run_dir:
        raise InputError("--run_dir is needed: a folder for all runs and the report.")
    folder = user_path(FLAGS.run_dir) / "report"
    require_text(f"`run_dir={FLAGS.run_dir}`", FLAGS.run_dir)
    require_writable(f"`run_dir={FLAGS.run_dir}`", folder)
    from dgn_tf.evaluation.report import check_folder, show, write_report
    from dgn_tf.evaluation.transfer.experiment import transfer

    check_folder(folder)
    report, origin = transfer(FLAGS.run_dir, config, settings, inference)
    # The numbers first: what took the time is seen even where it cannot be written.
    show(report)
    write_report(folder, report, origin)
    print(f"\nReport: {folder / 'report.html'}")


def main_cli() -> None:
    """The command dgn-transfer."""
    define_flags()
    run_app(main, common=COMMON)


if __name__ == "__main__":
    main_cli()
