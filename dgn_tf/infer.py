"""Latents, reconstructions and recombinations of images that a trained model has not seen.

Usage: python -m dgn_tf.infer --run_dir=runs/heads --data=folder:photos --output_dir=out
       python -m dgn_tf.infer --run_dir=runs/heads --recombine=ann.jpg,ben.jpg --output_dir=out
       python -m dgn_tf.infer --run_dir=runs/heads --warp_image=cat.jpg --edit=geometry:widen=2 \
           --output_dir=out
"""

import dataclasses
import json
import os
from collections.abc import Sequence

import numpy as np
from absl import flags as absl_flags

from dgn_tf.cli.app import run_app
from dgn_tf.cli.flags import define_source_flags
from dgn_tf.config import MAX_STARTS, Config, InferenceConfig
from dgn_tf.data.examples import Examples, as_float
from dgn_tf.data.sources.catalog import load
from dgn_tf.data.sources.files import load_files, load_photograph
from dgn_tf.evaluation import results
from dgn_tf.inference.encoder import make_inference
from dgn_tf.runs.outputs import REPORT, file_names, output_folder
from dgn_tf.runs.restoring import given_latents, load_encoder
from dgn_tf.runs.trained import Trained, load_trained
from dgn_tf.types import has_geometry
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.progress import progress_bar
from dgn_tf.visualize import editing
from dgn_tf.visualize.animation import FORMATS, check_format
from dgn_tf.visualize.images import save_png
from dgn_tf.visualize.photographs import warp_photograph

_MOST_RECOMBINED = 64
# Principal directions of fewer latents say little.
_FEWEST_LATENTS = 20


# The flags of an inference.
INFERRING = (
    "run_dir",
    "saved_model",
    "data",
    "output_dir",
    "recombine",
    "edit",
    "animate",
    "overwrite",
    "data_dir",
    "limit",
    "steps",
    "starts",
    "amortised",
    "noise",
    "step_size",
    "sigma",
    "seed",
    "batch_size",
    "board",
)


def define_flags() -> None:
    """Declares the flags of this app."""
    define = absl_flags
    define_source_flags()
    define.DEFINE_string(
        "data",
        None,
        "Images to infer: folder:PATH, heads[:SPLIT], tfds:NAME[:SPLIT] or npz:PATH[:KEY]. They "
        "become square and of the run's size and channels.",
    )
    define.DEFINE_list(
        "recombine",
        [],
        "Instead of --data: two or more image files, for example ann.jpg,ben.jpg. Every "
        "appearance is painted in every geometry: board.png and recombinations/.",
    )
    define.DEFINE_list(
        "warp_image",
        [],
        "Instead of --data: image files of anything, moved at their own size as --edit "
        "moves the mean geometry of the run: warped/. Nothing is inferred.",
    )
    define.DEFINE_multi_string(
        "edit",
        [],
        "GROUP:DIRECTION=VALUE, for example geometry:widen=2: paint every image into edited/ "
        "with its latents moved by VALUE standard deviations of the run's latents along a "
        "principal direction, a name or a number from 1, the strongest, on; the traversals show "
        "names and ways. Repeat --edit to add edits up.",
    )
    define.DEFINE_enum(
        "animate",
        None,
        FORMATS,
        "Also write traversals of the leading principal directions into animations/, the "
        "geometry's with the appearance of the first image.",
    )
    define.DEFINE_string("output_dir", None, "Folder for the results.", required=True)
    define.DEFINE_bool("overwrite", False, "Replace the results of an earlier inference.")
    define.DEFINE_string("data_dir", None, "Folder of prepared TFDS data sets; else the run's.")
    define_inference_flags()


def define_inference_flags() -> None:
    """Declares the flags that say how latents are inferred."""
    define = absl_flags
    define.DEFINE_integer("limit", 0, "Infer the first LIMIT images; 0 for all.", lower_bound=0)
    define.DEFINE_integer("steps", 300, "Langevin steps, rounded up to tens.", lower_bound=1)
    define.DEFINE_integer(
        "starts",
        4,
        "Starts for each image; after a quarter of the steps the best goes on alone. More starts "
        "find better fits and take longer.",
        lower_bound=1,
        upper_bound=MAX_STARTS,
    )
    define.DEFINE_bool(
        "amortised",
        False,
        "Begin with the guess of the run's encoder (dgn_tf.amortise): 20 steps and one start do.",
    )
    define.DEFINE_bool("noise", False, "Sample the posterior; by default descend to its mode.")
    define.DEFINE_float(
        "step_size",
        None,
        "delta of a Langevin step (Eq. 7). By default the last value of the run's --step_size, the "
        "one its training ended with. Smaller if the inference diverges.",
    )
    define.DEFINE_float(
        "sigma",
        None,
        "Standard deviation of a pixel on the [0, 1] scale. By default the last value of the run's "
        "--sigma. Smaller values fit the pixels more closely and trust the prior less.",
    )
    define.DEFINE_integer("seed", 0, "Seed of the starts and the noise.", 0, 2**31 - 1)
    define.DEFINE_integer("batch_size", 100, "Images at a time.", lower_bound=1)
    define.DEFINE_integer("board", 8, "Images of --data on the board; 0 for none.", 0, 64)


