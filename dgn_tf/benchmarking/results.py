"""What was measured: on which machine, and into which files it is written."""

import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from dgn_tf.benchmarking.registry import PARTS
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import write_text
from dgn_tf.utils.ownership import BENCHMARK, Ownership
from dgn_tf.visualize.images import save_png

NUMBERS = "benchmark.json"


def machine() -> dict[str, str]:
    """The device that measures, and the versions of TensorFlow and Keras."""
    device = f"{platform.machine()} CPU, {os.cpu_count()} cores"
    for gpu in tf.config.list_physical_devices("GPU")[:1]:
        device = tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
    return {"device": device, "tensorflow": tf.__version__, "keras": keras.__version__}


def check_output(output: Path) -> None:
    """Whether results can be written to a .json file or a folder.

    Raises:
        InputError: they cannot, or would take the place of what is no result of a benchmark.
    """
    numbers = output if output.suffix == ".json" else output / NUMBERS
    if output.suffix == ".json":
        if output.is_dir() or not output.parent.is_dir():
            raise InputError(f"`output={output}`: must be a file in a folder that exists.")
        replaced = [output.name]
    elif output.exists() and not output.is_dir():
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


def _is_result(numbers: Path) -> bool:
    """Whether a file holds the numbers of a benchmark."""
    try:
        found = json.loads(numbers.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and isinstance(found.get("machine"), dict)


def write(result: Mapping[str, Any], output: Path) -> list[Path]:
    """Write the result of dgn_tf.benchmark.

    Args:
        result: the numbers of the parts by name, and what goes with them.
        output: a .json file for the numbers; or a folder for them (benchmark.json), the charts
            (PART.png) and the tables in Markdown (PART.md), which is made if need be.

    Returns:
        The files.
    """
    numbers = json.dumps(result, indent=2) + "\n"
    if output.suffix == ".json":
        write_text(output, numbers)
        return [output]
    made = [(name, part) for name, part in PARTS.items() if name in result]
    tables = {f"{name}.md": part.rows(result[name]) for name, part in made if part.markdown}
    charts = {f"{name}.png": part.chart(result[name]) for name, part in made if part.chart}
    Ownership(output, BENCHMARK).add([NUMBERS, *tables, *charts])
    write_text(output / NUMBERS, numbers)
    for name, rows in tables.items():
        write_text(output / name, "\n".join(rows) + "\n")
    for name, chart in charts.items():
        save_png(output / name, chart)
    return [output / name for name in (NUMBERS, *tables, *charts)]
