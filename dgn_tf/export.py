"""Export a trained model: a SavedModel for TF Serving, .tflite files for devices, or a web page.

Usage: dgn export --run_dir=runs/heads64
       dgn export --saved_model=saved_models/heads64 --format=tflite
       dgn export --saved_model=saved_models/heads64 --format=web
"""

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags as absl_flags

from dgn_tf.cli.app import run_app
from dgn_tf.cli.flags import define_settings_flags
from dgn_tf.cli.paths import check_source, model_name, require_text, require_writable
from dgn_tf.config import InferenceConfig
from dgn_tf.config.export import ENCODER, FORMATS, PARTS, QUANTIZATIONS
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import user_path

# What needs TensorFlow is imported where it is used: it takes seconds, which a mistake in the
# command line should not cost.
if TYPE_CHECKING:
    import keras

    from dgn_tf.runs.directory import Run
    from dgn_tf.runs.trained import Trained
    from dgn_tf.types import LatentArrays

FLAGS = absl_flags.FLAGS
_TFLITE_FLAGS = ("part", "quantization")
_KINDS = {"saved_model": "a SavedModel", "tflite": ".tflite files", "web": "a page"}
# Samples that ranges of integers are measured on, where an export keeps no latents.
_DRAWN = 500

# The short help.
COMMON = {
    "The model": ("run_dir", "saved_model"),
    "What becomes of it": ("format", "output_dir", "name"),
    "SavedModel": ("amortised", "keep_latents"),
    ".tflite files": ("part", "quantization"),
}


def define_flags() -> None:
    """Declare the flags of this app."""
    define = absl_flags
    define.DEFINE_string("run_dir", None, "Folder of the training run.")
    define.DEFINE_string(
        "saved_model",
        None,
        "tflite and web: instead of --run_dir, an earlier export, saved_models/NAME[/VERSION].",
    )
    define.DEFINE_enum(
        "format",
        "saved_model",
        FORMATS,
        "saved_model, for TF Serving; tflite, files for devices; web, a folder with a page of "
        "sliders, which a browser opens without a server.",
    )
    define.DEFINE_string(
        "output_dir",
        "saved_models",
        "Folder of the models: OUTPUT_DIR/NAME/VERSION, OUTPUT_DIR/NAME/*.tflite or "
        "OUTPUT_DIR/NAME/web is written.",
    )
    define.DEFINE_string(
        "name",
        None,
        "Name to serve the model as; by default that of the run or of the SavedModel, with "
        "underscores for what an address cannot hold.",
    )
    # Of the SavedModel's signature "reconstruct"; the other formats do not infer.
    define_settings_flags(InferenceConfig, ("amortised",))
    define.DEFINE_bool(
        "keep_latents",
        True,
        "saved_model: keep latents of training examples, which paint what those look like. "
        "--nokeep_latents, for a model of real people, keeps their mean and covariance alone: "
        "enough for samples and edits.",
    )
    define.DEFINE_multi_enum(
        "part",
        None,
        list(PARTS),
        "tflite: geometry (the default), appearance, generator or encoder; repeat --part for "
        "several. geometry gives the displacement, appearance the canonical image, generator the "
        "image, with the warp; encoder takes an image and gives a guess of its latents.",
    )
    define.DEFINE_multi_enum(
        "quantization",
        None,
        QUANTIZATIONS,
        "tflite: float32; float16, half the size; dynamic, weights of 8 bits; int8, integers "
        "throughout, with ranges measured on the run's latents. By default all; repeat for "
        "several.",
    )


def main(argv: list[str]) -> None:
    """Export the model of the run."""
    del argv
    _check_flags()
    target = _target()
    require_text(f"`output_dir={FLAGS.output_dir}`", target)
    require_writable(f"`output_dir={FLAGS.output_dir}`", target)
    # It takes half a minute, most of which shows nothing.
    print(
        f"Exporting {FLAGS.run_dir or FLAGS.saved_model} as {_KINDS[FLAGS.format]} ...", flush=True
    )
    from dgn_tf.runs.trained import load_trained

    trained = load_trained(FLAGS.run_dir, FLAGS.saved_model, finished=True)
    if FLAGS.format == "tflite":
        _write_tflite(target, trained)
    elif FLAGS.format == "web":
        _write_web(target, trained)
    else:
        _write_saved_model(target, trained)


def _target() -> Path:
    """OUTPUT_DIR/NAME."""
    name = FLAGS.name or _served_name(model_name(FLAGS.run_dir, FLAGS.saved_model))
    if not re.fullmatch(r"[A-Za-z0-9_][\w.-]*", name, re.ASCII):
        raise InputError(
            f"--name={name}: must be letters, digits, dots, dashes and underscores, since it "
            "becomes part of the server's addresses."
        )
    target = user_path(FLAGS.output_dir) / name
    if target.exists() and not target.is_dir():
        raise InputError(f"--output_dir and --name: {target} is a file.")
    return target


