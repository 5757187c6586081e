"""From one image to another through the latents of a model, as a strip or an animation.

Usage: dgn morph ann.jpg ben.jpg --run_dir=runs/faces --output=morph.gif
       dgn morph ann.jpg ben.jpg eve.jpg --run_dir=runs/faces --group=geometry --output=strip.png
"""

from collections.abc import Sequence

from absl import flags as absl_flags

from dgn_tf.cli.app import run_app
from dgn_tf.cli.flags import define_settings_flags, define_source_flags, settings_from_flags
from dgn_tf.cli.paths import check_source, painted_file, require_path
from dgn_tf.config import InferenceConfig
from dgn_tf.config.painting import MorphSettings, is_animation
from dgn_tf.utils.errors import InputError

FLAGS = absl_flags.FLAGS
POSITIONALS = ("IMAGE...",)
# The short help.
COMMON = {
    "The model": ("run_dir", "saved_model"),
    "The file": ("output", "overwrite", "group", "columns", "frames"),
    "The images": ("align",),
    "How the images' latents are inferred": ("steps", "starts", "amortised", "seed"),
}


def define_flags() -> None:
    """Declares the flags of this command."""
    define_source_flags()
    define_settings_flags(MorphSettings)
    define_settings_flags(InferenceConfig)


def main(argv: Sequence[str]) -> None:
    """Paints the way between the images that the command line names."""
    _, *files = argv
    check_source(FLAGS.run_dir, FLAGS.saved_model)
    if len(files) < 2:
        known = f"and there is one, {files[0]}" if files else "and there is none"
        raise InputError(f"two or more images are needed, {known}: dgn morph ann.jpg ben.jpg ...")
    for path in files:
        require_path(path, path)
    settings = settings_from_flags(MorphSettings, FLAGS)
    inference = settings_from_flags(InferenceConfig, FLAGS)
    output = painted_file(settings, reads=files)
    # What takes seconds to import comes once it is needed.
    from dgn_tf.evaluation.inferring import infer_files
    from dgn_tf.runs.trained import load_trained
    from dgn_tf.visualize.animation import save_animation, there_and_back
    from dgn_tf.visualize.images import save_sheet
    from dgn_tf.visualize.morphing import only_group, path_frames, strip

    trained = load_trained(FLAGS.run_dir, FLAGS.saved_model)
    inferred = infer_files(trained, files, inference, settings.align)
    if inferred.faces:
        print(f"{inferred.faces}.")
    trained.tell_training()
    for path, error, unlike in zip(files, inferred.errors, inferred.unlike, strict=True):
        told = f", unlike anything that this model has learned ({', '.join(unlike)})"
        print(f"{path}: squared error {error:.1f}{told if unlike else ''}")
    latents = inferred.latents
    if settings.group != "all":
        latents = only_group(latents, settings.group)
    if is_animation(settings.output):
        frames = path_frames(trained.model, latents, settings.frames, closed=False)
        save_animation(output, there_and_back(frames), shown=True)
    else:
        save_sheet(output, strip(trained.model, latents, settings.columns))
    print(output)


def main_cli() -> None:
    """Entry point of the command."""
    define_flags()
    run_app(main, POSITIONALS, COMMON)


if __name__ == "__main__":
    main_cli()
