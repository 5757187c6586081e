"""Paint images that were never there, from latents drawn at random.

Usage: dgn sample --run_dir=runs/faces --seeds=0-15 --output=grid.png
       dgn sample --saved_model=saved_models/heads64 --seeds=1,4,7 --output=walk.gif
"""

from collections.abc import Sequence

from absl import flags as absl_flags

from dgn_tf.cli.app import run_app
from dgn_tf.cli.flags import define_settings_flags, define_source_flags, settings_from_flags
from dgn_tf.cli.paths import check_source, painted_file
from dgn_tf.config.painting import SampleSettings, is_animation, parse_seeds
from dgn_tf.utils.words import counted

FLAGS = absl_flags.FLAGS
# The short help.
COMMON = {
    "The model": ("run_dir", "saved_model"),
    "The samples": ("seeds", "source"),
    "The file": ("output", "overwrite", "columns", "frames"),
}


def define_flags() -> None:
    """Declares the flags of this command."""
    define_source_flags()
    define_settings_flags(SampleSettings)


def main(_argv: Sequence[str]) -> None:
    """Paints the samples."""
    check_source(FLAGS.run_dir, FLAGS.saved_model)
    settings = settings_from_flags(SampleSettings, FLAGS)
    output = painted_file(settings)
    # What takes seconds to import comes once it is needed.
    from dgn_tf.runs.trained import load_trained
    from dgn_tf.visualize.animation import save_animation
    from dgn_tf.visualize.images import save_sheet
    from dgn_tf.visualize.morphing import image_grid, path_frames, sample_latents

    trained = load_trained(FLAGS.run_dir, FLAGS.saved_model)
    model, statistics = trained.model, trained.statistics
    source = settings.source or ("training" if statistics else "prior")
    seeds = parse_seeds(settings.seeds)
    latents = sample_latents(model, statistics, seeds, source)
    if is_animation(settings.output):
        frames = path_frames(model, latents, settings.frames, closed=True)
        save_animation(output, frames, shown=True)
    else:
        save_sheet(output, image_grid(model, latents, settings.columns))
    spread = "as the latents of the training images are" if source == "training" else "N(0, I)"
    trained.tell_training()
    print(f"{output}: {counted(len(seeds), 'sample')}, drawn {spread} (--source={source}).")


def main_cli() -> None:
    """Entry point of the command."""
    define_flags()
    run_app(main, common=COMMON)


if __name__ == "__main__":
    main_cli()
