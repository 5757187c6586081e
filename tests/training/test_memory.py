"""The estimate of a step's memory: layers by hand, and beside what steps were measured to take."""

import keras
import pytest

from dgn_tf.config import CLIP_MODELS, MODELS, ModelConfig
from dgn_tf.models.discriminator import Discriminator
from dgn_tf.models.factory import make_encoder, make_model
from dgn_tf.ops.layers import leaf_layers
from dgn_tf.training.memory import output_bytes, step_memory

MIB = 2**20


def test_outputs_of_layers_in_networks_in_networks_are_counted():
    inner = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(5, 3, padding="same")])
    half = keras.layers.AveragePooling2D(2, dtype="mixed_bfloat16")
    network = keras.Sequential([keras.Input((8, 8, 3)), inner, half])
    assert [layer.name for layer in leaf_layers(network)] == [inner.layers[0].name, half.name]
    assert output_bytes(network) == 4 * 8 * 8 * 5 + 2 * 4 * 4 * 5


def test_each_part_of_the_estimate_is_what_is_said():
    model = make_model(ModelConfig(), 64, 3)
    one, two, three = (step_memory(model, batch) for batch in (1, 2, 3))
    inner = sum(output_bytes(network) for network in model.networks.values())
    # The numbers of Table IV and its reshaped and activated maps.
    assert inner == 4 * (2 * 4 * 4 * 208 + 64 * (104 + 4 * 52 + 16 * 26) + 2 * 64 * 64 * 5)
    assert two - one == three - two == 3 * inner
    assert step_memory(model, 1, examples=1000) - one == 1000 * 4 * 128
    assert step_memory(model, 1, langevin_steps=5) > one
    judge = Discriminator(64, 3, width=0.5)
    judged = step_memory(model, 2, discriminator=judge) - step_memory(model, 1, discriminator=judge)
    assert judged == pytest.approx(3 * inner + 2.9 * output_bytes(judge), abs=2)
    encoder = make_encoder(ModelConfig(), model, 64, 3)
    guessed = step_memory(model, 2, encoder=encoder) - step_memory(model, 1, encoder=encoder)
    assert guessed == pytest.approx(3 * (inner + output_bytes(encoder)), abs=2)


def test_a_draw_tries_every_class():
    def taken(appearance, batch):
        settings = ModelConfig(appearance=appearance, appearance_dim=10)
        return step_memory(make_model(settings, 32, 1), batch)

    extra = [taken("categorical", batch) - taken("label", batch) for batch in (1, 5)]
    assert extra == [3 * batch * 10 * 4 * 32 * 32 * 3 for batch in (1, 5)]


def test_chunks_of_clips_keep_the_inner_values_of_some_frames():
    def grown(chunk):
        model = make_model(
            ModelConfig(model="dynamic", width=0.25, frames_per_chunk=chunk), 32, 3, 12
        )
        inner = sum(output_bytes(network) for network in model.networks.values())
        return step_memory(model, 3, frames=12) - step_memory(model, 2, frames=12), inner

    whole, inner = grown(0)
    assert whole == grown(12)[0] == pytest.approx(3 * 12 * inner, rel=1e-6)
    quarter = grown(3)[0]
    assert 3 * 3 * inner < quarter < whole / 2


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_an_estimate_that_grows_with_the_batch(name):
    frames = 6 if name in CLIP_MODELS else 0
    settings = ModelConfig(model=name, alpha=0.2, width=0.2, encoder_width=0.2, geometry_dim=3)
    model = make_model(settings, 32, 1, frames)
    one, more = (step_memory(model, batch, frames=frames or 1) for batch in (1, 11))
    # At least the images and the maps of the last level but one.
    assert more - one > 10 * (frames or 1) * 4 * 32 * 32
    assert one > 4 * model.count_params()
