"""The baseline for clips: its recurrence by hand, its codes and its sheet."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgn_tf.config import ModelConfig
from dgn_tf.inference.posterior import Inference
from dgn_tf.models.baselines.mocogan import ContentMotionGenerator
from dgn_tf.models.factory import make_model
from dgn_tf.models.generators import AppearanceGenerator
from dgn_tf.visualize.clips import clip_sheet, decode_clips
from dgn_tf.visualize.images import as_images

SIDE, FRAMES, CONTENT, MOTION, NOISE = 32, 4, 3, 2, 5


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    generator = AppearanceGenerator(
        CONTENT + MOTION, SIDE, 1, width=0.02, equalized=True, table="V"
    )
    return ContentMotionGenerator(generator, MOTION, NOISE, FRAMES)


def latents(model, count=2, seed=0):
    rng = np.random.default_rng(seed)
    return {
        name: tf.constant(rng.standard_normal((count, dim)), tf.float32)
        for name, dim in model.latent_dims.items()
    }


def test_the_motion_is_a_gated_recurrence_from_rest(model):
    z = latents(model)["motion"]
    kernel, recurrent, bias = (w.numpy().astype(np.float64) for w in model.recurrence.weights)

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    h, expected = np.zeros((2, MOTION)), []
    for xi in np.moveaxis(z.numpy().reshape(2, FRAMES, NOISE), 1, 0):
        from_input = np.split(xi @ kernel + bias[0], 3, axis=1)
        from_state = np.split(h @ recurrent + bias[1], 3, axis=1)
        update = sigmoid(from_input[0] + from_state[0])
        reset = sigmoid(from_input[1] + from_state[1])
        h = update * h + (1 - update) * np.tanh(from_input[2] + reset * from_state[2])
        expected.append(h)
    np.testing.assert_allclose(model.part("motion", z), np.stack(expected, 1), atol=1e-5)


def test_each_frame_is_made_of_the_content_and_its_motion(model):
    z = latents(model)
    clip = model(z)
    assert clip.shape == (2, FRAMES, SIDE, SIDE, 1)
    motion = model.part("motion", z["motion"])
    for t in range(FRAMES):
        code = tf.concat([z["content"], motion[:, t]], axis=1)
        np.testing.assert_allclose(clip[:, t], model.generator(code), atol=1e-5)
    longer = {**z, "motion": tf.concat([z["motion"], z["motion"]], 1)}
    assert model(longer).shape[1] == 2 * FRAMES
    np.testing.assert_allclose(model(longer)[:, :FRAMES], clip, atol=1e-5)


def test_inference_starts_from_both_codes(model):
    x = model(latents(model, seed=1))
    infer = Inference(model, steps=10, starts=3, step_size=0.1, sigma=0.05)
    starts = infer.starts_of(x, infer._library, {})
    assert {n: v.shape for n, v in starts.items()} == {
        "content": (6, CONTENT),
        "motion": (6, FRAMES * NOISE),
    }
    # Zero at first; then prior samples that suit the first frame, with no noise after it.
    assert not np.any(starts["motion"][:2]) and np.abs(starts["motion"][2:, :NOISE]).min() > 0
    assert not np.any(starts["motion"][:, NOISE:])


def test_its_sheet_has_data_and_reconstructions(model):
    z = {name: value.numpy() for name, value in latents(model).items()}
    made, parts = decode_clips(model, z)
    data = np.zeros_like(made)
    np.testing.assert_allclose(made, model(latents(model)), atol=1e-5)
    assert parts["motion"].shape == (2, FRAMES, MOTION)
    sheet = clip_sheet(model, data, z)
    # Below the second clip's last frame stands its reconstruction.
    frame = sheet[-10 - 128 : -10, -10 - 128 : -10]
    above = sheet[-10 - 128 - 132 : -10 - 132, -10 - 128 : -10]
    np.testing.assert_array_equal(frame, as_images(made[1, -1:], 4)[0])
    np.testing.assert_array_equal(above, as_images(data[1, -1:], 4)[0])
    assert np.abs(frame.astype(int) - above).max() > 0


def test_the_settings_of_a_run_make_it():
    settings = ModelConfig(
        model="mocogan", appearance_dim=7, geometry_dim=4, geometry_noise_dim=6, width=0.02
    )
    made = make_model(settings, SIDE, 3, frames=5)
    assert made.latent_dims == {"content": 7, "motion": 30}
    assert made.part("motion", tf.zeros([1, 30])).shape == (1, 5, 4)


def test_chunks_change_neither_clip_nor_gradient(model):
    z, results = latents(model), []
    for chunk in (0, 1, 3):
        chunked = ContentMotionGenerator(model.generator, MOTION, NOISE, FRAMES, chunk)
        chunked.recurrence.set_weights(model.recurrence.get_weights())
        with tf.GradientTape() as tape:
            tape.watch(z)
            clip = chunked(z)
            loss = tf.reduce_sum(tf.square(clip - 0.5))
        variables = (z, chunked.trainable_variables)
        results.append([clip, *tf.nest.flatten(tape.gradient(loss, variables))])
    for other in results[1:]:
        for mine, theirs in zip(results[0], other, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)


def test_impossible_settings_are_named(model):
    with pytest.raises(ValueError, match="at least 1, got 2, 0, 4"):
        ContentMotionGenerator(model.generator, 2, 0, 4)
    with pytest.raises(ValueError, match="leaves no content in the generator's 5"):
        ContentMotionGenerator(model.generator, 5, 1, 4)
