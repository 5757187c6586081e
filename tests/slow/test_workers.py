"""Two processes that train one run: equal to one process, stopped and killed without loss."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from dgn_tf.learning.callbacks import read_metrics

pytestmark = pytest.mark.slow

EPOCHS = 40
TINY = (
    "--model=abp", "--side=32", "--channels=1", "--appearance_dim=2", "--alpha=0.1",
    "--batch_size=8", "--shards=2", "--langevin_steps=1", "--checkpoint_epochs=1",
    "--picture_epochs=1000", "--appearance_scheme=2", "--sigma=1", "--ema=0.9",
    "--learning_rate=1e-3", f"--epochs={EPOCHS}",
)  # fmt: skip


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start(root, folder, workers=1):
    """The processes that train a run."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(workers)]}
    strategy = ("--strategy=multi_worker",) if workers > 1 else ()
    command = [sys.executable, "-m", "dgn_tf.train", *TINY, *strategy]
    started = []
    for index in range(workers):
        task = {"cluster": cluster, "task": {"type": "worker", "index": index}}
        environment = {
            **os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3",
            "TF_CONFIG": json.dumps(task) if workers > 1 else "", "PYTHONWARNINGS": "ignore",
        }  # fmt: skip
        started.append(
            subprocess.Popen(
                [*command, f"--data=npz:{root}/data.npz", f"--run_dir={folder}"],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=environment,
            )
        )
    return started


def ends(processes):
    """(exit status, output, lines of errors that are the program's own) of each process."""
    found = []
    for process in processes:
        out, err = process.communicate(timeout=240)
        lines = [line for line in err.splitlines() if line.startswith(("error", "Traceback"))]
        found.append((process.returncode, out, lines))
    return found


def wait_for_epochs(folder, count, processes):
    deadline = time.monotonic() + 240
    while len(read_metrics(folder / "metrics.jsonl")) < count:
        assert all(process.poll() is None for process in processes), ends(processes)
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Runs by one process, by two, and by two that are stopped, then killed, then let finish."""
    root = tmp_path_factory.mktemp("workers")
    images = np.random.default_rng(0).integers(0, 256, (26, 32, 32), dtype=np.uint8)
    np.savez(root / "data.npz", images=images)
    alone, both = start(root, root / "one"), start(root, root / "two", 2)
    broken = start(root, root / "broken", 2)
    wait_for_epochs(root / "broken", 2, broken)
    broken[1].send_signal(signal.SIGTERM)
    stopped = ends(broken)
    broken = start(root, root / "broken", 2)
    wait_for_epochs(root / "broken", 8, broken)
    broken[1].kill()
    killed = ends(broken)
    before = len(read_metrics(root / "broken" / "metrics.jsonl"))
    finished = ends(start(root, root / "broken", 2))
    for status, _, lines in ends([*alone, *both]):
        assert (status, lines) == (0, [])
    return {
        "root": root, "stopped": stopped, "killed": killed, "before": before, "finished": finished,
    }  # fmt: skip


def rows(folder):
    return [
        {name: value for name, value in row.items() if name != "images_per_second"}
        for row in read_metrics(folder / "metrics.jsonl")
    ]


def test_two_processes_learn_what_one_does(trained, tensors):
    one, two = tensors(trained["root"] / "one"), tensors(trained["root"] / "two")
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        np.testing.assert_allclose(two[name], tensor, rtol=1e-4, atol=2e-5, err_msg=name)
    ours, others = (rows(trained["root"] / name) for name in ("two", "one"))
    for mine, theirs in zip(ours, others, strict=True):
        assert mine == pytest.approx(theirs, rel=1e-3, abs=1e-4)


def test_each_keeps_its_chains_and_the_chief_the_rest(trained):
    (folder,) = (trained["root"] / "two" / "checkpoints").glob(f"step-*{4 * EPOCHS}")
    chains = sorted(path.name for path in folder.glob("chains-*"))
    assert chains == [
        "chains-0000000000-0000000013.npz", "chains-0000000013-0000000026.npz",
    ]  # fmt: skip
    sealed = json.loads((folder / "progress.json").read_text())
    assert set(sealed["files"]) == {path.name for path in folder.iterdir()} - {"progress.json"}
    assert (trained["root"] / "two" / "model.keras").exists()


def test_a_signal_to_one_stops_all_at_the_same_step(trained):
    (chief, chief_said, none), (other, other_said, nothing) = trained["stopped"]
    assert (chief, other, none, nothing) == (0, 0, [], [])
    assert "Stopped by another worker: saved at step " in chief_said
    step = chief_said.split("saved at step ")[1]
    assert other_said.endswith(f"Stopped by SIGTERM: saved at step {step}")


def test_a_worker_that_is_killed_ends_the_others_with_one_line(trained):
    (status, _, lines), (other, _, _) = trained["killed"]
    assert (status, other) == (1, -signal.SIGKILL)
    assert lines == [
        "error: --strategy=multi_worker: another worker has ended or cannot be reached. Start all "
        "of them again with the same command: they go on from the last checkpoint."
    ]


def test_a_run_that_was_stopped_and_killed_has_the_same_bits(trained, tensors):
    assert 8 <= trained["before"] < EPOCHS
    assert [(status, lines) for status, _, lines in trained["finished"]] == [(0, []), (0, [])]
    two, broken = tensors(trained["root"] / "two"), tensors(trained["root"] / "broken")
    assert two.keys() == broken.keys()
    for name, tensor in two.items():
        assert tensor.tobytes() == broken[name].tobytes(), name
    assert rows(trained["root"] / "broken") == rows(trained["root"] / "two")
