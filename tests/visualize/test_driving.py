"""The geometry of frames on the appearance of one image."""

import numpy as np

from dgn_tf.visualize.driving import driven_frames, driven_latents

STILL = {"appearance": np.float32([[1, 2, 3]]), "geometry": np.float32([[5, -5]])}


def test_frames_give_the_geometry_and_the_image_the_rest():
    motion = np.random.default_rng(0).standard_normal((4, 2)).astype("f")
    found = driven_latents(STILL, motion)
    np.testing.assert_array_equal(found["geometry"], motion)
    np.testing.assert_array_equal(found["appearance"], np.repeat(STILL["appearance"], 4, 0))


def test_relative_motion_begins_at_the_image_and_moves_as_the_frames_do():
    motion = np.random.default_rng(0).standard_normal((4, 2)).astype("f")
    found = driven_latents(STILL, motion, relative=True)["geometry"]
    np.testing.assert_allclose(found[0], STILL["geometry"][0], atol=1e-6)
    np.testing.assert_allclose(np.diff(found, axis=0), np.diff(motion, axis=0), atol=1e-6)


def test_smoothing_takes_trembling_away_and_leaves_what_lasts():
    steady = np.linspace(0, 1, 21)[:, None] * [1.0, 2.0]
    trembling = steady + 0.1 * (-1) ** np.arange(21)[:, None]
    smooth = driven_latents(STILL, trembling, smooth=1.5)["geometry"]
    # A straight line away from the ends stays, and a constant everywhere.
    np.testing.assert_allclose(smooth[6:-6], steady[6:-6], atol=2e-3)
    constant = np.ones([5, 2])
    np.testing.assert_allclose(driven_latents(STILL, constant, smooth=2.0)["geometry"], 1)


def test_the_driver_stands_at_the_left():
    images, driver = np.full([3, 32, 32, 1], 200, "u1"), np.full([3, 32, 32, 1], 10, "u1")
    assert driven_frames(images).shape == (3, 128, 128, 3)
    both = driven_frames(images, driver)
    assert both.shape == (3, 128, 256, 3) and both.dtype == np.uint8
    assert (both[:, :, :128] == 10).all() and (both[:, :, 128:] == 200).all()
