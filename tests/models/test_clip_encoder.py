"""The encoder of clips: what each number is read off, and what one of stills hands over."""

import keras
import numpy as np
import pytest

from dgn_tf.models.autoencoder import Encoder
from dgn_tf.models.clip_encoder import ClipEncoder

FIRST, NOISE = {"appearance": 3, "geometry": 2}, {"appearance": 0, "geometry": 4}


@pytest.fixture(scope="module")
def encoder():
    keras.utils.set_random_seed(0)
    return ClipEncoder(FIRST, NOISE, 32, 1, width=0.2)


def clips(frames=5, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (2, frames, 32, 32, 1)).astype("f")


def guess(encoder, x):
    return {name: mean.numpy() for name, (mean, _) in encoder(x).items()}


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_it_packs_as_many_noises_as_a_clip_has_transitions(encoder, frames):
    shapes = {name: z.shape for name, z in guess(encoder, clips(frames)).items()}
    assert shapes == {"appearance": (2, 3), "geometry": (2, 2 + 4 * (frames - 1))}


def test_a_noise_is_read_off_its_two_frames_and_the_start_off_the_first(encoder):
    x, changed = clips(), clips()
    changed[:, 3] = clips(seed=1)[:, 3]
    before, after = guess(encoder, x)["geometry"], guess(encoder, changed)["geometry"]
    same = np.all(before == after, axis=0)
    # xi_3 moves frame 2 to frame 3, xi_4 frame 3 to frame 4.
    assert same.tolist() == [True] * (2 + 2 * 4) + [False] * (2 * 4)


def test_what_stays_the_same_through_a_clip_is_the_mean_over_its_frames(encoder):
    x = clips()
    alone = [guess(encoder, x[:, k : k + 1])["appearance"] for k in range(5)]
    np.testing.assert_allclose(guess(encoder, x)["appearance"], np.mean(alone, axis=0), atol=1e-5)


def test_one_of_stills_hands_over_its_guess_of_a_frame(encoder):
    keras.utils.set_random_seed(1)
    stills = Encoder(FIRST, 32, 1, width=0.2, variance=False)
    own = ClipEncoder(FIRST, NOISE, 32, 1, width=0.2)
    own.begin_from(stills)
    x = clips()
    found, wanted = guess(own, x), guess(stills, x[:, 0])
    np.testing.assert_allclose(found["geometry"][:, :2], wanted["geometry"], atol=1e-5)
    with pytest.raises(ValueError):
        own.begin_from(Encoder(FIRST, 32, 1, width=0.3, variance=False))


def test_a_keras_file_keeps_it(encoder, tmp_path):
    encoder.save(tmp_path / "encoder.keras")
    again = keras.models.load_model(tmp_path / "encoder.keras")
    x = clips()
    for name, z in guess(encoder, x).items():
        np.testing.assert_array_equal(guess(again, x)[name], z)


def test_groups_must_be_the_same():
    with pytest.raises(ValueError, match="groups differ"):
        ClipEncoder({"appearance": 1}, {"geometry": 1}, 32)
