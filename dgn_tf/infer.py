"""Latents, reconstructions and recombinations of pictures that a trained model has not seen.

Usage: python -m dgn_tf.infer --run_dir=runs/heads --data=folder:photos --output_dir=out
"""

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from absl import flags as absl_flags

from dgn_tf import flags, runs
from dgn_tf.config import Config, InputError, parse_schedule
from dgn_tf.data.catalog import load
from dgn_tf.data.examples import Examples, as_bytes, as_float
from dgn_tf.data.folders import SUFFIXES
from dgn_tf.evaluation.metrics import squared_errors
from dgn_tf.learning.inference import Inference
from dgn_tf.visualize.decoding import decode, has_geometry
from dgn_tf.visualize.grids import draw_grid
from dgn_tf.visualize.pictures import save_png, whole_factor
from dgn_tf.visualize.sheets import recombination_board, sample_sheet

_SHEET_COLUMNS = 10
_REPORT = "report.json"


def define_flags() -> None:
    """Declares the flags of this app."""
    define = absl_flags
    define.DEFINE_string("run_dir", None, "Folder of the training run.", required=True)
    define.DEFINE_string(
        "data",
        None,
        "Pictures to infer: folder:PATH, heads[:SPLIT], tfds:NAME[:SPLIT] or npz:PATH[:KEY]. They "
        "become square and of the run's size and channels.",
        required=True,
    )
    define.DEFINE_string("output_dir", None, "Folder for the results.", required=True)
    define.DEFINE_bool("overwrite", False, "Replace the results of an earlier inference.")
    define.DEFINE_string("data_dir", None, "Folder of prepared TFDS data sets; else the run's.")
    define.DEFINE_integer("limit", 0, "Infer the first LIMIT pictures; 0 for all.", lower_bound=0)
    define.DEFINE_integer("steps", 300, "Langevin steps, rounded up to tens.", lower_bound=1)
    define.DEFINE_integer(
        "starts",
        4,
        "Starts for each picture; after a quarter of the steps the best goes on alone. More starts "
        "find better fits and take longer.",
        lower_bound=1,
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
    define.DEFINE_integer("batch_size", 100, "Pictures at a time.", lower_bound=1)
    define.DEFINE_integer("board", 8, "Pictures on the recombination board; 0 for none.", 0, 64)


def main(_argv: Sequence[str]) -> None:
    """Runs the inference that the flags describe."""
    names = (
        "run_dir", "data", "output_dir", "overwrite", "data_dir", "limit", "steps", "starts",
        "noise", "step_size", "sigma", "seed", "batch_size", "board",
    )  # fmt: skip
    report = infer(**{name: absl_flags.FLAGS[name].value for name in names})
    print(
        f"{len(report['examples'])} pictures, mean squared reconstruction error "
        f"{report['msre']:.2f} (sum over a picture, [0, 1] scale): {absl_flags.FLAGS.output_dir}"
    )


def infer(
    run_dir: str,
    data: str,
    output_dir: str,
    *,
    overwrite: bool = False,
    data_dir: str | None = None,
    limit: int = 0,
    steps: int = 300,
    starts: int = 4,
    noise: bool = False,
    step_size: float | None = None,
    sigma: float | None = None,
    seed: int = 0,
    batch_size: int = 100,
    board: int = 8,
) -> dict:
    """Infers the latents of a data set and writes everything that follows from them.

    Into `output_dir`: latents.npz (z_appearance [N, d_a], z_geometry [N, d_g], ids, names),
    report.json, sheet.png, a picture of each example in reconstructions/, and for a model with
    geometry also canonical/, grids/ (the reconstruction with the deformed grid) and board.png. The
    folder appears when it is complete.

    Args: those of the command line, see `define_flags`.

    Returns:
        The report: settings, the MSRE of each example and their mean, on the [0, 1] scale.

    Raises:
        InputError: settings, run, data or output folder cannot be used, or the inference diverged.
    """
    for name, value in (("step_size", step_size), ("sigma", sigma)):
        if value is not None and not 0 < value < float("inf"):
            raise InputError(f"--{name}={value}: must be above 0 and finite.")
    with output_folder(output_dir, overwrite) as folder:
        config, model = runs.load(run_dir)
        settings = {
            "steps": steps, "starts": starts, "noise": noise, "seed": seed,
            "step_size": step_size or parse_schedule(config.learning.step_size)[-1][1],
            "sigma": sigma or parse_schedule(config.learning.sigma)[-1][1],
        }  # fmt: skip
        examples = _load(config, data, data_dir, limit)
        latents = _infer_latents(Inference(model, **settings), examples, batch_size)
        files = file_names(examples.names)
        errors = write_pictures(folder, model, examples, latents, files)
        write_overviews(folder, model, examples, latents, board)
        _write_latents(folder, examples, latents)
        report = {"run": str(run_dir), "data": data, **settings, **_errors(examples, files, errors)}
        text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
        (folder / _REPORT).write_text(text, encoding="utf-8")
    return report


@contextlib.contextmanager
def output_folder(path: str, overwrite: bool) -> Iterator[Path]:
    """A folder aside of `path`, which takes its place at the end; after an error nothing is left.

    Raises:
        InputError: `path` is a file, is not empty (with `overwrite`: and holds no results of an
            inference), or cannot be made.
    """
    target = Path(path).expanduser().resolve()
    if target.exists() and not target.is_dir():
        raise InputError(f"--output_dir={path} is a file: name a folder.")
    occupied = target.is_dir() and any(target.iterdir())
    if occupied and not overwrite:
        raise InputError(f"--output_dir={path} is not empty: name another, or give --overwrite.")
    if occupied and not (target / _REPORT).is_file():
        raise InputError(
            f"--output_dir={path} holds no {_REPORT}, so it is not from an inference and "
            "--overwrite would delete something else: name another folder."
        )
    partial = target.with_name(f"{target.name}.partial-{os.getpid()}")
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"--output_dir={path} cannot be made: {error.strerror}.") from None
    try:
        yield partial
    except BaseException:
        shutil.rmtree(partial)
        raise
    before = target.with_name(f"{target.name}.replaced-{os.getpid()}")
    try:
        if occupied:
            os.replace(target, before)
        os.replace(partial, target)
    except OSError as error:
        raise InputError(
            f"--output_dir={path} cannot be put in place ({error.strerror}): "
            f"the results are in {partial}."
        ) from None
    if occupied:
        shutil.rmtree(before)


