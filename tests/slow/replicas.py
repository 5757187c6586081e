"""A program for test_devices: one training on one, two and four devices of one process."""

import functools
import sys

import keras
import numpy as np
import tensorflow as tf

# As in slow/forkserver.py: nothing has to be translated, and looking takes half of the time.
tf.function = functools.partial(tf.function, autograph=False)

from dgn_tf.config import ModelConfig  # noqa: E402
from dgn_tf.data.examples import Examples  # noqa: E402
from dgn_tf.models.factory import make_encoder, make_model  # noqa: E402
from dgn_tf.ops.cross_replica import Adam  # noqa: E402
from dgn_tf.training import devices as devices_module  # noqa: E402
from dgn_tf.training.alternating import AlternatingBackprop  # noqa: E402
from dgn_tf.training.chains import Chains  # noqa: E402
from dgn_tf.training.decorrelation import Decorrelation  # noqa: E402
from dgn_tf.training.devices import Devices  # noqa: E402
from dgn_tf.training.distributed import Distributed  # noqa: E402
from dgn_tf.training.ema import Averaging  # noqa: E402
from dgn_tf.training.loop import fit  # noqa: E402
from dgn_tf.training.proposals import EncoderProposals  # noqa: E402

# Four shards of 7, 7, 6 and 6; three steps an epoch, the last of 10.
SHARDS, COUNT, BATCH, EPOCHS = 4, 26, 8, 2
SMALL = {"appearance_dim": 3, "geometry_dim": 2, "alpha": 0.1, "encoder_width": 0.2}
MODELS = {
    "deformable": {"fold_penalty": 3.0, "mean_penalty": 1000.0, "variation_penalty": 0.1},
    "abp": {},
}


class Rows(keras.callbacks.Callback):
    """Keeps what is logged."""

    def __init__(self):
        super().__init__()
        self.rows = []

    def on_epoch_end(self, epoch, logs=None):
        self.rows.append([logs[name] for name in sorted(logs)])


def train(name, devices, examples):
    """Networks, moments, averages, chains and logs after the training, by name."""
    keras.utils.set_random_seed(1)
    rows = Rows()
    with devices.strategy.scope():
        settings = ModelConfig(name, **SMALL, **MODELS[name])
        model = make_model(settings, 32, 1)
        # XLA compiles the warp anew for each device and size of batch.
        model.jit_compile_warp = False
        optimizer = Adam(1e-3, epsilon=1e-8)
        encoder = make_encoder(settings, model, 32, 1)
        metropolis = name == "abp"
        proposals = EncoderProposals(model, encoder, Adam(1e-3, epsilon=1e-8), False, metropolis)
        decorrelation = None if metropolis else Decorrelation(model, 0.5)
    chains = Chains(examples.ids, model.latent_dims, 0)
    with devices.strategy.scope():
        learner = AlternatingBackprop(
            model,
            chains,
            optimizer,
            total_steps=6,
            langevin_steps=1,
            sigma="1",
            step_size="0.3",
            proposals=proposals,
            decorrelation=decorrelation,
        )
        learner = Averaging(Distributed(learner, devices) if devices.several else learner, 0.9)
    fit(
        learner,
        examples,
        batch_size=BATCH,
        epochs=EPOCHS,
        seed=3,
        callbacks=[rows],
        shards=devices.shards,
    )
    values = {
        "weight": [*model.get_weights(), *encoder.get_weights()],
        "optimizer": [np.array(value) for value in optimizer.variables],
        "average": [value.numpy() for value in learner.average.values],
        "chain": [value.numpy() for value in chains.groups.values()],
        "rows": rows.rows,
    }
    return {f"{name}_{k}": v for name, each in values.items() for k, v in enumerate(each)}


def main(path, name, *counts):
    """Write what a model on each number of devices comes to; one of them at most is above 1."""
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 4)
    tf.config.experimental.enable_op_determinism()
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 1, 32)[:, None] * np.ones([1, 32])
    images = (ramp * rng.uniform(60, 255, (COUNT, 1, 1))).astype(np.uint8)[..., None]
    examples = Examples(images, np.arange(COUNT), tuple(map(str, range(COUNT))))
    found = {}
    for count in map(int, counts):
        names = [f"CPU:{number}" for number in range(count)]
        devices_module.local_devices = lambda names=names: names
        devices = Devices("one" if count == 1 else "mirrored", SHARDS)
        assert devices.strategy.num_replicas_in_sync == count
        found |= {f"{count}/{n}": v for n, v in train(name, devices, examples).items()}
    np.savez(path, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
