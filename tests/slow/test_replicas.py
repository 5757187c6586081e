"""Several devices learn what one does. `replicas.py` trains."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dgn_tf.training.chains import Chains

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def trainings(tmp_path_factory):
    """What several devices have come to, and beside it what one has, by their number."""
    root = tmp_path_factory.mktemp("replicas")
    program = Path(__file__).with_name("replicas.py")
    started = [
        subprocess.Popen(
            [sys.executable, program, root / f"{count}.npz", model, "1", count],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for model, count in (("deformable", "2"), ("abp", "4"))
    ]
    for process in started:
        said, _ = process.communicate(timeout=400)
        assert process.returncode == 0, said[-3000:]
    return {count: dict(np.load(root / f"{count}.npz", allow_pickle=False)) for count in (2, 4)}


@pytest.mark.parametrize("count", [2, 4])
def test_several_devices_learn_what_one_does(trainings, count):
    found = trainings[count]
    names = [name[2:] for name in found if name.startswith("1/")]
    kinds = {name.partition("_")[0] for name in names}
    assert kinds == {"weight", "optimizer", "average", "chain", "rows"}
    for name in names:
        one, other = found[f"1/{name}"], found[f"{count}/{name}"]
        # Adam hides a wrong scale of the gradients from the weights, but not from its moments.
        size = np.abs(one).max() if name.startswith(("optimizer", "rows")) else 1.0
        # Where a coordinate of the warp rounds to the other side of a pixel, which some processors
        # do, the slope there jumps: moments keep it, weights and chains hardly notice.
        tolerance = 1e-3 if name.startswith("optimizer") else 1e-5
        np.testing.assert_allclose(other, one, rtol=0, atol=tolerance * size, err_msg=name)


def test_the_training_moves_what_is_compared(trainings):
    found = trainings[2]
    first, second = found["1/rows_0"], found["1/rows_1"]
    assert np.abs(second - first).max() > 1e-3
    start = Chains(np.arange(26), {"appearance": 3, "geometry": 2}, 0)
    for k, states in enumerate(start.groups.values()):
        assert np.abs(found[f"1/chain_{k}"] - states).min(axis=1).max() > 1e-2
