"""Nothing breaks a run: kills anywhere, full disks, damaged files, rivals, clocks, locked doors.

DGN_SOAK_MINUTES=N adds N / 2 minutes of kills with processes that start from nothing.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from mutations import SOAK
from tiny import TINY

from dgn_tf.runs.directory import Run
from dgn_tf.runs.restoring import load_chains, load_run
from dgn_tf.training.callbacks import read_metrics
from dgn_tf.training.checkpoints import Checkpoints
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import LOCK

KILLS, EPOCHS, PER_EPOCH = 22, 60, 3
SETTINGS = (*TINY, "--ema=0.9", "--learning_rate=1e-3")
SERVER = Path(__file__).with_name("forkserver.py")
ENVIRONMENT = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONWARNINGS": "ignore"}


class Trainer:
    """Starts trainings on the same ten images; see `forkserver` for what may happen to them."""

    def __init__(self, root):
        images = np.random.default_rng(0).integers(0, 256, (10, 32, 32), dtype=np.uint8)
        np.savez(root / "data.npz", images=images)
        self.root, self.data, self._outputs = root, f"--data=npz:{root}/data.npz", {}
        self._server = subprocess.Popen(
            [sys.executable, SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=ENVIRONMENT,
        )

    def start(self, folder, *arguments, **happens):
        """The id of a new process."""
        argv = [*SETTINGS, self.data, f"--run_dir={folder}", *arguments]
        output = f"{self.root}/output-{len(self._outputs)}"
        process = self._ask({"argv": argv, "output": output, **happens})
        self._outputs[process] = Path(output)
        return process

    def wait(self, process):
        """(exit status, output) of a process."""
        return self._ask({"wait": process}), self._outputs[process].read_text()

    def run(self, folder, *arguments, **happens):
        return self.wait(self.start(folder, *arguments, **happens))

    def close(self):
        self._server.stdin.close()
        self._server.wait(timeout=60)

    def _ask(self, request):
        print(json.dumps(request), file=self._server.stdin, flush=True)
        return json.loads(self._server.stdout.readline())


@pytest.fixture(scope="module")
def trainer(tmp_path_factory):
    with contextlib.closing(Trainer(tmp_path_factory.mktemp("faults"))) as trainer:
        yield trainer


@pytest.fixture(scope="module")
def unbroken(trainer):
    """`unbroken(epochs)` is the folder of a run that nothing happened to."""
    made = {}

    def run(epochs):
        if epochs not in made:
            made[epochs] = trainer.root / f"unbroken-{epochs}"
            status, output = trainer.run(made[epochs], f"--epochs={epochs}")
            assert status == 0, output
        return made[epochs]

    return run


@pytest.fixture(scope="module")
def same(tensors, unbroken):
    """`same(folder, epochs)` asserts that a run has ended as if nothing had happened to it."""

    def check(folder, epochs):
        wanted = unbroken(epochs)
        expected, found = tensors(wanted), tensors(folder)
        assert expected.keys() == found.keys()
        for name, tensor in expected.items():
            assert tensor.tobytes() == found[name].tobytes(), name
        assert rows_without_speed(folder) == rows_without_speed(wanted)
        names = {p.name for p in (folder / "checkpoints").iterdir()}
        assert names == {p.name for p in (wanted / "checkpoints").iterdir()}
        assert {p.name for p in folder.iterdir()} >= {p.name for p in wanted.iterdir()}
        for sheet in (wanted / "samples" / "latest").iterdir():
            assert sheet.read_bytes() == (folder / "samples/latest" / sheet.name).read_bytes()
        assert not [p for p in folder.rglob("*") if "partial" in p.name]

    return check


def rows_without_speed(folder):
    rows = read_metrics(folder / "metrics.jsonl")
    return [{k: v for k, v in row.items() if k != "images_per_second"} for row in rows]


def last_step(folder):
    paths = Checkpoints(folder / "checkpoints").paths()
    return int(paths[-1].name.removeprefix("step-")) if paths else -1


def test_a_run_that_is_killed_again_and_again_has_the_same_bits(trainer, same):
    folder, moments = trainer.root / "killed", random.Random(1)
    reached = []
    for _ in range(KILLS):
        # A start makes some 40 changes before its first step, with the records, an epoch ten or so.
        kill = moments.randint(1, 90), moments.choice((0.0, moments.uniform(0, 0.02)))
        status, output = trainer.run(folder, f"--epochs={EPOCHS}", kill=kill)
        assert status == -signal.SIGKILL, output
        reached.append(last_step(folder))
    assert reached == sorted(reached)
    # The kills came in many epochs.
    assert len(set(reached)) >= KILLS // 3, reached
    status, output = trainer.run(folder, f"--epochs={EPOCHS}")
    assert status == 0, output
    same(folder, EPOCHS)


def test_two_processes_are_not_let_into_one_run(trainer, same):
    folder = trainer.root / "shared"
    first = trainer.start(folder, "--epochs=100000")
    lock = folder / LOCK
    while not (lock.exists() and lock.read_text()):
        time.sleep(0.01)
    status, output = trainer.run(folder, "--epochs=100000")
    os.kill(first, signal.SIGKILL)
    assert status == 2
    assert output.startswith(f"error: --run_dir={folder}: process {first} on ")
    assert output.count("\n") == 1
    assert trainer.wait(first)[0] == -signal.SIGKILL
    # The lock went with its owner, and two that start together do not both get it.
    both = [trainer.start(folder, "--epochs=6") for _ in range(2)]
    assert sorted(trainer.wait(process)[0] for process in both) == [0, 2]
    same(folder, 6)


def test_clocks_do_not_matter(trainer, same):
    folder = trainer.root / "clock"
    status, output = trainer.run(folder, "--epochs=6", clock=True, kill=(60, 0))
    assert status == -signal.SIGKILL and last_step(folder) > PER_EPOCH, output
    # Nothing may go by the times of files either: here the newest checkpoint is the oldest.
    for age, path in enumerate(Checkpoints(folder / "checkpoints").paths()):
        os.utime(path, (1e9 - age, 1e9 - age))
    status, output = trainer.run(folder, "--epochs=6", clock=True)
    assert status == 0, output
    same(folder, 6)
    speeds = [row["images_per_second"] for row in read_metrics(folder / "metrics.jsonl")]
    assert all(0 < speed < 1e6 for speed in speeds if speed is not None)


def test_a_file_that_grows_too_large_keeps_the_last_checkpoint(trainer, same):
    folder = trainer.root / "limited"
    assert trainer.run(folder, "--epochs=6", kill=(30, 0))[0] == -signal.SIGKILL
    kept = last_step(folder)
    status, output = trainer.run(folder, "--epochs=6", largest=6000)
    assert status == 1
    assert "Traceback" not in output
    (line,) = [line for line in output.splitlines() if line.startswith("error: ")]
    assert f"step {kept + PER_EPOCH} cannot be saved in {folder}/checkpoints" in line
    assert f"the newest checkpoint is still step-{kept:010d}" in line
    assert last_step(folder) == kept
    assert trainer.run(folder, "--epochs=6")[0] == 0
    same(folder, 6)


@contextlib.contextmanager
def small_disk(folder, size):
    """A file system of `size` bytes; skips where mounting is not permitted."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small disk is not permitted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.parametrize("free", [40, 140])
