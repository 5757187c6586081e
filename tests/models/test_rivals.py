"""Encoder, encoded generators and the integrated field: by hand, and kept as Keras models."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgn_tf.config import ModelConfig
from dgn_tf.models.autoencoder import EncodedGenerator, Encoder
from dgn_tf.models.baselines.integrated import IntegratedGeometricGenerator
from dgn_tf.models.factory import make_model
from dgn_tf.ops.jacobian import displacement_jacobian
from dgn_tf.ops.regularizers import slope_variation

SIDE = 32
SMALL = {"appearance_dim": 4, "geometry_dim": 3, "alpha": 0.1, "encoder_width": 0.1}


def normal(*shape, seed=0):
    return tf.constant(np.random.default_rng(seed).standard_normal(shape), tf.float32)


def silence(generator):
    """Zero networks: steps of one pixel, no affine part."""
    for weight in generator.weights:
        weight.assign(tf.zeros_like(weight))
    return generator


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
def test_an_encoded_model_paints_as_its_generator_and_is_kept(name, groups, variance, tmp_path):
    model = make_model(ModelConfig(model=name, mean_penalty=0.5, **SMALL), SIDE, 3)
    assert list(model.latent_dims) == groups and list(model.networks) == [*groups, "encoder"]
    posterior = model.encode(normal(2, SIDE, SIDE, 3))
    assert all((spread is not None) == variance for _, spread in posterior.values())
    z = {group: mean for group, (mean, _) in posterior.items()}
    parts = {group: model.part(group, z[group]) for group in groups}
    np.testing.assert_array_equal(model.combine(parts), model.generator(z))
    assert model.regularization(parts) == model.generator.regularization(parts)
    assert set(model.diagnostics(parts)) == set(model.generator.diagnostics(parts))
    model.save(tmp_path / "model.keras")
    kept = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(kept(z), model(z))
    again = kept.encode(normal(2, SIDE, SIDE, 3))
    np.testing.assert_array_equal(again[groups[-1]][0], posterior[groups[-1]][0])


def test_even_steps_are_no_displacement():
    field = silence(IntegratedGeometricGenerator(3, SIDE))(normal(2, 3))
    np.testing.assert_allclose(field, np.zeros((2, SIDE, SIDE, 2)), atol=1e-5)


def test_the_affine_part_moves_about_the_middle():
    generator = silence(IntegratedGeometricGenerator(3, SIDE))
    xx, xy, yx, yy, dx, dy = 0.5, 0.1, -0.2, 0.25, 0.125, -0.0625
    generator.affine.layers[-1].bias.assign([xx, xy, yx, yy, dx, dy])
    axis = np.arange(SIDE) - (SIDE - 1) / 2
    x, y = np.meshgrid(axis, axis)
    expected = np.stack([xx * x + xy * y + SIDE * dx, yx * x + yy * y + SIDE * dy], -1)
    np.testing.assert_allclose(generator(normal(1, 3))[0], expected, atol=1e-4)


def test_places_are_sums_of_positive_steps_and_never_turn_back():
    keras.utils.set_random_seed(1)
    generator = IntegratedGeometricGenerator(3, SIDE)
    for weight in generator.affine.weights:
        weight.assign(tf.zeros_like(weight))
    z = 3.0 * normal(8, 3)
    field = generator(z).numpy()
    steps = 3.0 ** generator.decoder(z).numpy()
    along_x = 1 + np.diff(field[..., 0], axis=2)
    along_y = 1 + np.diff(field[..., 1], axis=1)
    np.testing.assert_allclose(along_x, steps[:, :, 1:, 0], atol=2e-4)
    np.testing.assert_allclose(along_y, steps[:, 1:, :, 1], atol=2e-4)
    assert along_x.min() >= 1 / 3 - 1e-3 and along_y.max() <= 3 + 1e-3
    np.testing.assert_allclose(field.mean(axis=(1, 2)), np.zeros((8, 2)), atol=1e-3)


def test_variation_of_affine_fields_is_nothing_and_of_a_square_its_bend():
    x, y = np.meshgrid(np.arange(8.0), np.arange(8.0))
    affine = np.stack([0.5 * x - 2 * y + 3, x + 0.25 * y], -1)[None]
    assert float(slope_variation(tf.constant(affine))) == pytest.approx(0, abs=1e-12)
    assert np.ptp(displacement_jacobian(tf.constant(affine))) < 1e-12
    # Second differences: 2 along x for x^2, and 1 for either order of the mixed ones of x y.
    bent = np.stack([x**2, x * y], -1)[None]
    assert float(slope_variation(tf.constant(bent))) == pytest.approx(2 + 1 + 1)
