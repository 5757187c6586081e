"""A million chains: a training takes no more memory at its end than at its beginning."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

PROGRAM = '''
import keras
import numpy as np
from dgn_tf.config import TrainingConfig, ModelConfig
from dgn_tf.data.examples import Examples
from dgn_tf.training.factory import make_learner
from dgn_tf.training.loop import fit
from dgn_tf.models.factory import make_model

COUNT, STEPS = 1_000_000, 250


class Drawn:
    """Images that are made when they are asked for."""

    shape, dtype, ndim = (COUNT, 32, 32, 1), np.dtype(np.uint8), 4

    def __len__(self):
        return COUNT

    def __getitem__(self, index):
        rows = np.asarray(index)
        return np.broadcast_to(rows[:, None, None, None] % 256, (len(rows), 32, 32, 1)).astype("u1")


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 1e6


class Watch(keras.callbacks.Callback):
    """Prints how much memory the process has after some of the steps."""

    def on_train_batch_end(self, batch, logs=None):
        if batch % 50 == 49:
            print(batch + 1, resident(), flush=True)
        self.model.stop_training = batch + 1 == STEPS


examples = Examples(Drawn(), 7 * np.arange(COUNT), tuple(map(str, range(COUNT))))
learning = TrainingConfig(batch_size=4, langevin_steps=1, epochs=1)
model = make_model(ModelConfig(alpha=0.05), 32, 1)
learner = make_learner(learning, examples, model)
assert learner.chains.on_host
before = {name: float(z[0, 0]) for name, z in learner.chains.groups.items()}
fit(learner, examples, batch_size=4, epochs=1, callbacks=[Watch()])
'''


def test_a_million_chains_train_in_flat_memory():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [map(float, line.split()) for line in done.stdout.splitlines()]
    steps, megabytes = zip(*rows, strict=True)
    assert steps == (50, 100, 150, 200, 250)
    # The chains alone are 512 MB; a copy of them for a step, or for each, would be seen.
    assert 600 < megabytes[0] < 2000
    assert megabytes[-1] - megabytes[1] < 20, megabytes
