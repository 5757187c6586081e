"""Learn a generator from images or clips.

Usage: dgn train --preset=quickstart --run_dir=runs/quickstart
       dgn train --run_dir=runs/quickstart --epochs=80    goes on, with its own settings
"""

import dataclasses
from collections.abc import Sequence

from absl import flags as absl_flags

from dgn_tf.cli.app import run_app
from dgn_tf.cli.flags import config_from_flags, define_config_flags
from dgn_tf.cli.paths import (
    holds_run,
    require_run,
    require_text,
    require_writable,
    run_config,
)
from dgn_tf.cli.presets import define_preset_flag
from dgn_tf.config import Config
from dgn_tf.config.going_on import require_fixed
from dgn_tf.config.output import require_trackers
from dgn_tf.utils.errors import InputError

FLAGS = absl_flags.FLAGS

# The short help.
COMMON = {
    "What is learned": ("preset", "data", "side", "limit", "mirror", "validation"),
    "Where it goes": ("run_dir", "fresh"),
    "The model": ("model", "appearance_dim", "geometry_dim"),
    "The training": ("epochs", "batch_size", "langevin_steps", "seed"),
}


def define_flags() -> None:
    """Declares the flags of this command: every setting of `Config`, and five of its own."""
    define_preset_flag()
    define_config_flags()
    absl_flags.DEFINE_string(
        "run_dir",
        "",
        "Folder of the run. A run that is there goes on, with its own settings where flags are not "
        "given: by the same command, or by --epochs alone.",
    )
    absl_flags.DEFINE_bool(
        "fresh",
        False,
        "Remove the run in --run_dir and start over; files that others have put there stay.",
    )
    absl_flags.DEFINE_bool(
        "data_changed",
        False,
        "Go on although images were added, removed or renamed since the run began (or --limit or "
        "--where chooses others): the chains of those that are still there are kept, new ones "
        "begin theirs.",
    )
    absl_flags.DEFINE_bool(
        "dry_run",
        False,
        "Print the settings that are not usual, the data and the networks, and train nothing.",
    )


def main(_argv: Sequence[str]) -> int:
    """Trains, or describes what would be trained; returns the exit status."""
    there = holds_run(FLAGS.run_dir)
    before = run_config(FLAGS.run_dir) if there and not FLAGS.fresh else None
    config = _config(before)
    if before:
        require_fixed(before, config, f"`run_dir={FLAGS.run_dir}`", FLAGS.data_changed)
    elif config.learning.init_from:
        require_run(config.learning.init_from, "init_from")
    # What takes long to import comes once it is needed: NumPy here, TensorFlow below.
    from dgn_tf.data.sources import require_data

    require_data(config.data)
    if before and config.data.data == before.data.data:
        from dgn_tf.runs.examples import require_learned

        require_learned(config, "give `data`, where it is now.")
    if not FLAGS.dry_run:
        if not FLAGS.run_dir:
            raise InputError("--run_dir is needed: the folder to write the run to.")
        require_text(f"`run_dir={FLAGS.run_dir}`", FLAGS.run_dir)
        require_writable(f"`run_dir={FLAGS.run_dir}`", FLAGS.run_dir)
    require_trackers(config.record.trackers())
    if FLAGS.run_dir and not there and not (FLAGS["data"].present or FLAGS["preset"].present):
        # A misspelled folder would be trained for long before anybody sees it.
        print(
            f"No run in {FLAGS.run_dir}: a new one with the default {config.data.data}, as neither "
            "--data nor --preset is given.",
            flush=True,
        )
    from dgn_tf.runs.training import describe, train

    if FLAGS.dry_run:
        describe(config)
        return 0
    return train(config, FLAGS.run_dir, FLAGS.fresh, FLAGS.data_changed)


def _config(before: Config | None) -> Config:
    """The settings: flags that are not given are as in the run that goes on, if one does."""
    if before is None:
        return config_from_flags(FLAGS)
    config = config_from_flags(FLAGS, {n: value for n, (value, _) in before.settings().items()})
    if config.data.data:
        return config
    # Presets for images of one's own leave the data to the command.
    return dataclasses.replace(config, data=dataclasses.replace(config.data, data=before.data.data))


def main_cli() -> None:
    """The command dgn-train."""
    define_flags()
    run_app(main, common=COMMON)


if __name__ == "__main__":
    main_cli()
