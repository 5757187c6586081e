"""The encoder by hand, and the generators that bring one."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgn_tf.config import ModelConfig
from dgn_tf.models.autoencoder import EncodedGenerator, Encoder
from dgn_tf.models.factory import make_model

SIDE = 32
SMALL = {"appearance_dim": 4, "geometry_dim": 3, "alpha": 0.1, "encoder_width": 0.1}


def normal(*shape, seed=0):
    return tf.constant(np.random.default_rng(seed).standard_normal(shape), tf.float32)


def test_the_encoder_splits_its_head_by_group():
    encoder = Encoder({"appearance": 4, "geometry": 3}, SIDE, width=0.1)
    x = normal(2, SIDE, SIDE, 3)
    flat = encoder.network(x).numpy()
    assert flat.shape == (2, 14)
    posterior = encoder(x)
    np.testing.assert_array_equal(posterior["appearance"][0], flat[:, :4])
    np.testing.assert_array_equal(posterior["appearance"][1], flat[:, 4:8])
    np.testing.assert_array_equal(posterior["geometry"][0], flat[:, 8:11])
    np.testing.assert_array_equal(posterior["geometry"][1], flat[:, 11:])
    plain = Encoder({"appearance": 4, "geometry": 3}, SIDE, width=0.1, variance=False)(x)
    assert plain["geometry"][0].shape == (2, 3) and plain["geometry"][1] is None


def test_the_encoder_mirrors_table_iv():
    layers = Encoder({"appearance": 64, "geometry": 64}).network.layers
    convolutions = [layer for layer in layers if isinstance(layer, keras.layers.Conv2D)]
    assert [layer.filters for layer in convolutions] == [16, 32, 64, 128]
    assert [layer.kernel_size[0] for layer in convolutions] == [5, 5, 3, 3]
    # 4x4x128 numbers to two times 128.
    assert layers[-1].kernel.shape == (2048, 256)


@pytest.mark.parametrize("settings", [{"side": 48}, {"side": SIDE, "width": 0}])
def test_impossible_encoders_are_refused(settings):
    with pytest.raises(ValueError, match="side must be one of"):
        Encoder({"appearance": 2}, **settings)


def test_other_groups_than_the_generators_are_refused():
    generator = make_model(ModelConfig(model="abp", **SMALL), SIDE, 3)
    with pytest.raises(ValueError, match="are not the generator's"):
        EncodedGenerator(generator, Encoder({"appearance": 5}, SIDE, width=0.1))


@pytest.mark.parametrize(
    ("name", "groups", "variance"),
    [
        ("vae", ["appearance"], True),
        ("deformable_vae", ["appearance", "geometry"], True),
        ("deforming_autoencoder", ["appearance", "geometry"], False),
    ],
)
def test_an_encoded_model_does_what_its_generator_does(name, groups, variance):
    model = make_model(ModelConfig(model=name, mean_penalty=0.5, **SMALL), SIDE, 3)
    assert list(model.latent_dims) == groups and list(model.networks) == [*groups, "encoder"]
    posterior = model.encode(normal(2, SIDE, SIDE, 3))
    assert all((spread is not None) == variance for _, spread in posterior.values())
    z = {group: mean for group, (mean, _) in posterior.items()}
    parts = {group: model.part(group, z[group]) for group in groups}
    np.testing.assert_array_equal(model.combine(parts), model.generator(z))
    assert model.regularization(parts) == model.generator.regularization(parts)
    assert set(model.diagnostics(parts)) == set(model.generator.diagnostics(parts))