def main(_argv: Sequence[str]) -> None:
    """Runs the inference that the flags describe."""
    if absl_flags.FLAGS.warp_image:
        warp_images()
        return
    report = infer(**{name: absl_flags.FLAGS[name].value for name in INFERRING})
    print(
        f"{len(report['examples'])} images, mean squared reconstruction error "
        f"{report['msre']:.2f} (sum over an image, [0, 1] scale): {absl_flags.FLAGS.output_dir}"
    )


def infer(
    run_dir: str | None,
    data: str | None,
    output_dir: str,
    *,
    saved_model: str | None = None,
    recombine: Sequence[str] = (),
    edit: Sequence[str] = (),
    animate: str | None = None,
    overwrite: bool = False,
    data_dir: str | None = None,
    limit: int = 0,
    steps: int = 300,
    starts: int = 4,
    amortised: bool = False,
    noise: bool = False,
    step_size: float | None = None,
    sigma: float | None = None,
    seed: int = 0,
    batch_size: int = 100,
    board: int = 8,
) -> dict:
    """Infers the latents of images and writes everything that follows from them.

    Into `output_dir`: latents.npz (z_appearance [N, d_a], z_geometry [N, d_g], ids, names),
    report.json, sheet.png, an image of each example in reconstructions/, and for a model with
    geometry also canonical/, grids/ (the reconstruction with the deformed grid) and board.png;
    with `recombine` recombinations/A+B.png, the appearance of A in the geometry of B; `edit` gives
    edited/, `animate` animations/. The folder appears when it is complete.

    Args: those of the command line, see `define_flags`.

    Returns:
        The report: settings, the MSRE of each example and their mean, on the [0, 1] scale.

    Raises:
        InputError: settings, run, images or folder cannot be used, or the inference diverged.
    """
    edits = _check(data, recombine, edit, animate, data_dir, limit, step_size, sigma)
    with output_folder(output_dir, overwrite) as folder:
        trained = _load_trained(run_dir, saved_model)
        config, model, encoder = trained.config, trained.model, _load_encoder(run_dir, amortised)
        settings = InferenceConfig(
            steps=steps,
            starts=starts,
            amortised=amortised,
            noise=noise,
            step_size=step_size,
            sigma=sigma,
            seed=seed,
        ).resolved(config.learning)
        reference = _reference(trained, recombine, edits, animate)
        examples = _load(config, data, recombine, data_dir, limit)
        _check_count(trained, examples, edits or animate)
        given = given_latents(config, examples, trained.folders)
        latents = _infer_latents(model, settings, encoder, examples, batch_size, given)
        files = file_names([os.path.basename(name) for name in recombine] or examples.names)
        numbers = results.write(
            folder,
            model,
            examples,
            latents,
            files,
            board=len(recombine) or board,
            recombine=bool(recombine),
            edits=edits,
            animate=animate,
            reference=reference,
        )
        source = {"data": data, "recombine": list(recombine), "edit": list(edit)}
        settings = dataclasses.asdict(settings)
        return _write_report(folder, {"run": trained.path, **source, **settings, **numbers})


def _write_report(folder, report) -> dict:
    text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
    (folder / REPORT).write_text(text, encoding="utf-8")
    return report


def warp_images() -> None:
    """Warps the images of --warp_image as --edit says, into --output_dir."""
    values = absl_flags.FLAGS
    used = ("run_dir", "saved_model", "warp_image", "edit", "output_dir", "overwrite")
    others = [name for name in INFERRING if values[name].present and name not in used]
    if others or not values.edit:
        raise InputError(
            "--warp_image goes with --edit=geometry:DIRECTION=VALUE"
            + (f", and without --{others[0]}." if others else ".")
        )
    edits = [editing.parse_edit(text) for text in values.edit]
    photographs = [load_photograph(path) for path in values.warp_image]
    with output_folder(values.output_dir, values.overwrite) as folder:
        trained = _load_trained(values.run_dir, values.saved_model)
        field = _edited_field(trained, edits)
        names = file_names([os.path.basename(path) for path in values.warp_image])
        for name, photograph in zip(names, photographs, strict=True):
            save_png(folder / "warped" / f"{name}.png", warp_photograph(photograph, field))
        report = {"run": trained.path, "warped": values.warp_image, "edit": values.edit}
        _write_report(folder, report)
    print(f"{len(photographs)} images: {values.output_dir}")


