"""Square crops for training, out of photographs: faces that are found, or the middle.

Usage: dgn prepare SOURCE DEST
       dgn train --data=DEST/crops --run_dir=runs/faces

Every image under SOURCE is looked at; SOURCE is only read. DEST gets crops/, manifest.csv (where
each crop comes from) and skipped.csv (what gave none, and why). Interrupted, the same command goes
on where it was; delete skipped.csv to try what was skipped again.
"""

from collections.abc import Sequence

from absl import flags as absl_flags

from dgn_tf.cli.app import run_app
from dgn_tf.cli.flags import define_settings_flags, settings_from_flags
from dgn_tf.config.prepare import CropSettings
from dgn_tf.utils.words import counted

POSITIONALS = ("SOURCE", "DEST")


def define_flags() -> None:
    """Declares the flags of this command."""
    define_settings_flags(CropSettings)


def main(argv: Sequence[str]) -> None:
    """Prepares the folder that the command line names."""
    _, source, dest = argv
    settings = settings_from_flags(CropSettings, absl_flags.FLAGS)
    # What takes long to import comes once it is needed; it checks both folders first.
    from dgn_tf.data.cropping.preparing import prepare

    counts = prepare(source, dest, settings)
    known = f", {counts['known']} of them known from before" if counts["known"] else ""
    listed = " (skipped.csv says why)" if counts["skipped"] else ""
    print(
        f"{counted(counts['crops'], 'crop')} from {counted(counts['images'], 'image')}{known}; "
        f"{counted(counts['skipped'], 'image')} skipped{listed}: {dest}"
    )


def main_cli() -> None:
    """The command dgn-prepare."""
    define_flags()
    run_app(main, POSITIONALS)


if __name__ == "__main__":
    main_cli()
