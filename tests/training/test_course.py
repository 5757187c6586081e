"""Steps and epochs of a run whose batches or data change on the way."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dgn_tf.data.batches import Shards, batches
from dgn_tf.data.examples import Examples
from dgn_tf.training.course import Course, Progress


def shown(course, progress, stop):
    """The indices that the steps from `progress` to place `stop` show, step by step."""
    count = course.examples
    examples = Examples(np.zeros((count, 1, 1, 1), np.uint8), np.arange(count), ("",) * count)
    shards = Shards(course.shards, 0, course.shards)
    place, seen = progress.place, progress.seen
    data = batches(examples, course.batch_size, 3, place, stop, shards, seen)
    return [index for index, _, _ in data.as_numpy_iterator()]


def advance(course, progress, steps):
    """What the loop makes of the progress after some steps."""
    return dataclasses.replace(
        progress, step=progress.step + steps, seen=0 if steps else progress.seen
    )


@st.composite
def changes(draw):
    shards = draw(st.integers(1, 3))
    count = draw(st.integers(shards, 20))
    sizes = draw(st.lists(st.integers(1, 5), min_size=2, max_size=4))
    return (
        count,
        shards,
        [shards * size for size in sizes],
        draw(st.lists(st.integers(0, 9), min_size=len(sizes) - 1, max_size=len(sizes) - 1)),
    )


@given(changes())
@settings(max_examples=15, deadline=None, derandomize=True, database=None)
def test_every_epoch_shows_each_example_once_whenever_the_batch_size_changes(change):
    count, shards, sizes, steps = change
    progress, seen = Progress(), []
    for size, done in zip(sizes, [*steps, None], strict=True):
        course = Course(count, size, shards)
        progress = course.enter(progress)
        end = (-(-progress.place // course.per_epoch) + 1) * course.per_epoch
        stop = progress.place + done if done is not None else end
        indices = shown(course, progress, stop)
        assert all(0 < len(index) for index in indices)
        seen += indices
        before, progress = progress, advance(course, progress, len(indices))
        assert progress.step == before.step + len(indices)
    order = np.concatenate(seen)
    assert len(order) % count == 0
    for epoch in order.reshape(-1, count):
        np.testing.assert_array_equal(np.sort(epoch), np.arange(count))


def test_without_a_change_nothing_changes():
    progress = Progress(7, {"msre": 3.0}, 1)
    entered = Course(10, 4).enter(progress)
    assert entered == Progress(7, {"msre": 3.0}, 1, 0, 0, 10, 4)
    assert Course(10, 4).enter(entered) == entered


def test_the_place_in_the_run_and_the_means_stay_what_they_are():
    # 12 of 24 examples of the third epoch, in 3 of 6 batches.
    progress = Course(24, 4).enter(Progress(15, {"msre": 9.0}))
    twice = Course(24, 8).enter(progress)
    assert (twice.step, twice.place, twice.seen) == (15, 7, 4)
    assert twice.means(3) == {"msre": 3.0}
    half = Course(24, 2).enter(twice)
    assert (half.step, half.place, half.seen) == (15, 30, 0)
    assert half.means(12) == pytest.approx({"msre": 3.0})
    assert Course(24, 4).enter(half).place == 15


def test_data_that_changed_go_on_at_the_same_fraction_of_the_epoch():
    progress = Course(24, 4).enter(Progress(15))
    more = Course(48, 4).enter(progress)
    assert (more.step, more.place, more.seen) == (15, 30, 0)
    whole = Course(5, 4).enter(Course(24, 4).enter(Progress(12, {"msre": 6.0})))
    assert (whole.place, whole.sums) == (4, {})
