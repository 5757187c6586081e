"""The persistent chains: where they start, and that reading and writing touch the right rows."""

import numpy as np
import tensorflow as tf

from dgn_tf.inference.noise import example_normal
from dgn_tf.training.chains import Chains

DIMS = {"appearance": 4, "geometry": 3}


def states(chains):
    return {name: variable.numpy() for name, variable in chains.groups.items()}


def test_chains_start_from_standard_normal_noise_of_their_ids():
    ids = np.arange(5000) * 2**40
    start = states(Chains(ids, DIMS, seed=3))
    for stream, (name, dim) in enumerate(DIMS.items()):
        expected = example_normal(3, 0, tf.constant(ids), stream, 1, dim)[0]
        np.testing.assert_array_equal(start[name], expected)
        assert start[name].shape == (5000, dim)
        assert abs(start[name].mean()) < 4 / (5000 * dim) ** 0.5
        assert abs(start[name].var() - 1) < 4 * (2 / (5000 * dim)) ** 0.5


def test_an_example_starts_the_same_wherever_it_stands():
    ids = np.array([2**62, 5, 17, 3])
    order = np.array([2, 0, 3, 1])
    one, other = states(Chains(ids, DIMS, 0)), states(Chains(ids[order], DIMS, 0))
    for name in DIMS:
        np.testing.assert_allclose(other[name], one[name][order], atol=1e-6)
    reseeded = states(Chains(ids, DIMS, 1))
    assert np.abs(reseeded["geometry"] - one["geometry"]).min() > 1e-4


def test_groups_of_one_size_start_differently():
    start = states(Chains(np.arange(9), {"appearance": 3, "geometry": 3}, 0))
    assert np.abs(start["appearance"] - start["geometry"]).min() > 1e-4


def test_writing_changes_the_indexed_rows_only_and_reading_finds_them():
    chains = Chains(np.arange(6), DIMS, 0)
    before = states(chains)
    index = tf.constant([4, 1])
    written = {"appearance": tf.ones([2, 4]) * [[1.0], [2.0]], "geometry": tf.fill([2, 3], -7.0)}

    @tf.function
    def write_and_read(index, latents):
        chains.write(index, latents)
        return chains.read(index)

    read = write_and_read(index, written)
    after = states(chains)
    for name in DIMS:
        np.testing.assert_array_equal(read[name], written[name])
        np.testing.assert_array_equal(after[name][[4, 1]], written[name])
        np.testing.assert_array_equal(after[name][[0, 2, 3, 5]], before[name][[0, 2, 3, 5]])


def test_one_group_can_be_written_alone():
    chains = Chains(np.arange(3), DIMS, 0)
    before = states(chains)
    chains.write(tf.constant([0]), {"geometry": tf.zeros([1, 3])})
    np.testing.assert_array_equal(states(chains)["appearance"], before["appearance"])
    np.testing.assert_array_equal(states(chains)["geometry"][0], np.zeros(3))


def test_a_part_of_the_data_set_is_read_and_written_by_its_index_there():
    whole, part = Chains(np.arange(6), DIMS, 0), Chains(np.arange(2, 6), DIMS, 0, first=2)
    index = tf.constant([5, 2], tf.int64)
    for name in DIMS:
        np.testing.assert_allclose(part.read(index)[name], whole.read(index)[name], atol=1e-6)
    part.write(index, {"geometry": tf.fill([2, 3], 4.0)})
    np.testing.assert_array_equal(states(part)["geometry"][[3, 0]], np.full((2, 3), 4.0))


def test_many_chains_start_in_blocks(monkeypatch):
    whole = states(Chains(np.arange(10), DIMS, 0))
    monkeypatch.setattr("dgn_tf.training.chains._STARTED", 4)
    blocks = states(Chains(np.arange(10), DIMS, 0))
    for name in DIMS:
        np.testing.assert_allclose(blocks[name], whole[name], atol=1e-6)


def test_files_hold_every_state(tmp_path):
    chains = Chains(np.arange(5), DIMS, 0)
    chains.write(tf.constant([2]), {"appearance": tf.fill([1, 4], 9.0)})
    chains.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["chains-0000000000-0000000005.npz"]
    other = Chains(np.arange(5), DIMS, seed=8)
    other.restore(tmp_path)
    for name in DIMS:
        np.testing.assert_array_equal(states(other)[name], states(chains)[name])


def test_chains_are_taken_by_the_ids_that_examples_had(tmp_path):
    dims = {"appearance": 3, "geometry": 2}
    old = Chains(np.array([5, 6, 7, 8]), dims, seed=1)
    for first, end in ((0, 2), (2, 4)):
        part = Chains(old.ids[first:end], dims, seed=1, first=first)
        part.save(tmp_path)
    sources = np.array([8, -1, 5, 99])
    given = {"appearance": np.full((4, 3), 7.0, np.float32)}
    for labels in (None, given):
        new = Chains(np.array([1, 2, 3, 4]), dims, seed=1, given=labels)
        start = {name: z.numpy() for name, z in new.groups.items()}
        new.restore(tmp_path, sources)
        for name in dims:
            wanted = start[name].copy()
            if labels is None or name != "appearance":
                wanted[[0, 2]] = old.groups[name].numpy()[[3, 0]]
            np.testing.assert_array_equal(new.groups[name], wanted)
    # A process has a part of the examples.
    part = Chains(np.array([3, 4]), dims, seed=1, first=2)
    part.restore(tmp_path, sources)
    np.testing.assert_array_equal(part.groups["geometry"][0], old.groups["geometry"][0])
