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
from dgn_tf.config.benchmark import NUMBERS
from dgn_tf.utils.files import write_text
from dgn_tf.utils.ownership import BENCHMARK, Ownership
from dgn_tf.visualize.images import save_sheet


def machine() -> dict[str, str]:
    """The device that measures, and the versions of TensorFlow and Keras."""
    device = f"{platform.machine()} CPU, {os.cpu_count()} cores"
    for gpu in tf.config.list_physical_devices("GPU")[:1]:
        device = tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
    return {"device": device, "tensorflow": tf.__version__, "keras": keras.__version__}


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
        save_sheet(output / name, chart)
    return [output / name for name in (NUMBERS, *tables, *charts)]
