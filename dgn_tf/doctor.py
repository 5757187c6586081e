"""Says whether trainings will work here, and what to do if not.

Usage: dgn doctor

Prints a table: versions, installed extras, devices, memory, disk, and a self-test of the warp and
of one training step. Exit status 0 if trainings will work, else 1.

This file and all that it imports do without TensorFlow and NumPy, which may be what is missing.
"""

import argparse
import importlib.metadata
import importlib.util
import json
import math
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from dgn_tf import __version__
from dgn_tf.utils.memory import free_memory
from dgn_tf.utils.terminal import at_the_terminal

OK, LACKS, FAILS = "ok", "--", "FAIL"
# As in setup.cfg: from this version on, and below that one.
BASE = {
    "tensorflow": ("2.21", "2.22"),
    "keras": ("3.12", "4"),
    "tensorflow-datasets": ("4.9.9", None),
    "numpy": ("2.0", None),
    "pillow": ("10.3", None),
    "filelock": ("4.0", None),
    "scikit-learn": ("1.5", None),
}
PYTHONS = ("3.11", "3.14")
EXTRAS = {
    "video": ("av",),
    "faces": ("mtcnn",),
    "lite": ("ai-edge-litert",),
    "serving": ("tensorflow-serving-api",),
    "addons": ("tfa-nightly",),
    "bench": ("torch",),
    "wandb": ("wandb",),
    "mlflow": ("mlflow",),
    "test": (
        "hypothesis",
        "ipykernel",
        "mlflow-skinny",
        "nbclient",
        "pandas",
        "playwright",
        "pre-commit",
        "pyright",
        "pytest",
        "pytest-xdist",
        "pyyaml",
        "ruff",
    ),
}
# The first version of Python that a package does not support.
ENDS = {"tfa-nightly": (3, 12)}
LEAST_MEMORY, LEAST_DISK = 1e9, 1e8
_SELF_TEST_SECONDS = 300


class Finding(NamedTuple):
    """A line of the table.

    Attributes:
        state: `OK`, `LACKS` (trainings work without it) or `FAILS`.
        what: what was looked at.
        text: what was found, and what to do if that is not well.
    """

    state: str
    what: str
    text: str


def examine() -> list[Finding]:
    """All findings, in the order of the table."""
    findings = [*_versions(), *_extras(), *_space()]
    if any(finding.state == FAILS for finding in findings[: 1 + len(BASE)]):
        return [*findings, Finding(FAILS, "self-test", "not run: packages are missing")]
    test = run_self_test()
    return [*findings, *_devices(test.get("gpus", [])), _judged(test)]


def _versions() -> Iterator[Finding]:
    found = platform.python_version()
    yield _version("Python", found, PYTHONS, "make .venv with Python 3.11, 3.12 or 3.13")
    for name, (least, below) in BASE.items():
        wanted = f"{name}>={least}" + (f",<{below}" if below else "")
        yield _version(name, installed(name), (least, below), f'pip install "{wanted}"')


def _version(name: str, found: str | None, bounds: tuple[str, str | None], remedy: str) -> Finding:
    if found is None:
        return Finding(FAILS, name, f"not installed: {remedy}")
    least, below = bounds
    fits = _numbers(least) <= _numbers(found) and not (below and _numbers(found) >= _numbers(below))
    return Finding(OK if fits else FAILS, name, found if fits else f"{found}: {remedy}")


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)[:3]]


