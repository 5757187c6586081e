"""Our training step beside the same program in PyTorch.

Needs `pip install -e ".[bench]"`. The two run in a process each, with as many threads, and take
turns. Before, one Langevin step of both from the same weights, latents and noise must give the
same latents.
"""

import functools
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from dgn_tf.benchmarking import reference_step
from dgn_tf.benchmarking.part import Part, require_plain_step
from dgn_tf.benchmarking.timing import interleaved_timings, ratios, spread
from dgn_tf.config import Config
from dgn_tf.config.benchmark import PytorchSettings
from dgn_tf.inference.langevin import langevin
from dgn_tf.utils.errors import InputError

TOLERANCE = 1e-4
# As in the other parts of the benchmark.
_FIXED = {
    "sigma": reference_step.SIGMA,
    "step_size": reference_step.STEP_SIZE,
    "learning_rate": reference_step.LEARNING_RATE,
}


def require_torch() -> None:
    """Check that PyTorch can be imported, without doing so: it runs in another process.

    Raises:
        InputError: it is not installed.
    """
    if importlib.util.find_spec("torch") is None:
        raise InputError('PyTorch is not installed: run pip install -e ".[bench]".')


class TorchProcess:
    """The program in PyTorch, `torch_step`, in a process of its own; a context manager.

    Args:
        config: the settings of a training.
        threads: of each operation.

    Attributes:
        version: of PyTorch.

    Raises:
        InputError: PyTorch is not installed.
    """

    def __init__(self, config: Config, threads: int):
        require_torch()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "dgn_tf.benchmarking.torch_step"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # Threads that spin until the others are done take ten times as long where those wait
            # for a core that does other work.
            env={"OMP_WAIT_POLICY": "passive", **os.environ},
        )
        settings = {name: value for name, (value, _) in config.settings().items()} | _FIXED
        self.version = self._ask(settings=settings, threads=threads)["torch"]

    def __enter__(self) -> "TorchProcess":
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate()

    def step(self, variant: str, compiled: bool) -> None:
        """Make one training step of a variant."""
        self._ask(method="step", variant=variant, compiled=compiled)

    def infer(
        self, variant: str, compiled: bool, arrays: Mapping[str, Any]
    ) -> dict[str, np.ndarray]:
        """Latents by group after Langevin steps from `arrays`, as `torch_step.Server.infer`."""
        with tempfile.NamedTemporaryFile(suffix=".npz") as file:
            np.savez(file, **arrays)
            file.flush()
            found = self._ask(method="infer", variant=variant, compiled=compiled, file=file.name)
        return {name: np.array(value, np.float32) for name, value in found.items()}

    def _ask(self, **request: Any) -> dict[str, Any]:
        questions, answers = self._process.stdin, self._process.stdout
        assert questions and answers
        questions.write(json.dumps(request) + "\n")
        questions.flush()
        answer = answers.readline()
        if not answer:
            raise RuntimeError("the program in PyTorch has ended; its error is printed above.")
        return json.loads(answer)


def disagreement(config: Config, torch: TorchProcess, variant: str, compiled: bool) -> float:
    """By how much 9 of 10 latents differ at most, after one Langevin step of both programs.

    Why the others may differ by more, `reference_step.disagreement` says.

    Raises:
        RuntimeError: it is above `TOLERANCE`.
    """
    learner = reference_step.our_learner(config)
    model, (index, _, x) = learner.model, reference_step.batch(config)
    z = learner.chains.read(index)
    noise = {name: tf.random.stateless_normal([1, *v.shape], (1, 2)) for name, v in z.items()}
    delta, sigma = reference_step.STEP_SIZE, reference_step.SIGMA
    ours = langevin(model, x, z, steps=1, step_size=delta, sigma=sigma, noise=noise)
    arrays = {"x": x.numpy()}
    for name, network in model.networks.items():
        arrays |= {f"z_{name}": z[name].numpy(), f"noise_{name}": noise[name].numpy()}
        arrays |= {f"weights_{k}_{name}": w for k, w in enumerate(network.get_weights())}
    theirs = torch.infer(variant, compiled, arrays)
    found = max(reference_step.far_apart(value - theirs[name]) for name, value in ours.items())
    # Written so that a NaN is refused too.
    if not found <= TOLERANCE:
        raise RuntimeError(f"The programs disagree by {found}, more than {TOLERANCE}.")
    return found


def check(config: Config, _: PytorchSettings) -> None:
    """Check that the step can be made by both programs here.

    Raises:
        InputError: PyTorch is missing, or a setting that its program does not have.
    """
    require_plain_step(config)
    require_torch()


def measure(config: Config, settings: PytorchSettings) -> dict[str, Any]:
    """Seconds of our step and of the variants in PyTorch, taking turns, and their ratios.

    Args:
        config: the settings of a training.
        settings: how often, and which variants.

    Returns:
        "torch", its version; "threads" of both; "differences" of the latents after a Langevin step
        (`disagreement`) and "ratios" of ours over each variant; "seconds" of ours and of each.

    Raises:
        RuntimeError: the programs do not compute the same step.
    """
    programs = {"torch": ("plain", False), "torch, cached": ("cached", False)}
    if settings.compiled:
        programs |= {f"{name}, compiled": (v, True) for name, (v, _) in programs.items()}
    # As many as TensorFlow takes by itself.
    threads = os.cpu_count() or 1
    with TorchProcess(config, threads) as torch:
        differences = {}
        for name, program in programs.items():
            print(f"comparing the numbers: {name} ...", flush=True)
            differences[name] = disagreement(config, torch, *program)
        calls: dict[str, Callable[[], object]] = {
            "ours": reference_step.compiled_step(reference_step.our_learner(config), config)
        }
        for name, program in programs.items():
            calls[name] = functools.partial(torch.step, *program)
        print("timing the steps ...", flush=True)
        seconds = interleaved_timings(calls, settings.repeats)
    return {
        "torch": torch.version,
        "threads": threads,
        "differences": differences,
        "seconds": seconds,
        "ratios": {name: ratios(seconds, "ours", name) for name in programs},
    }


def rows(found: dict[str, Any]) -> Iterator[str]:
    """The table of what `measure` found."""
    yield f"PyTorch {found['torch']}, {found['threads']} threads"
    yield f"{'seconds; ratios':<32}{'min':>9}{'median':>9}{'max':>9}"
    measured = dict(found["seconds"])
    measured |= {f"ours / {name}": values for name, values in found["ratios"].items()}
    for name, values in measured.items():
        yield f"{name:<32}" + "".join(f"{value:>9.3f}" for value in spread(values).values())
    largest = max(found["differences"].values())
    yield f"9 of 10 latents differ by at most {largest:.1e} after a Langevin step"


PART = Part(measure, rows, check=check)
