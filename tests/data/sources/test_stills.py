"""Frames of clips as single images."""

import numpy as np
import pytest

from dgn_tf.config import DataConfig
from dgn_tf.data.examples import Examples
from dgn_tf.data.sources import load, other_data
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


def test_colors_of_a_clip_are_not_taken_for_numbers_of_its_frames():
    clips = load(DataConfig(data="heads_clips:test", side=32, frames=3, limit=2))
    stills = load(DataConfig(data="heads_clips:test", side=32, stills=3, limit=6))
    np.testing.assert_array_equal(stills.factors["skin"], np.repeat(clips.factors["skin"], 3, 0))
    for name in ("width", "yaw", "pitch", "mouth_opening", "smile", "brow_raise"):
        assert stills.factors[name].shape == (6,), name
        np.testing.assert_array_equal(stills.factors[name], clips.factors[name].ravel())


def test_other_data_of_a_run_on_stills_are_taken_as_images_where_they_can_be(path):
    trained = settings(path, stills=3, stride=2)
    heads = other_data(trained, "heads:test", limit=5)
    assert (heads.stills, heads.stride, heads.limit, heads.side) == (0, 1, 5, 32)
    clips = other_data(trained, "heads_clips:test", where="clip=1")
    assert (clips.stills, clips.stride, clips.where) == (3, 2, "clip=1")


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


def test_images_are_no_stills_and_the_setting_that_was_given_is_named():
    with pytest.raises(InputError, match="`stills=2`: tfds:mnist holds images"):
        load(DataConfig(data="tfds:mnist", side=32, stills=2))