def _edited_field(trained, edits):
    """By how much edits change the field of the run's mean geometry: [S, S, 2] in pixels."""
    model, chains = trained.model, trained.chains
    editing.check_edits(edits, editing.editable_dims(model))
    wrong = [edit.group for edit in edits if edit.group != "geometry"]
    if wrong:
        raise InputError(f"--warp_image: --edit={wrong[0]}:... moves nothing: edit the geometry.")
    if chains is None:
        raise InputError(f"--warp_image: {trained.flag} keeps no latents to take steps in.")
    mean = {name: z.mean(axis=0, keepdims=True) for name, z in chains.items()}
    edited = editing.apply_edits(mean, edits, editing.make_bases(model, chains))
    fields = [model.part("geometry", np.float32(z["geometry"])) for z in (edited, mean)]
    return (fields[0] - fields[1])[0].numpy()


def _load_trained(run_dir, saved_model) -> Trained:
    """A trained model of images."""
    trained = load_trained(run_dir, saved_model)
    if trained.config.data.frames:
        raise InputError(
            f"{trained.flag} holds a model of clips, and this program takes images: see "
            "dgn_tf.evaluate --experiment=clips."
        )
    return trained


def _load_encoder(run_dir, amortised):
    if not amortised:
        return None
    if not run_dir:
        raise InputError("--amortised begins with the encoder of a run: give --run_dir.")
    return load_encoder(run_dir)


def _check(data, recombine, edit, animate, data_dir, limit, step_size, sigma) -> list:
    """The edits, parsed, if the settings go together and make sense whatever the run is."""
    for name, value in (("step_size", step_size), ("sigma", sigma)):
        if value is not None and not 0 < value < float("inf"):
            raise InputError(f"--{name}={value}: must be above 0 and finite.")
    if bool(data) == bool(recombine):
        raise InputError("give either --data, a data set, or --recombine, image files.")
    if recombine and (limit or data_dir):
        raise InputError("--limit and --data_dir choose from --data: leave them out here.")
    if recombine and not 2 <= len(recombine) <= _MOST_RECOMBINED:
        raise InputError(
            f"--recombine={','.join(recombine)}: name 2 to {_MOST_RECOMBINED} image files, "
            "with commas between them."
        )
    if animate:
        check_format(animate)
    return [editing.parse_edit(text) for text in edit]


def _reference(trained, recombine, edits, animate) -> dict | None:
    """The latents whose directions edits and animations follow: those of the training images.

    None if they are not needed or the run keeps none.

    Raises:
        InputError: the model cannot do what is asked for.
    """
    model, flag = trained.model, trained.flag
    if recombine and not has_geometry(model):
        raise InputError(f"--recombine: the model of {flag} has no geometry.")
    if recombine and model.given_groups:
        raise InputError(
            f"--recombine: the model of {flag} is given the labels of images: use "
            "--data with labels."
        )
    editing.check_edits(edits, editing.editable_dims(model))
    reference = trained.chains if edits or animate else None
    if reference:
        # Refuses unknown names before the inference.
        editing.apply_edits(reference, edits, editing.make_bases(model, reference))
    return reference


def _check_count(trained, examples: Examples, edited) -> None:
    """Whether the images are enough to find directions, if nothing else gives any."""
    if edited and trained.chains is None and len(examples) < _FEWEST_LATENTS:
        raise InputError(
            f"--edit and --animate: {trained.flag} keeps no latents of its training images, "
            f"so the directions come from the images given here, and {len(examples)} are too "
            f"few: give at least {_FEWEST_LATENTS}."
        )


def _load(config: Config, data, recombine, data_dir, limit) -> Examples:
    side, channels = config.data.side, config.data.channels
    if recombine:
        return load_files(recombine, side, channels)
    data_dir = data_dir or config.data.data_dir or None
    with progress_bar("data") as progress:
        return load(data, side, channels, limit=limit, data_dir=data_dir, progress=progress)


def _infer_latents(
    model, settings: InferenceConfig, encoder, examples: Examples, batch_size, given
) -> dict:
    inference = make_inference(model, settings, encoder)
    with progress_bar("Langevin steps") as progress:
        images = as_float(examples.images)
        latents = inference(images, examples.ids, batch_size, progress, given)
    finite = np.all([np.isfinite(z).all(axis=1) for z in latents.values()], axis=0)
    if not finite.all():
        raise InputError(
            f"the inference diverged for {np.sum(~finite)} images, the first "
            f"{examples.names[np.argmin(finite)]}: give a --step_size below "
            f"{settings.step_size:g}."
        )
    return latents


def main_cli() -> None:
    """The command dgn-infer."""
    define_flags()
    run_app(main)


if __name__ == "__main__":
    main_cli()
