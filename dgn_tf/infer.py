"""Latents, reconstructions and recombinations of images that a trained model has not seen.

Usage: dgn infer ann.jpg ben.jpg --run_dir=runs/heads --output_dir=out
       dgn infer --run_dir=runs/heads --recombine=ann.jpg,ben.jpg --output_dir=out
       dgn infer --run_dir=runs/heads --warp_image=cat.jpg --edit=geometry:widen=2 --output_dir=out
"""

import dataclasses
from collections.abc import Sequence

from absl import flags as absl_flags

from dgn_tf.cli.app import run_app
from dgn_tf.cli.flags import define_settings_flags, define_source_flags, settings_from_flags
from dgn_tf.cli.paths import check_source, require_path, require_writable
from dgn_tf.config import InferenceConfig
from dgn_tf.config.edits import parse_edit
from dgn_tf.config.infer import InferenceTask
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import user_path
from dgn_tf.utils.ownership import shortened
from dgn_tf.utils.words import counted

FLAGS = absl_flags.FLAGS
# Settings of an inference with several values each, which are declared by hand or have no flag.
_LISTS = ("recombine", "edit")
POSITIONALS = ("IMAGE...",)

# The short help.
COMMON = {
    "The model": ("run_dir", "saved_model"),
    "The images": ("data", "limit", "recombine", "align", "warp_image"),
    "What becomes of them": ("output_dir", "overwrite", "edit", "animate", "board"),
    "The inference": ("steps", "starts", "seed"),
}


def define_flags() -> None:
    """Declares the flags of this command."""
    define_source_flags()
    absl_flags.DEFINE_string("output_dir", None, "Folder for the results; needed.")
    absl_flags.DEFINE_bool("overwrite", False, "Replace the results of an earlier inference.")
    define_settings_flags(InferenceTask, [n for n in _names(InferenceTask) if n not in _LISTS])
    define_settings_flags(InferenceConfig)
    absl_flags.DEFINE_list(
        "recombine",
        [],
        "Instead of --data: two or more image files, for example ann.jpg,ben.jpg. Every "
        "appearance is painted in every geometry: board.png and recombinations/.",
    )
    absl_flags.DEFINE_multi_string(
        "edit",
        [],
        "GROUP:DIRECTION=VALUE, for example geometry:widen=2: paint every image into edited/ "
        "with its latents moved along a direction. VALUE is in standard deviations of the run's "
        "latents along this principal direction, which is a name or a number from 1, the "
        "strongest, on; the traversals show the names and what the directions do. Repeat --edit "
        "to add edits up.",
    )
    absl_flags.DEFINE_list(
        "warp_image",
        [],
        "Instead of --data: image files of anything, moved at their own size as --edit moves the "
        "mean geometry of the run: warped/. Nothing is inferred.",
    )


def main(argv: Sequence[str]) -> None:
    """Runs the inference that the flags describe."""
    _, *files = argv
    check_source(FLAGS.run_dir, FLAGS.saved_model)
    if FLAGS.warp_image:
        _check_warp_flags(files)
        _require_images("warp_image")
        _check_output()
        _warp()
    else:
        task = settings_from_flags(InferenceTask, FLAGS, files=files)
        settings = settings_from_flags(InferenceConfig, FLAGS)
        _require_images("recombine")
        for path in files:
            require_path(path, path)
        # What takes long to import comes once it is needed: NumPy here, TensorFlow below.
        from dgn_tf.data.sources import require_data

        require_data(task)
        _check_output()
        _infer(task, settings)


def _require_images(name: str) -> None:
    """Refuse images of a flag that are not there."""
    paths = FLAGS[name].value or ()
    for place, path in enumerate(paths):
        ends = range(place + 2, len(paths) + 1)
        # What follows a comma is read without the blanks in front of it.
        longer = (comma.join(paths[place:end]) for end in ends for comma in (",", ", "))
        whole = next((text for text in longer if user_path(text).exists()), None)
        if whole and not user_path(path).exists():
            raise InputError(
                f"`{name}={path}`: there is no such file. Write a name with commas in double "
                f"quotes, inside of others for the shell: --{name}='\"{whole}\",...'."
            )
        require_path(f"`{name}={path}`", path)


def _check_output() -> None:
    if not FLAGS.output_dir:
        raise InputError("--output_dir is needed: a folder for the results.")
    require_writable(f"`output_dir={FLAGS.output_dir}`", FLAGS.output_dir)
    from dgn_tf.runs.outputs import require_output

    require_output(FLAGS.output_dir, FLAGS.overwrite)


def _warp() -> None:
    # What takes seconds to import comes once it is needed.
    from dgn_tf.evaluation.inferring import warp_images
    from dgn_tf.runs.trained import load_trained

    trained = load_trained(FLAGS.run_dir, FLAGS.saved_model)
    warp_images(trained, FLAGS.warp_image, FLAGS.edit, FLAGS.output_dir, FLAGS.overwrite)
    print(f"{counted(len(FLAGS.warp_image), 'image')}: {FLAGS.output_dir}")


def _infer(task: InferenceTask, settings: InferenceConfig) -> None:
    from dgn_tf.evaluation.inferring import infer
    from dgn_tf.runs.trained import load_trained
    from dgn_tf.types import has_geometry

    trained = load_trained(FLAGS.run_dir, FLAGS.saved_model)
    report = infer(trained, task, FLAGS.output_dir, settings, FLAGS.overwrite)
    if report["faces"]:
        print(f"{report['faces']}.")
    print(
        f"{counted(len(report['examples']), 'image')}, mean squared reconstruction error "
        f"{report['msre']:.2f} (sum over an image, [0, 1] scale): {FLAGS.output_dir}"
    )
    trained.tell_training()
    unlike = [
        f"{example['name']} ({', '.join(example['unlike'])})"
        for example in report["examples"]
        if example["unlike"]
    ]
    if unlike:
        print(f"Unlike anything that this model has learned: {len(unlike)}, {shortened(unlike)}")
    if has_geometry(trained.model) and not (task.recombine or task.edit):
        print(
            "Next: --recombine=A.jpg,B.jpg paints every appearance in every geometry, and "
            "--edit=geometry:1=2 moves along a direction; dgn morph A.jpg B.jpg goes between two."
        )


def _check_warp_flags(files: Sequence[str]) -> None:
    """Refuse what --warp_image makes no use of."""
    if files:
        raise InputError(f"--warp_image names its images itself: leave {files[0]} out.")
    names = [name for kind in (InferenceTask, InferenceConfig) for name in _names(kind)]
    others = [name for name in names if FLAGS[name].present and name != "edit"]
    if others or not FLAGS.edit:
        raise InputError(
            "--warp_image goes with --edit=geometry:DIRECTION=VALUE"
            + (f", and without --{others[0]}." if others else ".")
        )
    for text in FLAGS.edit:
        parse_edit(text)


def _names(kind: type) -> list[str]:
    return [field.name for field in dataclasses.fields(kind) if field.name != "files"]


def main_cli() -> None:
    """The command dgn-infer."""
    define_flags()
    run_app(main, POSITIONALS, COMMON)


if __name__ == "__main__":
    main_cli()
