"""How batches are shared out to several devices, and what these cannot do is refused."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgn_tf import train
from dgn_tf.config import Config, ExecutionConfig, ModelConfig, TrainingConfig
from dgn_tf.data.batches import Shards, batches, epoch_order, steps_per_epoch
from dgn_tf.data.examples import Examples
from dgn_tf.ops.cross_replica import Adam, batch_mean
from dgn_tf.training import factory
from dgn_tf.training.chains import Chains
from dgn_tf.training.devices import Devices
from dgn_tf.utils.errors import InputError


def indices(examples, batch_size, steps, shards, start=0):
    rows = batches(examples, batch_size, 5, start, steps, shards).as_numpy_iterator()
    return [index for index, _, _ in rows]


def images(count):
    images = np.zeros((count, 2, 2, 1), np.uint8)
    return Examples(images, np.arange(count), tuple(map(str, range(count))))


@pytest.mark.parametrize("count", [24, 26, 27, 31])
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_workers_draw_the_batches_of_one_from_their_own_examples(count, workers):
    examples, total = images(count), steps_per_epoch(count, 8, 4)
    whole = indices(examples, 8, 2 * total, Shards(4, 0, 4))
    parts = []
    for worker in range(workers):
        shards = Shards(4, worker * 4 // workers, (worker + 1) * 4 // workers)
        first, end = shards.rows(count)
        parts.append(indices(examples, 8, 2 * total, shards))
        drawn = np.concatenate(parts[-1][:total])
        np.testing.assert_array_equal(np.sort(drawn), np.arange(first, end))
        # Every device has something to do at every step.
        assert min(map(len, parts[-1])) >= 4 // workers
    for step, batch in enumerate(whole):
        np.testing.assert_array_equal(np.concatenate([part[step] for part in parts]), batch)
    assert not np.array_equal(whole[0], whole[total])
    np.testing.assert_array_equal(np.sort(np.concatenate(whole[:total])), np.arange(count))
    resumed = indices(examples, 8, 2 * total, Shards(4, 0, 4), start=total - 1)
    for batch, again in zip(whole[total - 1 :], resumed, strict=True):
        np.testing.assert_array_equal(again, batch)


def test_one_shard_is_the_order_of_the_epoch():
    found = np.concatenate(indices(images(11), 4, 3, Shards()))
    np.testing.assert_array_equal(found, epoch_order(11, 5, 0))
    assert not np.array_equal(epoch_order(11, 5, 0, shard=1), epoch_order(11, 5, 0))


@pytest.mark.parametrize(("n", "steps"), [(24, 3), (26, 3), (27, 3), (28, 4), (4, 1)])
def test_steps_of_an_epoch(n, steps):
    assert steps_per_epoch(n, 8, 4) == steps


@pytest.mark.parametrize(("count", "batch"), [(3, 8), (20, 6)])
def test_shards_must_fit_data_and_batch(count, batch):
    with pytest.raises(InputError, match="`shards=4` must divide `batch_size"):
        batches(images(count), batch, 0, 0, 1, Shards(4, 0, 4))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"cluster": {"worker": ["a:1"]}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}',
        '{"cluster": {"worker": ["a:1"]}, "task": {"type": "chief", "index": 0}}',
        '{"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "worker", "index": 0}}',
    ],
)
def test_a_wrong_cluster_is_told(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(InputError, match="`strategy=multi_worker`: the environment variable TF_C"):
        Devices("multi_worker", 2)


def test_devices_without_a_shard_each_are_told(monkeypatch):
    class Two:
        num_replicas_in_sync = 2

    monkeypatch.setattr(tf.distribute, "MirroredStrategy", lambda devices: Two())
    with pytest.raises(InputError, match="has 2 devices and `shards=3`: give a multiple of 2"):
        Devices("mirrored", 3)
    assert Devices("mirrored", 6).shards == (6, 0, 6)


@pytest.mark.parametrize(
    ("sections", "flag"),
    [
        ({"learning": TrainingConfig(adversarial=True)}, "adversarial"),
        ({"model": ModelConfig(model="vae")}, "model=vae"),
        ({"model": ModelConfig(precision="mixed_float16")}, "precision=mixed_float16"),
    ],
)
def test_what_several_devices_cannot_learn_is_refused(sections, flag):
    Config(**sections)
    message = f"`strategy=mirrored` `{flag}`: cannot be combined: leave one of them out."
    with pytest.raises(InputError, match=message):
        Config(execution=ExecutionConfig(strategy="mirrored"), **sections)


def test_shards_divide_the_batch():
    with pytest.raises(InputError, match="`batch_size=10`: must be a multiple of `shards=4`"):
        TrainingConfig(batch_size=10, shards=4)
    with pytest.raises(InputError, match="`strategy=mirrored` `jit=on`: XLA cannot compile"):
        ExecutionConfig(strategy="mirrored", jit="on")


def test_many_chains_are_kept_on_the_host(monkeypatch):
    few = Chains(np.arange(4), {"appearance": 3}, 0)
    monkeypatch.setattr("dgn_tf.training.chains.HOST_BYTES", 4 * 4 * 3 - 1)
    many = Chains(np.arange(4), {"appearance": 3}, 0)
    assert (few.on_host, many.on_host) == (False, True)
    assert "CPU:0" in many.groups["appearance"].device
    on, auto, plain = (ExecutionConfig(jit=jit) for jit in ("on", "auto", "off"))
    assert factory.compiles_step(on, many) and not factory.compiles_step(auto, few)
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: ["GPU:0"])
    assert factory.compiles_step(auto, few) and factory.compiles_step(auto, None)
    assert not factory.compiles_step(auto, many) and not factory.compiles_step(plain, few)
    assert not factory.compiles_step(ExecutionConfig(strategy="mirrored"), few)
    with pytest.raises(InputError, match="`jit=on`: so many chains are kept in the host's memory"):
        factory.compiles_step(on, many)


def test_of_one_replica_a_mean_is_the_mean_and_adam_is_adam():
    values = tf.constant([[1.0, 2.0], [5.0, 4.0]])
    np.testing.assert_array_equal(batch_mean(values), [3.0, 3.0])
    weights = []
    for kind in (Adam, keras.optimizers.Adam):
        weight = keras.Variable([1.0, -2.0])
        optimizer = kind(0.1)
        optimizer.apply_gradients([(tf.constant([3.0, 0.2]), weight)])
        weights.append(np.array(weight))
    np.testing.assert_array_equal(*weights)


def test_a_run_may_be_drawn_from_shards_by_one_device(run_app, tiny_run, tmp_path):
    command = (*tiny_run.command, f"--run_dir={tmp_path}/run")
    said = run_app(train, *command, "--shards=2")
    assert said.status == 0, said.err
    assert json.loads((tmp_path / "run/config.json").read_text())["learning"]["shards"] == 2
    other = run_app(train, *command, "--shards=4")
    assert other.status == 2
    assert "--shards=2 there, 4 now" in other.err
