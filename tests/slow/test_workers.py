"""Two processes that train one run: equal to one process, stopped and killed without loss."""

import contextlib
import json
import os
import signal
import socket
import time

import numpy as np
import pytest
from test_faults import Trainer

from dgn_tf.training.callbacks import read_metrics

pytestmark = pytest.mark.slow

EPOCHS = 24


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Workers(Trainer):
    """Starts one process or two that train a run on 26 images, which two shards have 13 of."""

    def __init__(self, root):
        super().__init__(root)
        images = np.random.default_rng(0).integers(0, 256, (26, 32, 32), dtype=np.uint8)
        np.savez(root / "more.npz", images=images)
        self.flags = (
            f"--data=npz:{root}/more.npz",
            "--batch_size=8",
            "--shards=2",
        )

    def begin(self, folder, workers, epochs=EPOCHS):
        """The ids of the processes."""
        flags = (*self.flags, f"--epochs={epochs}")
        if workers == 1:
            return [self.start(folder, *flags)]
        cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(workers)]}
        started = []
        for index in range(workers):
            config = {"cluster": cluster, "task": {"type": "worker", "index": index}}
            environment = {"TF_CONFIG": json.dumps(config), "TF_CPP_MIN_LOG_LEVEL": "3"}
            arguments = (*flags, "--strategy=multi_worker", "--steps_per_execution=2")
            started.append(self.start(folder, *arguments, environment=environment))
        return started

    def ends(self, processes):
        """(exit status, output, lines that begin with "error" or a traceback) of each process."""
        found = []
        for process in processes:
            status, said = self.wait(process)
            lines = [line for line in said.splitlines() if line.startswith(("error", "Traceback"))]
            found.append((status, said, lines))
        return found


def wait_for_epochs(folder, count):
    deadline = time.monotonic() + 240
    while len(read_metrics(folder / "metrics.jsonl")) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Runs by two processes; by one, then two; by two that are stopped, killed, let finish."""
    root = tmp_path_factory.mktemp("workers")
    with contextlib.closing(Workers(root)) as workers:
        alone = workers.begin(root / "one", 1, EPOCHS // 2)
        both = workers.begin(root / "two", 2)
        broken = workers.begin(root / "broken", 2)
        wait_for_epochs(root / "broken", 2)
        os.kill(broken[1], signal.SIGTERM)
        stopped = workers.ends(broken)
        broken = workers.begin(root / "broken", 2)
        wait_for_epochs(root / "broken", 8)
        os.kill(broken[1], signal.SIGKILL)
        killed = workers.ends(broken)
        before = len(read_metrics(root / "broken" / "metrics.jsonl"))
        finished = workers.ends(workers.begin(root / "broken", 2))
        ends = workers.ends([*alone, *both])
        for status, said, _ in ends + workers.ends(workers.begin(root / "one", 2)):
            assert status == 0, said
    return {
        "root": root,
        "stopped": stopped,
        "killed": killed,
        "before": before,
        "finished": finished,
    }


def rows(folder):
    return [
        {name: value for name, value in row.items() if name != "images_per_second"}
        for row in read_metrics(folder / "metrics.jsonl")
    ]


def test_two_processes_learn_what_one_does_and_go_on_with_its_run(trained, tensors):
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
        "chains-0000000000-0000000013.npz",
        "chains-0000000013-0000000026.npz",
    ]
    sealed = json.loads((folder / "progress.json").read_text())
    assert set(sealed["files"]) == {path.name for path in folder.iterdir()} - {"progress.json"}
    assert (trained["root"] / "two" / "model.keras").exists()


def test_a_signal_to_one_stops_all_at_the_same_step(trained):
    (chief, chief_said, none), (other, other_said, nothing) = trained["stopped"]
    stopped = 128 + signal.SIGTERM
    assert (chief, other, none, nothing) == (stopped, stopped, [], [])
    assert "Stopped by another worker: saved at step " in chief_said
    step = chief_said.split("saved at step ")[1].split(".")[0]
    assert f"Stopped by SIGTERM: saved at step {step}" in other_said


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
