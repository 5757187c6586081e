"""Examples of a data set that has changed are known again by pixels and ids."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dgn_tf.data.examples import Examples
from dgn_tf.data.matching import Identity, identity, match_examples


def match(before, now):
    """Of {id: content}; contents None for a data set of which none are known."""

    def of(examples):
        contents = [c for c in examples.values() if c is not None]
        return Identity(
            np.array(list(examples), np.int64),
            np.array(contents, np.uint64) if contents else None,
        )

    return match_examples(of(before), of(now))


def test_added_and_removed_examples_are_counted():
    found = match({1: 10, 2: 20, 3: 30}, {3: 30, 1: 10, 9: 90})
    assert found.sources.tolist() == [3, 1, -1]
    assert found[1:] == (2, 0, 0, 1, 1)


def test_a_renamed_example_is_known_by_its_pixels_and_an_altered_one_by_its_name():
    found = match({1: 10, 2: 20, 3: 30}, {1: 10, 7: 20, 3: 31})
    assert found.sources.tolist() == [1, 2, 3]
    assert found[1:] == (3, 1, 1, 0, 0)


def test_numbers_that_shift_do_not_mix_up_examples():
    # The first row of a file is gone: every other one has the number of the one before it.
    found = match({0: 10, 1: 11, 2: 12}, {0: 11, 1: 12})
    assert found.sources.tolist() == [1, 2]
    assert found[1:] == (2, 2, 0, 0, 1)


def test_copies_of_an_image_keep_their_own_and_no_chain_is_used_twice():
    found = match({1: 10, 2: 10}, {2: 10, 5: 10, 6: 10})
    assert found.sources.tolist() == [2, 1, -1]
    assert found[1:] == (2, 1, 0, 1, 0)


def test_without_pixels_the_ids_decide():
    found = match({1: None, 2: None}, {2: 20, 3: 30})
    assert found.sources.tolist() == [2, -1]
    assert found[1:] == (1, 0, 0, 1, 1)


SETS = st.dictionaries(st.integers(0, 9), st.integers(0, 5), min_size=1)


@given(SETS, SETS)
@settings(max_examples=200, deadline=None, derandomize=True, database=None)
def test_the_numbers_add_up(before, now):
    found = match(before, now)
    taken = found.sources[found.sources >= 0].tolist()
    assert len(set(taken)) == len(taken) == found.kept and set(taken) <= set(before)
    assert found.kept + found.added == len(now) and found.kept + found.dropped == len(before)
    for id_, source in zip(now, found.sources.tolist(), strict=True):
        assert source == -1 or before[source] == now[id_] or source == id_
        if before.get(id_) == now[id_]:
            assert source == id_


def test_hashes_tell_pixels_apart():
    images = np.zeros((3, 4, 4, 1), np.uint8)
    images[1, 3, 3] = 1
    found = identity(Examples(images, np.arange(3), ("a", "b", "c")))
    assert found.contents.dtype == np.uint64
    assert found.contents[0] == found.contents[2] != found.contents[1]
