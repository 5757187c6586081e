"""Export a trained model: a SavedModel for TF Serving, .tflite files for devices, or a web page.

Usage: python -m dgn_tf.export --run_dir=runs/heads64
       python -m dgn_tf.export --saved_model=saved_models/heads64 --format=tflite
       python -m dgn_tf.export --saved_model=saved_models/heads64 --format=web
"""

import json
import os
import re
from pathlib import Path

from absl import flags as absl_flags

from dgn_tf.cli.app import run_app
from dgn_tf.cli.flags import check_source
from dgn_tf.explorer.web import write_web
from dgn_tf.models.dynamic import DynamicDeformableGenerator
from dgn_tf.runs.directory import Run
from dgn_tf.runs.restoring import load_encoder
from dgn_tf.runs.trained import load_trained, model_name
from dgn_tf.serving import convert, saved_model
from dgn_tf.serving.portable import portable
from dgn_tf.types import EncodedModel
from dgn_tf.utils.errors import InputError

FLAGS = absl_flags.FLAGS
FORMATS = ("saved_model", "tflite", "web")
# Experiments whose numbers the model card shows.
_MEASURING = ("held_out", "clips")
_TFLITE_FLAGS = ("part", "quantization")


def define_flags():
    """Declare the flags of this app."""
    define = absl_flags
    define.DEFINE_string("run_dir", None, "Folder of the training run.")
    define.DEFINE_string(
        "saved_model",
        None,
        "tflite and web: instead of --run_dir, saved_models/NAME[/VERSION] of an export before.",
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
        "Name that the model is served as; by default that of the run or of the SavedModel.",
    )
    define.DEFINE_bool(
        "amortised",
        False,
        "saved_model: let reconstruct begin with the guess of the run's encoder (dgn_tf.amortise).",
    )
    define.DEFINE_multi_enum(
        "part",
        None,
        list(convert.OUTPUTS),
        "tflite: geometry (the displacement; the default), appearance (the canonical image), "
        "generator (the image, with the warp). Repeat --part for several.",
    )
    define.DEFINE_multi_enum(
        "quantization",
        None,
        convert.QUANTIZATIONS,
        "tflite: float32; float16, half the size; dynamic, weights of 8 bits; int8, integers "
        "throughout, with ranges measured on the run's latents. By default all; repeat for "
        "several.",
    )


def main(argv):
    """Export the model of the run."""
    del argv
    _check_flags()
    target = _target()
    trained = load_trained(FLAGS.run_dir, FLAGS.saved_model, finished=True)
    if FLAGS.format == "tflite":
        _write_tflite(target, trained)
    elif FLAGS.format == "web":
        folder = write_web(
            target, trained.config, trained.model, trained.directions, trained.folders
        )
        size = sum(file.stat().st_size for file in folder.iterdir())
        print(f"{folder}: {size / 1e6:.2f} MB. Open {folder / 'index.html'} in a browser.")
    else:
        _write_saved_model(target, trained)


def _target():
    """OUTPUT_DIR/NAME."""
    name = FLAGS.name or model_name(FLAGS.run_dir, FLAGS.saved_model)
    if not re.fullmatch(r"[A-Za-z0-9_][\w.-]*", name, re.ASCII):
        raise InputError(
            f"--name={name}: must be letters, digits, dots, dashes and underscores, as part of the "
            "server's addresses."
        )
    target = Path(FLAGS.output_dir).expanduser() / name
    if target.exists() and not target.is_dir():
        raise InputError(f"--output_dir and --name: {target} is a file.")
    return target


def _check_flags():
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
    if FLAGS.amortised and FLAGS.format != "saved_model":
        raise InputError("--amortised belongs to --format=saved_model: the others do not infer.")
    if lite:
        convert.require_litert()


def _write_saved_model(target, trained):
    config, model = trained.config, trained.model
    encoder = load_encoder(FLAGS.run_dir) if FLAGS.amortised else None
    if encoder is not None and (config.data.frames or isinstance(model, EncodedModel)):
        raise InputError("--amortised is for models of images without an encoder of their own.")
    run = Run(FLAGS.run_dir)
    path = saved_model.export_saved_model(
        config,
        model,
        target,
        chains=trained.chains,
        folders=trained.folders,
        encoder=encoder,
        metrics=_metrics(run),
    )
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    print(f"{path}: {size / 1e6:.2f} MB, checked against the Keras model.")
    print(
        f"Serve it: docker run -p 8501:8501 -v {target.resolve()}:/models/{target.name} "
        f"-e MODEL_NAME={target.name} tensorflow/serving"
    )


def _metrics(run):
    """What dgn_tf.evaluate has measured of the weights that are exported, {text: number}."""
    found = {}
    for experiment in _MEASURING:
        path = run / "evaluation" / experiment / "report.json"
        if not path.is_file():
            continue
        try:
            report = json.loads(path.read_text(encoding="utf-8"))
            numbers, measured = report["numbers"], report["origin"].get("checkpoint")
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            raise InputError(
                f"{path} is damaged: run dgn_tf.evaluate again, or remove it."
            ) from None
        if measured != run.checkpoint:
            print(f"Left out of the model card: {path} is of other weights than the newest.")
            continue
        found |= _flat(numbers)
    return found


def _flat(numbers, before=""):
    for name, value in numbers.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name} ")
        elif isinstance(value, int | float):
            yield f"{before}{name}", value


def _write_tflite(target, trained):
    plain = portable(trained.config, trained.model)
    plain = plain.emission if isinstance(plain, DynamicDeformableGenerator) else plain
    parts = convert.make_parts(plain)
    wanted = FLAGS.part or (["geometry"] if "geometry" in parts else ["generator"])
    missing = [name for name in wanted if name not in parts]
    if missing:
        raise InputError(
            f"--part={missing[0]}: the model of {trained.flag} has no geometry: it has "
            "the generator alone."
        )
    latents = convert.calibration_latents(plain, trained.chains)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--output_dir: {target} cannot be made: {error.strerror}.") from None
    print(f"{'part':<11} {'numbers':<8} {'kB':>7}  error at the 99th percentile, at most")
    for name in wanted:
        for quantization in FLAGS.quantization or convert.QUANTIZATIONS:
            made = convert.convert(parts[name], quantization, *latents)
            path = target / f"{name}_{quantization}.tflite"
            partial = path.with_name(f"{path.name}.partial")
            partial.write_bytes(made.content)
            os.replace(partial, path)
            unit = "px" if name == "geometry" else "of [0, 1]"
            print(
                f"{name:<11} {quantization:<8} {len(made.content) / 1e3:7.1f}  "
                f"{made.errors[0]:.4f}, {made.errors[1]:.4f} {unit}",
                flush=True,
            )
    print(f"Written into {target}.")


def main_cli():
    """Entry point of the command."""
    define_flags()
    run_app(main)


if __name__ == "__main__":
    main_cli()
