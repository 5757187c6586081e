"""Learn where inference may start, so that it takes 20 steps instead of 300.

Usage: python -m dgn_tf.amortise --run_dir=runs/quickstart
"""

import os

import keras
from absl import flags as absl_flags

from dgn_tf.cli.app import run_app
from dgn_tf.data.examples import as_float
from dgn_tf.inference.amortized import fit_encoder
from dgn_tf.models.autoencoder import Encoder
from dgn_tf.runs.directory import ENCODER, Run
from dgn_tf.runs.evaluated import EvaluatedRun
from dgn_tf.runs.restoring import load_chains
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.progress import progress_bar

FLAGS = absl_flags.FLAGS


def define_flags():
    """Declare the flags of this app."""
    define = absl_flags
    define.DEFINE_string("run_dir", None, "Folder of the training run.", required=True)
    define.DEFINE_integer("epochs", 60, "Passes over the run's images.", lower_bound=1)
    define.DEFINE_float("width", 1.0, "Filters per level over 16, 32, 64, ...", lower_bound=0.05)
    define.DEFINE_integer("seed", 0, "Seed of the encoder and its batches.", 0, 2**31 - 1)
    define.DEFINE_string("data_dir", None, "Folder of prepared TFDS data sets; else the run's.")


def main(argv):
    """Learn the encoder and write it into the run as encoder.keras."""
    del argv
    subject = EvaluatedRun(
        FLAGS.run_dir, "amortise", steps=1, starts=1, seed=FLAGS.seed, data_dir=FLAGS.data_dir
    )
    data, model = subject.config.data, subject.model
    chains = load_chains(FLAGS.run_dir)
    if chains is None or data.frames or subject.config.model.appearance != "continuous":
        raise InputError(
            f"--run_dir={FLAGS.run_dir}: an encoder is learned for models of images whose "
            "latents are all inferred by Langevin dynamics."
        )
    keras.utils.set_random_seed(FLAGS.seed)
    encoder = Encoder(
        model.latent_dims, data.side, data.channels, width=FLAGS.width, variance=False
    )
    run, examples = Run(FLAGS.run_dir), subject.train()
    run.lock()
    run.require_data(examples)
    images = as_float(examples.images)
    with progress_bar("Epochs") as report:
        fit_encoder(
            model, encoder, images, chains, epochs=FLAGS.epochs, seed=FLAGS.seed, progress=report
        )
    partial = run / "partial-encoder.keras"
    encoder.save(partial)
    os.replace(partial, run / ENCODER)
    print(
        f"Learned: {run / ENCODER}. Use it with dgn_tf.infer or dgn_tf.evaluate "
        "--amortised --steps=20."
    )


def main_cli():
    """Entry point of the command."""
    define_flags()
    run_app(main)


if __name__ == "__main__":
    main_cli()
