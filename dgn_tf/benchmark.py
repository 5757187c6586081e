"""Times a training step and what it is made of; by request, whole trainings and other programs.

    dgn benchmark --output=runs/benchmark
    dgn benchmark --side=32 --langevin_steps=5 --parts=steps,phases
    dgn benchmark --parts=clips --frames=8 --clips=25 --width=0.2
    dgn benchmark --parts=pytorch --limit=2000
    dgn benchmark --parts=quality --settings=paper,quickstart --seconds=600

The parts:

* steps: our step beside the same step written the obvious way; warps: the warp beside others;
  phases: where the time of a step goes; peak: the step's arithmetic beside that of a large matrix
  product; memory: how much a step takes; sweep: how times grow with l, pixels, batch and examples.
* clips, only by request: the step on clips beside the image model's on as many frames; by default
  --side=32 --width=0.2 --frames=8 --langevin_steps=5.
* pytorch, only by request: our step beside the same program in PyTorch.
* quality, only by request: how good trainings with the settings of several flagfiles are after the
  same time; by default --side=32 --limit=2000.

Of the settings of a training, those that shape a step count: the networks and penalties, side,
channels, batch and l. Images are random; sigma, delta and the learning rate are fixed. What is
compared runs in one process and takes turns (ours, other, ours, ...), so that the ratio holds on a
machine that does other work at the same time.
"""

import json
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

import absl.flags

from dgn_tf.cli.app import run_app
from dgn_tf.cli.flags import (
    config_from_flags,
    define_config_flags,
    define_settings_flags,
    settings_from_flags,
)
from dgn_tf.cli.paths import require_writable
from dgn_tf.config import Config
from dgn_tf.config.benchmark import NUMBERS, PARTS, USUAL, PartSettings
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import looks_like_file, user_path
from dgn_tf.utils.ownership import BENCHMARK, Ownership
from dgn_tf.utils.reading import read_text

# The short help.
COMMON = {
    "What is measured": ("parts", "output"),
    "The step": ("side", "channels", "batch_size", "langevin_steps", "alpha", "jit"),
    "Parts by request": ("frames", "clips", "settings", "seconds", "limit"),
}


def main(_: list[str]) -> None:
    """Measure, print the table and write what --output asks for."""
    values = absl.flags.FLAGS
    names = _chosen(values.parts)
    _refuse_unused(names, values)
    jobs = {name: _settings(PARTS[name], values) for name in names}
    output = user_path(values.output) if values.output else None
    if output:
        _check_output(output)
    # Only now, since it takes seconds to import what needs TensorFlow.
    import keras

    from dgn_tf.benchmarking import registry
    from dgn_tf.benchmarking.reference_step import SEED
    from dgn_tf.benchmarking.results import machine, write
    from dgn_tf.benchmarking.tables import table

    parts = {name: registry.PARTS[name] for name in names}
    for name, part in parts.items():
        part.check(*jobs[name])
    keras.utils.set_random_seed(SEED)
    result: dict[str, Any] = {}
    for name in names:
        if not PARTS[name].defaults:
            config = jobs[name][0]
            result["settings"] = {name: value for name, (value, _) in config.settings().items()}
    result["machine"] = machine()
    written = []
    try:
        for name, part in parts.items():
            print(f"measuring: {name} ...", flush=True)
            for numbers in part.found(*jobs[name]):
                result[name] = numbers
                # Each time: what comes later may be stopped.
                written = write(result, output) if output else []
    finally:
        # Also what was measured before something failed, writing it for instance.
        print("\n" + table(result), flush=True)
    if written:
        print(f"wrote {', '.join(map(str, written))}")


def _chosen(names: Sequence[str]) -> list[str]:
    """The parts that --parts names, in their own order."""
    if not names or set(names) - set(PARTS):
        raise InputError(f"--parts={','.join(names)}: must be some of {','.join(PARTS)}.")
    return [name for name in PARTS if name in names]


def _refuse_unused(chosen: Iterable[str], values: absl.flags.FlagValues) -> None:
    """Refuse flags that belong to other parts than those that are measured."""
    used = {flag for name in chosen for flag in PARTS[name].names}
    for part in PARTS.values():
        for flag in part.names:
            if flag not in used and values[flag].present:
                users = [name for name, other in PARTS.items() if flag in other.names]
                raise InputError(f"--{flag} belongs to --parts={','.join(users)}: give that too.")


def _check_output(output: pathlib.Path) -> None:
    """Refuse what results cannot be written to, or what would take the place of other files."""
    numbers = output if output.suffix == ".json" else output / NUMBERS
    if output.suffix == ".json":
        if output.is_dir() or not output.parent.is_dir():
            raise InputError(f"`output={output}`: must be a file in a folder that exists.")
        replaced = [output.name]
    elif not output.is_dir() and (output.exists() or looks_like_file(output)):
        raise InputError(f"`output={output}`: must be a folder or end in .json.")
    else:
        replaced = [NUMBERS, *(f"{name}{suffix}" for name in PARTS for suffix in (".md", ".png"))]
    known = Ownership(numbers.parent, BENCHMARK).names
    for name in replaced:
        if name not in known and (numbers.parent / name).exists() and not _is_result(numbers):
            raise InputError(
                f"`output={output}`: {numbers.parent / name} is there and is no result of a "
                "benchmark: name another file or folder."
            )
    require_writable(f"`output={output}`", numbers.parent)


def _is_result(numbers: pathlib.Path) -> bool:
    """Whether a file holds the numbers of a benchmark."""
    try:
        found = json.loads(read_text(numbers))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and isinstance(found.get("machine"), dict)


def _settings(part: PartSettings, values: absl.flags.FlagValues) -> tuple[Config, Any]:
    """The settings of a training, and the part's own."""
    config = config_from_flags(values, part.defaults)
    return config, settings_from_flags(part.settings, values, part.defaults)


def define_flags() -> None:
    """Declares the flags: the settings of a training, those of the parts, and two more."""
    define_config_flags()
    for part in PARTS.values():
        # Parts may share a setting.
        new = [name for name in part.names if name not in absl.flags.FLAGS]
        define_settings_flags(part.settings, new)
    absl.flags.DEFINE_list(
        "parts",
        list(USUAL),
        f"What to measure: some of {', '.join(PARTS)}; the last three only by request.",
    )
    absl.flags.DEFINE_string(
        "output", "", "A .json file for the numbers, or a folder for numbers, tables and charts."
    )


def main_cli() -> None:
    """Entry point of the command."""
    define_flags()
    run_app(main, common=COMMON)


if __name__ == "__main__":
    main_cli()
