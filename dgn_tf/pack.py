"""Images or clips as TFRecord files, from which dgn_tf.train reads what a step needs.

Usage: dgn pack --data=PHOTOS --output=packed
       dgn train --data=packed --run_dir=runs/photos

The images are cut and resized as dgn_tf.train would. One call holds its images in memory: pack
what is larger in parts (--data=tfds:NAME:train[:25%] --output=packed/part-0, and so on), and train
with --data='packed/part-*'.
"""

import shlex
from collections.abc import Sequence

from absl import flags as absl_flags

from dgn_tf.cli.app import run_app
from dgn_tf.cli.flags import define_settings_flags, settings_from_flags
from dgn_tf.cli.paths import require_text, require_writable
from dgn_tf.config import DataConfig
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import user_path
from dgn_tf.utils.folders import atomic_folder
from dgn_tf.utils.ownership import PACKED
from dgn_tf.utils.progress import progress_bar

FLAGS = absl_flags.FLAGS
# How labels are used is up to the training.
_SETTINGS = (
    "data",
    "side",
    "channels",
    "frames",
    "stride",
    "fps",
    "where",
    "limit",
    "data_dir",
    "stills",
)


def define_flags() -> None:
    """Declares the flags of this command."""
    define_settings_flags(DataConfig, _SETTINGS)
    absl_flags.DEFINE_string("output", "", "New folder for the TFRecord files and their index.")
    absl_flags.DEFINE_integer("shards", 1, "How many TFRecord files to write.", lower_bound=1)


def main(_argv: Sequence[str]) -> None:
    """Packs the data that the command line names."""
    data = settings_from_flags(DataConfig, FLAGS)
    # What takes long to import comes once it is needed.
    from dgn_tf.data.sources import load, require_data

    require_data(data)
    if not FLAGS.output:
        raise InputError("--output is needed: a new folder for the packed data.")
    output = user_path(FLAGS.output)
    if output.exists():
        raise InputError(f"--output={output} exists: name a new folder.")
    require_text(f"`output={output}`", output)
    require_writable(f"`output={output}`", output)
    from dgn_tf.data.sources.packed import pack

    with progress_bar("Reading images") as report:
        examples = load(data, report)
    with progress_bar("Writing") as report, atomic_folder(output, PACKED, new=True) as folder:
        pack(examples, folder, FLAGS.shards, report)
    use = shlex.quote(f"--data=shards:{output}")
    print(f"Packed: {output} holds {len(examples)} examples. Use them with {use}")


def main_cli() -> None:
    """The command dgn-pack."""
    define_flags()
    run_app(main)


if __name__ == "__main__":
    main_cli()