def test_a_full_disk_is_one_line_and_the_run_goes_on_once_there_is_room(trainer, same, free):
    with small_disk(trainer.root / f"disk-{free}", 8 << 20) as disk:
        folder, ballast = disk / "run", disk / "ballast"
        ballast.write_bytes(bytes((8 << 20) - (free << 10)))
        status, output = trainer.run(folder, "--epochs=6")
        assert status == 1, output
        assert "Traceback" not in output
        lines = [line for line in output.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1 and "No space left on device" in lines[0]
        ballast.unlink()
        status, output = trainer.run(folder, "--epochs=6")
        assert status == 0, output
        same(folder, 6)


def test_a_run_that_cannot_be_written_is_refused_before_it_trains(trainer, unbroken):
    with small_disk(trainer.root / "locked", 16 << 20) as disk:
        shutil.copytree(unbroken(6), disk / "run")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        status, output = trainer.run(disk / "run", "--epochs=9")
        assert status == 2
        wanted = f"error: --run_dir={disk}/run cannot be written: Read-only file system.\n"
        assert output == wanted
        # What only reads can do without.
        assert load_run(disk / "run")[0].learning.epochs == 6


def damages(content, moments):
    """A file cut short, with a flipped bit, with a part of it zero, with something at its end."""
    place = moments.randrange(len(content))
    flipped = bytearray(content)
    flipped[place] ^= 1 << moments.randrange(8)
    yield content[:place]
    yield bytes(flipped)
    yield content[:place] + bytes(min(512, len(content) - place)) + content[place + 512 :]
    yield content + content[place:]


def test_damaged_files_are_told_or_passed_over(unbroken, tmp_path):
    folder, moments = tmp_path / "run", random.Random(2)
    shutil.copytree(unbroken(6), folder)
    config = Run(folder).config()
    states = {}
    for path in Checkpoints(folder / "checkpoints").paths():
        alone = tmp_path / path.name
        shutil.copytree(folder, alone)
        for other in Checkpoints(alone / "checkpoints").paths():
            if other.name != path.name:
                shutil.rmtree(other)
        states[path.name] = state_of(alone)
    newest = Checkpoints(folder / "checkpoints").paths()[-1]
    outcomes = []
    for path in (folder / "config.json", *sorted(newest.iterdir())) * 4:
        content = path.read_bytes()
        for damaged in damages(content, moments):
            path.write_bytes(damaged)
            try:
                found = state_of(folder)
            except InputError as error:
                assert str(path) in str(error)
                outcomes.append("told")
                continue
            assert Run(folder).config() == config
            step = next(name for name, state in states.items() if state == found)
            outcomes.append("passed over" if step != newest.name else "harmless")
        path.write_bytes(content)
    # 16 times the settings, which are told, and 48 times the newest checkpoint.
    assert outcomes.count("told") >= 12 and outcomes.count("passed over") >= 44, outcomes


def state_of(folder):
    """Weights and latents as bytes."""
    _, model = load_run(folder)
    chains = load_chains(folder)
    return [np.asarray(value).tobytes() for value in (*model.get_weights(), *chains.values())]


def test_a_run_goes_on_beside_damaged_metrics(trainer, unbroken):
    folder = trainer.root / "metrics"
    shutil.copytree(unbroken(6), folder)
    path = folder / "metrics.jsonl"
    path.write_bytes(path.read_bytes()[:-40])
    before = rows_without_speed(folder)
    status, output = trainer.run(folder, "--epochs=8")
    assert status == 0, output
    assert f"{path}: line 6 is damaged and left out." in output
    after = rows_without_speed(folder)
    assert after[:5] == before
    assert [row["epoch"] for row in after] == [1, 2, 3, 4, 5, 7, 8]


@pytest.mark.skipif(not SOAK, reason="a soak: DGN_SOAK_MINUTES says how long")
def test_soak_of_kills_at_any_time(trainer, tensors, tmp_path):
    """Processes from nothing, the deformable model, kills by the clock."""
    end, moments, kills = time.monotonic() + 60 * SOAK / 2, random.Random(), 0
    settings = ("--model=deformable", "--geometry_dim=2", "--geometry_scheme=2")
    while time.monotonic() < end:
        folders = tmp_path / f"straight-{kills}", tmp_path / f"killed-{kills}"
        commands = [
            [
                sys.executable,
                "-m",
                "dgn_tf.train",
                *SETTINGS,
                *settings,
                trainer.data,
                "--epochs=200",
                f"--run_dir={folder}",
            ]
            for folder in folders
        ]
        start = time.monotonic()
        subprocess.run(commands[0], check=True, capture_output=True, env=ENVIRONMENT)
        longest = time.monotonic() - start
        while True:
            killed = subprocess.Popen(
                commands[1], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT
            )
            try:
                assert killed.wait(timeout=moments.uniform(0, longest)) == 0
                break
            except subprocess.TimeoutExpired:
                killed.kill()
                killed.wait()
                kills += 1
        first, second = map(tensors, folders)
        assert first.keys() == second.keys()
        assert all(first[name].tobytes() == second[name].tobytes() for name in first)
    assert kills
