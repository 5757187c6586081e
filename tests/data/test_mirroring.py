"""Mirror images."""

import numpy as np
import pytest

from dgn_tf.data.examples import Examples
from dgn_tf.data.mirroring import MirroredImages, with_mirrored


def examples(count, *shape):
    images = np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)
    factors = {"label": np.arange(count), "eyes": np.zeros((count, 2))}
    return Examples(images, np.arange(count) * 7, tuple(map(str, range(count))), factors)


@pytest.mark.parametrize("shape", [(4, 4, 3), (2, 4, 4, 1)])
def test_every_image_is_followed_by_its_mirror_image(shape):
    images = examples(5, *shape).images
    both = np.concatenate([images, images[..., ::-1, :]])
    mirrored = MirroredImages(images)
    assert (mirrored.shape, mirrored.ndim, mirrored.dtype) == (both.shape, both.ndim, both.dtype)
    rows = np.arange(10) % 3 == 0
    for index in (7, 2, -1, slice(3, 8), [9, 0, 4], np.array([6, 6]), rows, slice(None)):
        np.testing.assert_array_equal(mirrored[index], both[index])
    np.testing.assert_array_equal(np.asarray(mirrored), both)
    # What is handed out is the caller's.
    mirrored[2:8][:] = 0
    np.testing.assert_array_equal(images, both[:5])


def test_a_twin_is_an_example_of_its_own():
    one = examples(5, 4, 4, 3)
    both = with_mirrored(one, "label")
    assert len(both) == 10 and len(set(both.ids)) == 10
    assert both.names[7] == "2 (mirrored)" and list(both.factors) == ["label"]
    assert list(both.factors["label"]) == [0, 1, 2, 3, 4] * 2
    # Its id follows from the original's alone.
    other = with_mirrored(one.subset([3]), "label")
    assert list(other.ids) == [both.ids[3], both.ids[8]]
    assert with_mirrored(one, "no label").factors == {}
