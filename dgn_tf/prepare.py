"""Square crops for training, out of photographs or videos: faces that are found, or the middle.

Usage: dgn prepare SOURCE DEST
       dgn train --data=DEST/crops --run_dir=runs/faces
       dgn prepare VIDEOS DEST --clips --align=eyes
       dgn train --data=clips:DEST/crops --frames=8 --model=dynamic --run_dir=runs/clips

Every image under SOURCE is looked at; SOURCE is only read. DEST gets crops/, manifest.csv (where
each crop comes from) and skipped.csv (what gave none, and why). With --clips one face is followed
through every video, and its crops are a folder of frames. Interrupted, the same command goes on
where it was; delete skipped.csv to try what was skipped again.
"""

from collections.abc import Sequence

from absl import flags as absl_flags

from dgn_tf.cli.app import run_app
from dgn_tf.cli.flags import define_settings_flags, settings_from_flags
from dgn_tf.config.prepare import CropSettings
from dgn_tf.utils.words import counted

POSITIONALS = ("SOURCE", "DEST")
COMMON = {
    "What is cut out": ("crop", "align", "side", "margin", "all_faces", "min_face"),
    "Of videos": ("clips", "follow", "fps"),
}


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
    what = "clip" if settings.clips else "image"
    made = "cropped clip" if settings.clips else "crop"
    print(
        f"{counted(counts['crops'], made)} from {counted(counts['images'], what)}{known}; "
        f"{counted(counts['skipped'], what)} skipped{listed}: {dest}"
    )


def main_cli() -> None:
    """The command dgn-prepare."""
    define_flags()
    run_app(main, POSITIONALS, COMMON)


if __name__ == "__main__":
    main_cli()
