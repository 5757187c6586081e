"""A face that is followed through frames. The detector is a fake that knows where faces are."""

import dataclasses
import math

import numpy as np
import pytest

from dgn_tf.config.prepare import CropSettings
from dgn_tf.data.cropping.detection import Face
from dgn_tf.data.cropping.tracking import cut_squares, follow, steadied
from dgn_tf.utils.errors import InputError

EYES = CropSettings(align="eyes", side=16)
FRAMES = np.zeros([5, 60, 80, 3], np.uint8)


def face_at(x, y, size=40.0):
    """An upright face around (x, y), with its eyes where `face_square` wants them."""
    eyes = (x - 0.175 * size, y - 0.1155 * size), (x + 0.175 * size, y - 0.1155 * size)
    return Face((x - size / 2, y - size / 2, size, size), 0.99, eyes)


def detector_of(found):
    """Gives the faces of each frame in turn."""
    turn = iter(found)
    return lambda image: next(turn)


def ignore(done):
    del done


def test_one_face_is_followed_though_another_becomes_larger():
    found = [[face_at(20, 30), face_at(60, 30, 36)], [face_at(60, 30, 48), face_at(22, 30)]]
    squares = follow(FRAMES[:2], EYES, detector_of(found), ignore)
    np.testing.assert_allclose(squares[:, :2], [[20, 30], [22, 30]], atol=1e-6)
    np.testing.assert_allclose(squares[:, 2:], [[48, 0], [48, 0]], atol=1e-6)


def test_where_no_face_is_found_it_lies_between():
    found = [[face_at(20, 30)], [], [face_at(30, 36)], [dataclasses.replace(face_at(9, 9))], []]
    said = []
    squares = follow(FRAMES, EYES, detector_of(found), said.append)
    assert said == [1, 2, 3, 4, 5]
    np.testing.assert_allclose(squares[1, :2], [25, 33], atol=1e-6)
    np.testing.assert_allclose(squares[4], squares[3])


def test_too_few_faces_are_an_error_with_the_reason():
    with pytest.raises(InputError, match=r"in 1 of 5 frames.*; frame 1: no face found"):
        follow(FRAMES, EYES, detector_of([[], [face_at(20, 30)], [], [], []]), ignore)
    with pytest.raises(InputError, match="in 0 of 5 frames"):
        follow(FRAMES, EYES, detector_of([[]] * 5), ignore)


def test_squares_tremble_less_or_not_at_all():
    x = np.array([10.0, 12, 10, 12, 10, 12])
    squares = np.stack([x, x, np.full(6, 48.0), np.zeros(6)], 1)
    assert steadied(squares, 0, False) is squares
    assert np.ptp(steadied(squares, 2, False)[:, 0]) < 1 and np.ptp(x) == 2
    still = steadied(squares, 2, True)
    assert still.shape == (6, 4) and np.ptp(still, axis=0).max() == 0 and still[0, 0] == 11


def test_squares_are_cut_turned_and_at_their_places():
    frames = np.zeros([2, 64, 64, 3], np.uint8)
    # A bright point at the right of the center, and the same a quarter turn clockwise.
    frames[0, 30:34, 44:48] = frames[1, 44:48, 30:34] = 255
    squares = np.array([[32, 32, 32, 0], [32, 32, 32, math.pi / 2]])
    crops = list(cut_squares(frames, squares, 16, 1))
    assert [crop.shape for crop in crops] == [(16, 16, 1)] * 2
    for crop in crops:
        row, column = np.unravel_index(crop[..., 0].argmax(), (16, 16))
        assert row in (7, 8) and column in (14, 15)