def installed(name: str) -> str | None:
    """The version of a package, or None."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _extras() -> Iterator[Finding]:
    for extra, packages in EXTRAS.items():
        versions = {name: installed(name) for name in packages}
        missing = [name for name, version in versions.items() if version is None]
        ended = [name for name in missing if sys.version_info[:2] >= ENDS.get(name, (9, 0))]
        if not missing:
            text = ", ".join(f"{name} {version}" for name, version in versions.items())
            yield Finding(OK, f"extra {extra}", text)
        elif ended:
            number = ".".join(map(str, ENDS[ended[0]]))
            text = f"{ended[0]} does not support Python {number} and newer"
            yield Finding(LACKS, f"extra {extra}", text)
        else:
            text = f'{", ".join(missing)} not installed: pip install "dgn_tf[{extra}]"'
            yield Finding(LACKS, f"extra {extra}", text)


def _space() -> Iterator[Finding]:
    memory = free_memory()
    # Without end: the system does not tell.
    if memory != math.inf:
        enough = memory >= LEAST_MEMORY
        text = f"{memory / 1e9:.1f} GB free" + ("" if enough else ": a training takes about 1 GB")
        yield Finding(OK if enough else FAILS, "memory", text)
    here = Path.cwd()
    free = shutil.disk_usage(here).free
    text = f"{free / 1e9:.1f} GB free in {here}"
    try:
        with tempfile.TemporaryFile(dir=here):
            pass
    except OSError as error:
        yield Finding(FAILS, "disk", f"{here} cannot be written ({error.strerror}): change folders")
        return
    enough = free >= LEAST_DISK
    yield Finding(OK if enough else FAILS, "disk", text + ("" if enough else ": make room"))


def _devices(gpus: list[str]) -> Iterator[Finding]:
    yield Finding(OK, "CPU", f"{os.cpu_count()} cores, {platform.machine()}")
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if gpus:
        yield Finding(OK, "GPU", ", ".join(gpus))
    elif not has_nvidia():
        yield Finding(LACKS, "GPU", "none: no NVIDIA device in this machine")
    elif hidden in ("", "-1"):
        yield Finding(LACKS, "GPU", "hidden by CUDA_VISIBLE_DEVICES: unset CUDA_VISIBLE_DEVICES")
    else:
        text = 'TensorFlow does not use the NVIDIA device: pip install "dgn_tf[cuda]"'
        yield Finding(LACKS, "GPU", text)


def has_nvidia() -> bool:
    """Whether there is an NVIDIA device that its driver knows."""
    return bool(
        Path("/proc/driver/nvidia/version").exists()
        or list(Path("/dev").glob("nvidia[0-9]*"))
        or shutil.which("nvidia-smi")
    )


def run_self_test(
    program: str = "from dgn_tf.benchmarking.self_test import main; main()",
) -> dict[str, Any]:
    """Run the self-test in a process of its own.

    TensorFlow ends a process whose processor it was not built for.

    Args:
        program: in Python; it prints a line of JSON.

    Returns:
        What that line says: "gpus" and "deviations"; or "error", why there is none.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            timeout=_SELF_TEST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"no answer within {_SELF_TEST_SECONDS} s"}
    if done.returncode < 0:
        return {"error": f"ended by {signal.Signals(-done.returncode).name}"}
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    try:
        return json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        return {"error": lines[-1][:300] if lines else f"exit status {done.returncode}"}


def _judged(test: dict[str, Any]) -> Finding:
    if "error" in test:
        return Finding(FAILS, "self-test", test["error"])
    if test["deviations"]:
        return Finding(FAILS, "self-test", "; ".join(test["deviations"]))
    return Finding(OK, "self-test", "the warp and a training step give the numbers they should")


def main(argv: list[str] | None = None) -> int:
    """Prints the table; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="dgn doctor",
        description="Says whether trainings will work here, and what to do if not.",
    )
    parser.parse_args(argv)
    print(f"dgn_tf {__version__} on {platform.platform()}\n")
    findings = examine()
    width = max(len(finding.what) for finding in findings)
    for state, what, text in findings:
        print(f"{state:>4}  {what:<{width}}  {text}")
    failed = [finding.what for finding in findings if finding.state == FAILS]
    print(
        f"\nTrainings will not work: see {', '.join(failed)}."
        if failed
        else "\nTrainings will work."
    )
    return 1 if failed else 0


def main_cli() -> None:
    """Entry point of the command."""
    with at_the_terminal():
        sys.exit(main())


if __name__ == "__main__":
    main_cli()