def file_names(names: Sequence[str]) -> list[str]:
    """Safe file names, without suffix, for names of examples, which may be paths.

    Folders become part of the name ("a/b.jpg" is a__b), whatever is no letter, digit, dot, dash or
    underscore becomes an underscore, only the last 200 bytes are kept, and names that would be
    equal, in either case, are numbered ("a", "a-2").
    """
    taken, files = set(), []
    for name in names:
        stem, suffix = os.path.splitext(name)
        stem = stem if suffix.lower() in SUFFIXES else name
        stem = re.sub(r"[^\w.-]+", "_", stem.replace("/", "__"))
        stem = stem.encode()[-200:].decode(errors="ignore").lstrip(".-") or "picture"
        file, count = stem, 1
        while file.casefold() in taken:
            count += 1
            file = f"{stem}-{count}"
        taken.add(file.casefold())
        files.append(file)
    return files


def write_pictures(
    folder: Path,
    model,
    examples: Examples,
    latents: dict[str, np.ndarray],
    files: Sequence[str],
    batch_size: int = 128,
) -> np.ndarray:
    """Writes the pictures of each example: reconstructions/, canonical/ and grids/.

    Returns:
        The squared reconstruction error of each example, [N] on the [0, 1] scale.
    """
    factor = whole_factor(examples.side)
    errors = []
    with flags.progress("pictures") as progress:
        for first in range(0, len(examples), batch_size):
            rows = slice(first, first + batch_size)
            pictures, parts = decode(model, {name: z[rows] for name, z in latents.items()})
            errors.append(squared_errors(as_float(examples.images[rows]), pictures))
            made = {"reconstructions": as_bytes(pictures)}
            if has_geometry(model):
                made["canonical"] = as_bytes(parts["appearance"])
                made["grids"] = draw_grid(pictures, parts["geometry"], factor)
            for kind, batch in made.items():
                for file, picture in zip(files[rows], batch, strict=True):
                    save_png(folder / kind / f"{file}.png", picture)
            progress(first + len(pictures), len(examples))
    return np.concatenate(errors)


def write_overviews(
    folder: Path, model, examples: Examples, latents: dict[str, np.ndarray], board: int
) -> None:
    """Writes sheet.png and, for a model with geometry, board.png, of the first examples."""

    def first(count):
        return examples.images[:count], {name: z[:count] for name, z in latents.items()}

    save_png(folder / "sheet.png", sample_sheet(model, *first(_SHEET_COLUMNS)))
    if board and has_geometry(model):
        save_png(folder / "board.png", recombination_board(model, *first(board)))


def _load(config: Config, data: str, data_dir: str | None, limit: int) -> Examples:
    with flags.progress("data") as progress:
        return load(
            data,
            config.data.side,
            config.data.channels,
            limit=limit,
            data_dir=data_dir or config.data.data_dir or None,
            progress=progress,
        )


def _infer_latents(inference: Inference, examples: Examples, batch_size: int) -> dict:
    with flags.progress("Langevin steps") as progress:
        latents = inference(as_float(examples.images), examples.ids, batch_size, progress)
    finite = np.all([np.isfinite(z).all(axis=1) for z in latents.values()], axis=0)
    if not finite.all():
        raise InputError(
            f"the inference diverged for {np.sum(~finite)} pictures, the first "
            f"{examples.names[np.argmin(finite)]}: give a --step_size below "
            f"{inference.step_size:g}."
        )
    return latents


def _write_latents(folder: Path, examples: Examples, latents: dict[str, np.ndarray]) -> None:
    arrays = {f"z_{name}": z for name, z in latents.items()}
    names = np.array(examples.names)
    np.savez(folder / "latents.npz", **arrays, ids=examples.ids, names=names)


def _errors(examples: Examples, files: Sequence[str], errors: np.ndarray) -> dict:
    """The part of the report that names examples and their errors."""
    rows = zip(examples.names, examples.ids, files, errors, strict=True)
    return {
        "msre": float(np.mean(errors)),
        "examples": [
            {"name": name, "id": int(i), "file": f"{file}.png", "msre": float(error)}
            for name, i, file, error in rows
        ],
    }


def main_cli() -> None:
    """The command dgn-infer."""
    define_flags()
    flags.run(main)


if __name__ == "__main__":
    main_cli()
