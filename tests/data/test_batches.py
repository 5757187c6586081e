"""Batches: every example once an epoch, and the same ones wherever a run starts."""

import numpy as np
import pytest

from dgn_tf.data.batches import batches, steps_per_epoch
from dgn_tf.data.examples import Examples, as_float
from dgn_tf.utils.errors import InputError


@pytest.fixture(scope="module")
def examples():
    """23 examples of random pixels; ids run backwards, so they are not the indices."""
    images = np.random.default_rng(0).integers(0, 256, (23, 4, 4, 3), dtype=np.uint8)
    ids = np.arange(23, dtype=np.int64)[::-1] * 7
    return Examples(images, ids, tuple(str(i) for i in range(23)))


def collect(examples, batch_size, seed, start, stop):
    dataset = batches(examples, batch_size, seed, start, stop)
    return list(dataset.as_numpy_iterator())


@pytest.mark.parametrize(
    ("n", "batch_size", "steps"), [(23, 5, 5), (20, 5, 4), (3, 100, 1), (1, 1, 1)]
)
def test_steps_per_epoch(n, batch_size, steps):
    assert steps_per_epoch(n, batch_size) == steps


def test_each_example_once_an_epoch_with_a_partial_last_batch(examples):
    steps = collect(examples, 5, 3, 0, 15)
    assert [len(index) for index, _, _ in steps] == [5, 5, 5, 5, 3] * 3
    for epoch in range(3):
        seen = np.concatenate([index for index, _, _ in steps[5 * epoch : 5 * epoch + 5]])
        np.testing.assert_array_equal(np.sort(seen), np.arange(23))


def test_index_id_and_image_belong_together(examples):
    for index, ids, images in collect(examples, 5, 3, 0, 5):
        np.testing.assert_array_equal(ids, examples.ids[index])
        np.testing.assert_allclose(images, as_float(examples.images[index]), atol=1e-6)
        assert images.dtype == np.float32 and index.dtype == ids.dtype == np.int64


def test_a_run_started_midway_sees_the_same_batches(examples):
    whole = collect(examples, 5, 3, 0, 14)
    for start in (1, 5, 8):
        for ours, theirs in zip(collect(examples, 5, 3, start, 14), whole[start:], strict=True):
            for a, b in zip(ours, theirs, strict=True):
                np.testing.assert_array_equal(a, b)


def test_orders_differ_between_epochs_and_seeds(examples):
    orders = [
        collect(examples, 23, seed, epoch, epoch + 1)[0][0].tolist()
        for seed in (3, 4)
        for epoch in (0, 1)
    ]
    assert len({tuple(order) for order in orders}) == 4
    assert list(range(23)) not in orders


def test_a_dataset_can_be_read_twice(examples):
    dataset = batches(examples, 5, 3, 2, 7)
    assert int(dataset.cardinality()) == 5
    first, second = ([index for index, _, _ in dataset.as_numpy_iterator()] for _ in range(2))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def test_batch_dimension_is_dynamic_and_the_graph_holds_no_pixels(examples):
    large = Examples(
        np.zeros((2000, 32, 32, 3), np.uint8), np.arange(2000), tuple(map(str, range(2000)))
    )
    dataset = batches(large, 5, 0, 0, 2)
    assert dataset.element_spec[2].shape.as_list() == [None, 32, 32, 3]
    # A constant of the images would put 6 MB, or 2 GB and a failure, into every graph.
    graph = dataset._as_serialized_graph().numpy()
    assert len(graph) < 100_000


def test_batches_larger_than_the_data_set_and_empty_ranges(examples):
    assert [len(index) for index, _, _ in collect(examples, 100, 0, 0, 2)] == [23, 23]
    assert collect(examples, 5, 0, 4, 4) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1, 0, 5), "batch_size must be at least 1; found 0"),
        ((5, -1, 0, 5), "seed must be between 0"),
        ((5, 1, -1, 5), "0 <= start"),
        ((5, 1, 6, 5), "found 6, 5"),
    ],
)
def test_bad_arguments_are_refused(examples, arguments, message):
    with pytest.raises(InputError, match=message):
        batches(examples, *arguments)
