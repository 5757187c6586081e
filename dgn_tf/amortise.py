"""Learn where inference may start, so that it takes a fraction of the steps.

Usage: dgn amortise --run_dir=runs/quickstart
"""

import dataclasses
from collections.abc import Sequence

from absl import flags as absl_flags

from dgn_tf.cli.app import run_app
from dgn_tf.cli.paths import require_run, require_writable, run_config
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import atomic_write
from dgn_tf.utils.progress import progress_bar

FLAGS = absl_flags.FLAGS


def define_flags() -> None:
    """Declares the flags of this command."""
    define = absl_flags
    define.DEFINE_string("run_dir", None, "Folder of the training run; needed.")
    define.DEFINE_integer("epochs", 60, "Passes over the run's images.", lower_bound=1)
    define.DEFINE_float("width", 1.0, "Filters per level over 16, 32, 64, ...", lower_bound=0.05)
    define.DEFINE_integer("seed", 0, "Seed of the encoder and its batches.", 0, 2**31 - 1)
    define.DEFINE_string("data_dir", None, "Folder of prepared TFDS data sets; else the run's.")


def main(_argv: Sequence[str]) -> None:
    """Learns the encoder and writes it into the run as encoder.keras."""
    require_run(FLAGS.run_dir)
    require_writable(f"`run_dir={FLAGS.run_dir}`", FLAGS.run_dir)
    # What takes long to import comes once it is needed: NumPy here, TensorFlow below.
    from dgn_tf.data.sources import require_data
    from dgn_tf.runs.examples import require_learned

    before = run_config(FLAGS.run_dir)
    require_data(before.data)
    require_learned(
        before, "put it there, or let `dgn train --data=` go on with the run from where it is now."
    )
    import keras

    from dgn_tf.data.examples import as_float
    from dgn_tf.inference.amortized import fit_encoder
    from dgn_tf.models.autoencoder import Encoder
    from dgn_tf.runs.directory import ENCODER, Run
    from dgn_tf.runs.examples import run_examples
    from dgn_tf.runs.restoring import load_chains, load_run

    run = Run(FLAGS.run_dir)
    config, model = load_run(run.folder)
    data, chains = config.data, load_chains(run.folder)
    if chains is None or data.frames or config.model.appearance != "continuous":
        raise InputError(
            f"--run_dir={FLAGS.run_dir}: an encoder is learned for models of images whose "
            "latents are all inferred by Langevin dynamics."
        )
    keras.utils.set_random_seed(FLAGS.seed)
    encoder = Encoder(
        model.latent_dims, data.side, data.channels, width=FLAGS.width, variance=False
    )
    data = dataclasses.replace(data, data_dir=FLAGS.data_dir or data.data_dir)
    examples, _ = run_examples(dataclasses.replace(config, data=data))
    run.lock()
    run.require_data(examples)
    images = as_float(examples.images)
    with progress_bar("Epochs") as report:
        fit_encoder(
            model, encoder, images, chains, epochs=FLAGS.epochs, seed=FLAGS.seed, progress=report
        )
    with atomic_write(run / ENCODER) as partial:
        encoder.save(partial)
    print(f"Learned: {run / ENCODER}. Inference begins with its guess from now on.")


def main_cli() -> None:
    """The command dgn-amortise."""
    define_flags()
    run_app(main)


if __name__ == "__main__":
    main_cli()
