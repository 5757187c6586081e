"""Times our training step beside the same program in PyTorch.

    python -m dgn_tf.benchmarking.pytorch --repeats=5 --flagfile=flags/quickstart.cfg --output=compare.json

Needs `pip install -e ".[bench]"`. The two run in a process each, with as many threads, and take
turns. Before, one Langevin step of both from the same weights, latents and noise must give the
same latents.
"""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import absl.flags
import keras
import numpy as np
import tensorflow as tf

from dgn_tf.benchmarking import reference_step
from dgn_tf.benchmarking.timing import check_output, interleaved_timings, machine, ratios, spread
from dgn_tf.cli.app import run_app
from dgn_tf.cli.flags import config_from_flags, define_config_flags
from dgn_tf.config import Config
from dgn_tf.config.fields import require
from dgn_tf.inference.langevin import langevin
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import write_text

TOLERANCE = 1e-4
# As dgn_tf.benchmark has them.
_FIXED = {
    "sigma": reference_step.SIGMA,
    "step_size": reference_step.STEP_SIZE,
    "learning_rate": reference_step.LEARNING_RATE,
}


class TorchProcess:
    """The program in PyTorch (`dgn_tf.benchmarking.torch_step`) in a process of its own; a context manager.

    Args:
        config: the settings of a training.
        threads: of each operation.

    Attributes:
        version: of PyTorch.

    Raises:
        InputError: PyTorch is not installed.
    """

    def __init__(self, config: Config, threads: int):
        if importlib.util.find_spec("torch") is None:
            raise InputError('PyTorch is not installed: run pip install -e ".[bench]".')
        self._process = subprocess.Popen(
            [sys.executable, "-m", "dgn_tf.benchmarking.torch_step"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=pathlib.Path(__file__).resolve().parents[1],
            # Threads that spin until the others are done take ten times as long where those wait
            # for a core that does other work.
            env={"OMP_WAIT_POLICY": "passive", **os.environ},
        )
        settings = {name: value for name, (value, _) in config.settings().items()} | _FIXED
        self.version = self._ask(settings=settings, threads=threads)["torch"]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._process.communicate()

    def step(self, variant: str, compiled: bool) -> None:
        """Make one training step of a variant."""
        self._ask(method="step", variant=variant, compiled=compiled)

    def infer(self, variant: str, compiled: bool, arrays: dict) -> dict[str, np.ndarray]:
        """Latents by group after Langevin steps from `arrays`, as `torch_step.Server.infer`."""
        with tempfile.NamedTemporaryFile(suffix=".npz") as file:
            np.savez(file, **arrays)
            file.flush()
            found = self._ask(method="infer", variant=variant, compiled=compiled, file=file.name)
        return {name: np.array(value, np.float32) for name, value in found.items()}

    def _ask(self, **request):
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the program in PyTorch has ended; its error stands above.")
        return json.loads(answer)


def disagreement(config: Config, torch: TorchProcess, variant: str, compiled: bool) -> float:
    """By how much 9 of 10 latents differ at most, after one Langevin step of both programs.

    Of the others `dgn_tf.benchmarking.reference_step.disagreement` tells.

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


def compare(config: Config, repeats: int, compiled: bool) -> dict:
    """Seconds of our step and of the variants in PyTorch, and their ratios, as JSON can hold them.

    Raises:
        InputError: PyTorch is missing, or a setting that its program does not have.
    """
    reference_step.check(config)
    programs = {"torch": ("plain", False), "torch, cached": ("cached", False)}
    if compiled:
        programs |= {f"{name}, compiled": (v, True) for name, (v, _) in programs.items()}
    # As many as TensorFlow takes by itself.
    threads = os.cpu_count()
    with TorchProcess(config, threads) as torch:
        differences = {}
        for name, program in programs.items():
            print(f"comparing the numbers: {name} ...", flush=True)
            differences[name] = disagreement(config, torch, *program)
        calls = {"ours": reference_step.compiled_step(reference_step.our_learner(config), config)}
        for name, program in programs.items():
            calls[name] = lambda program=program: torch.step(*program)
        print("timing the steps ...", flush=True)
        seconds = interleaved_timings(calls, repeats)
    return {
        "settings": {name: value for name, (value, _) in config.settings().items()},
        "machine": machine() | {"torch": torch.version, "threads": threads},
        "differences": differences,
        "seconds": seconds,
        "ratios": {name: ratios(seconds, "ours", name) for name in programs},
    }


def table(result: dict) -> str:
    """The result of `compare` as plain text."""
    lines = [
        "One training step: batch {batch_size}, {side}x{side}x{channels}, l = {langevin_steps}, "
        "latents {appearance_dim} + {geometry_dim}, alpha {alpha:g}".format(**result["settings"]),
        "{device}, {threads} threads, TensorFlow {tensorflow}, PyTorch {torch}".format(
            **result["machine"]
        ),
        f"{'seconds; ratios':<32}{'min':>9}{'median':>9}{'max':>9}",
    ]
    rows = dict(result["seconds"])
    rows |= {f"ours / {name}": values for name, values in result["ratios"].items()}
    for name, values in rows.items():
        lines.append(f"{name:<32}" + "".join(f"{v:>9.3f}" for v in spread(values).values()))
    largest = max(result["differences"].values())
    lines.append(f"9 of 10 latents differ by at most {largest:.1e} after a Langevin step")
    return "\n".join(lines)


def main(_: list[str]) -> None:
    """Compare, print the table and write --output."""
    values = absl.flags.FLAGS
    config = config_from_flags(values)
    require(values.repeats >= 1, "repeats", values.repeats, "at least 1")
    output = pathlib.Path(values.output) if values.output else None
    if output:
        if output.suffix != ".json":
            raise InputError(f"--output={output}: must end in .json.")
        check_output(output)
    keras.utils.set_random_seed(reference_step.SEED)
    result = compare(config, values.repeats, values.compiled)
    print("\n" + table(result), flush=True)
    if output:
        write_text(output, json.dumps(result, indent=2) + "\n")
        print(f"wrote {output}")


def define_flags() -> None:
    """Declares the flags of this app: the settings of a training, and three of its own."""
    define_config_flags()
    absl.flags.DEFINE_integer("repeats", 5, "Timed steps of each program.")
    absl.flags.DEFINE_bool("compiled", False, "Time torch.compile too; it needs a C++ compiler.")
    absl.flags.DEFINE_string("output", "", "A .json file for all measurements.")


if __name__ == "__main__":
    define_flags()
    run_app(main)
