"""Move a photograph as a video moves: its appearance in the geometry of every frame.

Usage: dgn drive --face=ann.jpg --video=clip.mp4 --run_dir=runs/faces --output=ann.mp4
       dgn drive --face=ann.jpg --video=clip.mp4 --run_dir=runs/faces --relative
"""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from absl import flags as absl_flags

from dgn_tf.cli.app import run_app
from dgn_tf.cli.flags import define_settings_flags, define_source_flags, settings_from_flags
from dgn_tf.cli.paths import check_source, painted_file, require_paths
from dgn_tf.config import InferenceConfig
from dgn_tf.config.drive import SUFFIXES, DriveSettings, MotionSettings
from dgn_tf.utils.words import counted

if TYPE_CHECKING:
    import numpy as np

    from dgn_tf.runs.trained import Trained
    from dgn_tf.types import LatentArrays

FLAGS = absl_flags.FLAGS
# The short help.
COMMON = {
    "The model": ("run_dir", "saved_model"),
    "The images": ("face", "video", "align", "crop"),
    "The motion": ("relative", "smooth", "steps"),
    "The file": ("output", "overwrite", "beside", "fps", "limit"),
}
# --steps is that of the frames.
_INFERENCE = ("amortised", "step_size", "sigma", "seed")


def define_flags() -> None:
    """Declares the flags of this command."""
    define_source_flags()
    define_settings_flags(DriveSettings)
    define_settings_flags(MotionSettings)
    define_settings_flags(InferenceConfig, _INFERENCE)


def main(_argv: Sequence[str]) -> None:
    """Paints the photograph in the geometry of every frame."""
    check_source(FLAGS.run_dir, FLAGS.saved_model)
    settings = settings_from_flags(DriveSettings, FLAGS)
    require_paths(settings)
    motion = settings_from_flags(MotionSettings, FLAGS)
    inference = dataclasses.replace(settings_from_flags(InferenceConfig, FLAGS), steps=None)
    output = painted_file(settings, SUFFIXES, (settings.face, settings.video))
    # What takes seconds to import comes once it is needed.
    from dgn_tf.data.cropping.cutting import face_cutter
    from dgn_tf.data.sources.files import load_files
    from dgn_tf.evaluation.driving import drive, load_driver, require_drivable
    from dgn_tf.runs.trained import load_trained
    from dgn_tf.visualize.animation import save_animation
    from dgn_tf.visualize.driving import driven_frames

    trained = load_trained(FLAGS.run_dir, FLAGS.saved_model)
    require_drivable(trained.config, trained.model)
    data = trained.config.data
    faces = face_cutter(motion.align, data.faces, data.side, data.channels)
    still = load_files([settings.face], data.side, data.channels, faces).images[0]
    film = load_driver(settings.video, data.side, data.channels, motion, faces)
    told = faces.told() if faces else ""
    if told:
        print(f"{told}.")
    trained.tell_training()
    encoder = trained.encoder(inference.amortised)
    driven = drive(trained.model, trained.config, encoder, still, film.frames, motion, inference)
    frames = driven_frames(driven.images, film.frames if settings.beside else None)
    save_animation(output, frames, film.rate, shown=True)
    for path, shown in (
        (settings.face, (still[None], driven.of_still, driven.error)),
        (settings.video, (film.frames, driven.of_frames, driven.errors)),
    ):
        print(f"{path}: squared error {shown[-1].mean():.1f}{_unlike(trained, *shown)}")
    print(f"{output}: {counted(len(driven.images), 'frame')}, {film.rate:g} a second.")


def _unlike(
    trained: "Trained", images: "np.ndarray", latents: "LatentArrays", errors: "np.ndarray"
) -> str:
    """Says how many images are unlike anything that a model has learned, if any are."""
    statistics = trained.statistics
    typical = None if statistics is None else statistics.typical(images, latents, errors)
    if typical is None or typical.all():
        return ""
    share = "" if len(errors) == 1 else f", {len(errors) - typical.sum()} of {len(errors)} frames"
    return f"{share}, unlike anything that this model has learned"


def main_cli() -> None:
    """Entry point of the command."""
    define_flags()
    run_app(main, common=COMMON)


if __name__ == "__main__":
    main_cli()
