"""Frames of clips as single images."""

import numpy as np
import pytest

from dgn_tf.config import DataConfig
from dgn_tf.data.examples import Examples
from dgn_tf.data.sources import load
from dgn_tf.utils.errors import InputError


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("stills") / "clips.npz"
    rng = np.random.default_rng(0)
    np.savez(
        path,
        images=rng.integers(0, 256, (12, 32, 32, 3), dtype=np.uint8),
        clip=np.repeat(np.arange(4), 3),
        frame=np.tile(np.arange(3), 4),
        pose=np.arange(12),
    )
    return path


def settings(path, **more):
    return DataConfig(data=f"npz:{path}", side=32, **more)


def test_they_are_the_frames_in_their_order_with_the_labels_of_clip_or_frame(path):
    clips, stills = load(settings(path, frames=3)), load(settings(path, stills=3))
    assert stills.frames is None and len(stills) == 12
    np.testing.assert_array_equal(stills.images, clips.images.reshape(12, 32, 32, 3))
    assert stills.names[:4] == tuple(f"{clips.names[k // 3]}@{k % 3}" for k in range(4))
    np.testing.assert_array_equal(stills.factors["clip"], np.repeat(np.arange(4), 3))
    np.testing.assert_array_equal(stills.factors["pose"], np.arange(12))


def test_a_limit_counts_images_and_where_chooses_clips(path):
    whole = load(settings(path, stills=3))
    few = load(settings(path, stills=3, limit=7))
    assert len(few) == 7 and few.names == whole.names[:7]
    np.testing.assert_array_equal(few.ids, whole.ids[:7])
    assert set(load(settings(path, stills=3, where="clip=2")).factors["clip"]) == {2}


def test_images_have_none_and_settings_that_contradict_are_refused(path):
    images = Examples(np.zeros((2, 32, 32, 3), np.uint8), np.arange(2), ("a", "b"))
    with pytest.raises(ValueError, match="no frames"):
        images.stills()
    with pytest.raises(InputError, match="`frames` makes clips and `stills` images"):
        settings(path, frames=3, stills=3)
    with pytest.raises(InputError, match="`stills=-1`"):
        settings(path, stills=-1)
    with pytest.raises(InputError, match="or `stills` to take the frames as images"):
        load(DataConfig(data="heads_clips", side=32))
