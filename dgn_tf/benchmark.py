"""Times a training step and what it is made of.

    python -m dgn_tf.benchmark --output=runs/benchmark
    python -m dgn_tf.benchmark --flagfile=flags/quickstart.cfg --parts=steps,phases

Of the settings, those that shape a step count: the networks and penalties, side, channels, batch
and l. Images are random; sigma, delta and the learning rate are fixed. What is compared runs in
one process and takes turns (ours, other, ours, ...), so that the ratio holds on a machine that does
other work at the same time.
"""

import json
import pathlib
import statistics

import absl.flags
import keras

from dgn_tf.benchmarking import charts, peak, phases, reference_step, scaling, warps
from dgn_tf.benchmarking.tables import table
from dgn_tf.benchmarking.timing import check_output, machine, ratios
from dgn_tf.cli.app import run_app
from dgn_tf.cli.flags import config_from_flags, define_config_flags
from dgn_tf.config import Config
from dgn_tf.config.fields import require
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import write_text
from dgn_tf.visualize.images import save_png

PARTS = ("steps", "warps", "phases", "peak", "memory", "sweep")
_CHARTS = {
    "warps": charts.warps_chart,
    "phases": charts.phases_chart,
    "sweep": charts.sweep_chart,
}


def measure(config: Config, repeats: int, parts: tuple[str, ...] = PARTS) -> dict:
    """The measurements of the parts, as JSON can hold them.

    Args:
        config: the settings of a training.
        repeats: timed runs of everything that is compared.
        parts: some of `PARTS`.

    Raises:
        InputError: a setting that the obvious step does not have.
    """
    reference_step.check(config)
    settings = {name: value for name, (value, _) in config.settings().items()}
    result = {"settings": settings, "machine": machine()}
    measures = {
        "steps": _steps,
        "warps": warps.time_warps,
        "phases": phases.time_phases,
        "peak": peak.time_peak,
        "memory": lambda config, repeats: peak.measure_memory(config),
        "sweep": _sweep,
    }
    for part in (name for name in PARTS if name in parts):
        print(f"measuring: {part} ...", flush=True)
        result[part] = measures[part](config, repeats)
    return result


def _steps(config, repeats):
    differences = reference_step.compare(config)
    print("compiling both steps (this takes long) ...", flush=True)
    seconds = reference_step.time_steps(config, repeats)
    count = config.learning.batch_size
    return {
        "differences": differences,
        "seconds": seconds,
        "ratios": ratios(seconds, "ours", "obvious"),
        "images_per_second": {n: count / statistics.median(t) for n, t in seconds.items()},
    }


def _sweep(config, repeats):
    found = {}
    for axis in scaling.sweeps(config):
        print(f"  along {axis} ...", flush=True)
        found[axis] = scaling.time_sweep(config, repeats, axis)
    return found


def write(result: dict, output: pathlib.Path) -> list[pathlib.Path]:
    """Write a result: to a .json file the numbers, to a folder benchmark.json and the charts."""
    numbers = json.dumps(result, indent=2) + "\n"
    if output.suffix == ".json":
        write_text(output, numbers)
        return [output]
    output.mkdir(parents=True, exist_ok=True)
    written = [output / "benchmark.json"]
    write_text(written[0], numbers)
    for part, chart in _CHARTS.items():
        if part in result:
            written.append(output / f"{part}.png")
            save_png(written[-1], chart(result[part]))
    return written


def main(_: list[str]) -> None:
    """Measure, print the table and write what --output asks for."""
    values = absl.flags.FLAGS
    config = config_from_flags(values)
    require(values.repeats >= 1, "repeats", values.repeats, "at least 1")
    parts = tuple(values.parts)
    if not parts or set(parts) - set(PARTS):
        raise InputError(f"--parts={','.join(parts)}: must be some of {','.join(PARTS)}.")
    output = pathlib.Path(values.output) if values.output else None
    if output:
        check_output(output)
    keras.utils.set_random_seed(reference_step.SEED)
    result = measure(config, values.repeats, parts)
    print("\n" + table(result), flush=True)
    if output:
        print(f"wrote {', '.join(map(str, write(result, output)))}")


def define_flags() -> None:
    """Declares the flags of this app: the settings of a training, and three of its own."""
    define_config_flags()
    absl.flags.DEFINE_integer("repeats", 5, "Timed runs of everything that is compared.")
    absl.flags.DEFINE_list("parts", list(PARTS), f"What to measure: some of {','.join(PARTS)}.")
    absl.flags.DEFINE_string(
        "output", "", "A .json file for the numbers, or a folder for numbers and charts."
    )


def main_cli() -> None:
    """Entry point of the command."""
    define_flags()
    run_app(main)


if __name__ == "__main__":
    main_cli()