def _served_name(name: str) -> str:
    """A name that can be part of an address, for a folder of any name."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", name).lstrip(".-") or "model"


def _check_flags() -> None:
    check_source(FLAGS.run_dir, FLAGS.saved_model)
    lite = FLAGS.format == "tflite"
    if FLAGS.saved_model and FLAGS.format == "saved_model":
        raise InputError(
            f"--saved_model={FLAGS.saved_model} is a SavedModel already: give --format=tflite or "
            "--format=web too."
        )
    for name in _TFLITE_FLAGS:
        if FLAGS[name].present and not lite:
            raise InputError(f"--{name} belongs to --format=tflite: give that too.")
    if FLAGS.amortised is not None and FLAGS.format != "saved_model":
        raise InputError(
            "--amortised belongs to --format=saved_model: the other formats do not infer."
        )
    if FLAGS["keep_latents"].present and FLAGS.format != "saved_model":
        raise InputError(
            "--keep_latents belongs to --format=saved_model: the other formats hold no latents of "
            "training examples."
        )
    if lite:
        from dgn_tf.serving.convert import require_litert

        require_litert()


def _write_saved_model(target: Path, trained: "Trained") -> None:
    from dgn_tf.runs.directory import Run
    from dgn_tf.serving import saved_model

    config, model = trained.config, trained.model
    encoder = trained.encoder(FLAGS.amortised)
    path = saved_model.export_saved_model(
        config,
        model,
        target,
        chains=trained.chains,
        directions=trained.directions,
        folders=trained.folders,
        encoder=encoder,
        metrics=_metrics(Run(FLAGS.run_dir)),
        statistics=trained.statistics,
        keep_latents=FLAGS.keep_latents,
    )
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    beside = "" if path.name == "1" else f" Version {path.name}: those before stay."
    print(f"{path}: {size / 1e6:.2f} MB, checked against the Keras model.{beside}")
    mounted = shlex.quote(f"{target.resolve()}:/models/{target.name}")
    print(
        f"Serve it: docker run -p 8501:8501 -v {mounted} "
        f"-e MODEL_NAME={target.name} tensorflow/serving"
    )


def _metrics(run: "Run") -> dict[str, float]:
    """What dgn_tf.evaluate has measured of the weights that are exported, by name."""
    from dgn_tf.runs.directory import EVALUATION
    from dgn_tf.serving.card import measured_numbers

    measured = measured_numbers(run / EVALUATION, run.checkpoint)
    for path in measured.outdated:
        print(f"Left out of the model card: {path} is of other weights than the newest.")
    return measured.numbers


def _write_tflite(target: Path, trained: "Trained") -> None:
    from dgn_tf.serving import convert
    from dgn_tf.serving.portable import image_generator, portable

    plain = image_generator(portable(trained.config, trained.model))
    parts = convert.make_parts(plain, _lite_encoder(trained))
    wanted = FLAGS.part or (["geometry"] if "geometry" in parts else ["generator"])
    missing = [name for name in wanted if name not in parts]
    if missing:
        raise InputError(
            f"--part={missing[0]}: the model of {trained.flag} has no such part; it has "
            f"{', '.join(parts)}."
        )
    latents = convert.calibration_latents(plain, _typical_latents(trained))
    if ENCODER in wanted:
        latents = [convert.with_images(plain, each) for each in latents]
    quantizations = FLAGS.quantization or QUANTIZATIONS
    chosen = {name: parts[name] for name in wanted}
    print(f"{'part':<11} {'numbers':<8} {'kB':>7}  error at the 99th percentile, at most")
    for part, quantization, made in convert.write_tflite(target, chosen, quantizations, *latents):
        unit = {"geometry": "px", ENCODER: "of z"}.get(part, "of [0, 1]")
        print(
            f"{part:<11} {quantization:<8} {len(made.content) / 1e3:7.1f}  "
            f"{made.errors[0]:.4f}, {made.errors[1]:.4f} {unit}",
            flush=True,
        )
    print(f"Written into {target}.")


def _typical_latents(trained: "Trained") -> "LatentArrays | None":
    """Latents of training examples or, where none are kept, drawn as they are spread."""
    if trained.chains or trained.statistics is None:
        return trained.chains
    return trained.statistics.sample(_DRAWN)


def _lite_encoder(trained: "Trained") -> "keras.Model | None":
    """The encoder of images that becomes a file, if it is asked for and there is one.

    One with a guess for each class is none: which of them is right, only the generator can tell.
    """
    if ENCODER not in (FLAGS.part or ()) or trained.config.data.frames:
        return None
    if trained.model.class_groups:
        return None
    from dgn_tf.models.autoencoder import EncodedGenerator
    from dgn_tf.serving.portable import portable_encoder

    own = isinstance(trained.model, EncodedGenerator)
    encoder = trained.model.encoder if own else trained.encoder()
    return None if encoder is None else portable_encoder(encoder)


def _write_web(target: Path, trained: "Trained") -> None:
    from dgn_tf.explorer.web import write_web

    config, model = trained.config, trained.model
    encoder = None if config.data.frames else trained.encoder()
    folder = write_web(target, config, model, trained.directions, trained.folders, encoder)
    size = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{folder}: {size / 1e6:.2f} MB. Open {folder / 'index.html'} in a browser.")


def main_cli() -> None:
    """Entry point of the command."""
    define_flags()
    run_app(main, common=COMMON)


if __name__ == "__main__":
    main_cli()
