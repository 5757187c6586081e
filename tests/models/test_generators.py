"""The generators against Table IV, a forward pass by hand and their initial statistics."""

import math

import keras
import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf

from dgn_tf.models.generators import AppearanceGenerator, GeometricGenerator


def weight_layers(generator):
    return [layer for layer in generator.decoder.layers if layer.weights]


def randomize_biases(generator, seed=0):
    rng = np.random.default_rng(seed)
    for layer in weight_layers(generator):
        layer.bias.assign(rng.normal(0, 0.3, layer.bias.shape))


def forward_by_hand(generator, z, factor=None):
    """Table IV with plain operations; `factor` is the gain of equalized weights, else None."""
    layers = weight_layers(generator)
    x = tf.constant(z, tf.float32)
    for number, layer in enumerate(layers):
        kernel = layer.kernel.numpy()
        if number == 0:
            fan_in = kernel.shape[0]
        else:
            fan_in = kernel.shape[0] * kernel.shape[1] * kernel.shape[3]
        if factor is not None:
            kernel = kernel * factor * math.sqrt(2 / fan_in)
        if number == 0:
            x = tf.reshape(x @ kernel + layer.bias, [len(z), 4, 4, -1])
        else:
            side, filters = 2 * x.shape[1], kernel.shape[2]
            x = tf.nn.conv2d_transpose(x, kernel, [len(z), side, side, filters], 2) + layer.bias
        x = tf.tanh(x) if number == len(layers) - 1 else tf.nn.relu(x)
    return x.numpy()


def test_table_iv_parameter_counts():
    assert AppearanceGenerator(latent_dim=64, side=64, width=0.625).count_params() == 125_023
    assert GeometricGenerator(latent_dim=64, side=64).count_params() == 238_994


@pytest.mark.parametrize(
    "generator, widths",
    [
        (AppearanceGenerator(), [80, 40, 20, 10, 3]),
        (GeometricGenerator(), [128, 64, 32, 16, 2]),
    ],
    ids=["appearance", "geometric"],
)
def test_every_layer_is_that_of_table_iv(generator, widths):
    first, *deconvolutions = weight_layers(generator)
    assert first.kernel.shape == (64, 4 * 4 * widths[0])
    assert first.activation is keras.activations.relu
    assert len(deconvolutions) == 4
    for number, (layer, side) in enumerate(zip(deconvolutions, [3, 3, 5, 5], strict=True)):
        assert isinstance(layer, keras.layers.Conv2DTranspose)
        assert layer.kernel.shape == (side, side, widths[number + 1], widths[number])
        assert layer.filters == widths[number + 1]
        assert layer.strides == (2, 2)
        assert layer.padding == "same"
    activations = [layer.activation for layer in deconvolutions]
    assert activations[:3] == [keras.activations.relu] * 3
    assert activations[3] is keras.activations.linear
    assert generator.decoder.layers[-1].activation is keras.activations.tanh


@pytest.mark.parametrize("side", [32, 64, 128, 256])
def test_sides_have_their_shapes_and_fill_but_keep_their_ranges(side):
    z = 1e4 * np.random.default_rng(side).normal(size=(2, 6)).astype(np.float32)
    image = AppearanceGenerator(latent_dim=6, side=side, width=0.1, equalized=True)(z).numpy()
    assert image.shape == (2, side, side, 3)
    assert 0.9 < np.abs(image).max() <= 1
    geometry = GeometricGenerator(6, side, max_displacement=0.1, equalized=True, gain=1.0)
    displacement = geometry(z).numpy()
    assert displacement.shape == (2, side, side, 2)
    assert 0.09 * side < np.abs(displacement).max() <= 0.1 * side * (1 + 1e-6)


@pytest.mark.parametrize("channels", [1, 3])
def test_channels(channels):
    image = AppearanceGenerator(latent_dim=3, side=32, channels=channels)(tf.ones([1, 3]))
    assert image.shape == (1, 32, 32, channels)
    assert np.ptp(image.numpy(), axis=(1, 2)).min() > 0


@pytest.mark.parametrize(
    "width, widths", [(0.1, [13, 6, 3, 2]), (0.625, [80, 40, 20, 10]), (2.0, [256, 128, 64, 32])]
)
def test_width_is_the_ratio_of_filters(width, widths):
    layers = weight_layers(AppearanceGenerator(width=width))
    assert layers[0].units == 16 * widths[0]
    assert [layer.filters for layer in layers[1:]] == [*widths[1:], 3]


def test_the_smallest_width_keeps_a_filter():
    assert min(layer.filters for layer in weight_layers(AppearanceGenerator(width=0.001))[1:]) == 1


def test_weights_as_stored_forward_by_hand():
    generator = AppearanceGenerator(latent_dim=5, side=32, width=0.5, gain=7.0)
    z = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    np.testing.assert_allclose(generator(z), forward_by_hand(generator, z), atol=1e-5)


def test_equalized_weights_are_scaled_and_biases_are_not():
    z = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    appearance = AppearanceGenerator(latent_dim=5, side=32, width=0.5, equalized=True, gain=0.9)
    randomize_biases(appearance)
    np.testing.assert_allclose(appearance(z), forward_by_hand(appearance, z, 0.9), atol=1e-5)
    geometry = GeometricGenerator(latent_dim=5, side=32, equalized=True)
    randomize_biases(geometry)
    expected = 10 * forward_by_hand(geometry, z, 0.3)
    np.testing.assert_allclose(geometry(z), expected, atol=1e-4)


def test_weights_as_stored_start_from_a_truncated_normal():
    keras.utils.set_random_seed(0)
    layers = weight_layers(GeometricGenerator())
    kernels = np.concatenate([layer.kernel.numpy().ravel() for layer in layers])
    biases = np.concatenate([layer.bias.numpy() for layer in layers])
    # A standard normal cut at +-2 has this standard deviation.
    cut = math.sqrt(1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / math.erf(math.sqrt(2)))
    for values in (kernels, biases):
        assert np.abs(values).max() <= 0.2
        assert values.std() == pytest.approx(0.1 * cut, rel=4 / math.sqrt(2 * len(values)))
        assert abs(values.mean()) < 4 * 0.1 / math.sqrt(len(values))
    assert not np.isclose(biases[:128], layers[0].kernel.numpy().ravel()[:128]).any()


def test_equalized_weights_start_from_a_standard_normal():
    keras.utils.set_random_seed(0)
    layers = weight_layers(GeometricGenerator(equalized=True))
    kernels = np.concatenate([layer.kernel.numpy().ravel() for layer in layers])
    assert kernels.std() == pytest.approx(1, rel=4 / math.sqrt(2 * len(kernels)))
    assert abs(kernels.mean()) < 4 / math.sqrt(len(kernels))
    assert np.abs(kernels).max() > 3
    assert all(not layer.bias.numpy().any() for layer in layers)


@pytest.mark.parametrize(
    "generator",
    [
        AppearanceGenerator(latent_dim=4, side=32, channels=1, width=0.3, equalized=True, gain=0.8),
        GeometricGenerator(latent_dim=3, side=32, max_displacement=0.2, equalized=True, gain=0.5),
        GeometricGenerator(latent_dim=3, side=64),
    ],
    ids=["appearance", "geometric-equalized", "geometric"],
)
def test_a_saved_file_and_a_config_make_the_same_generator(generator, tmp_path):
    settings = dict(generator.settings)
    again = type(generator).from_config(generator.get_config())
    assert dict(again.settings) == settings
    assert again.name == generator.name
    generator.save(tmp_path / "generator.keras")
    loaded = keras.saving.load_model(tmp_path / "generator.keras")
    assert dict(loaded.settings) == settings
    z = np.random.default_rng(1).normal(size=(2, settings["latent_dim"])).astype(np.float32)
    np.testing.assert_array_equal(loaded(z), generator(z))


@pytest.mark.parametrize(
    "kind, settings, named",
    [
        (AppearanceGenerator, {"side": 48}, "side"),
        (AppearanceGenerator, {"latent_dim": 0}, "latent_dim"),
        (AppearanceGenerator, {"channels": 0}, "channels"),
        (AppearanceGenerator, {"width": 0}, "width"),
        (AppearanceGenerator, {"width": -0.5}, "width"),
        (AppearanceGenerator, {"gain": 0}, "gain"),
        (GeometricGenerator, {"side": 16}, "side"),
        (GeometricGenerator, {"gain": -1}, "gain"),
        (GeometricGenerator, {"max_displacement": 0}, "max_displacement"),
    ],
)
def test_wrong_settings_are_named(kind, settings, named):
    with pytest.raises(ValueError, match=named):
        kind(**settings)


def test_configs_of_version_0_1_are_read():
    config = GeometricGenerator(3, 32, equalized=True, gain=0.5, width=0.1).get_config()
    assert not {"scheme", "beta", "alpha"} & set(config)
    old = {**config, "scheme": 2, "beta": 0.5}
    del old["equalized"], old["gain"]
    assert GeometricGenerator.from_config(old).get_config() == config
    settings = {"latent_dim": 3, "side": 32, "alpha": 0.1, "scheme": 1, "beta": 0.9}
    new = AppearanceGenerator.from_config(settings).settings
    assert (new["width"], new["equalized"], new["gain"]) == (0.1, False, 0.9)


@pytest.mark.parametrize("kind, scheme", [(AppearanceGenerator, 3), (GeometricGenerator, 0)])
def test_a_scheme_that_never_was_is_refused(kind, scheme):
    with pytest.raises(ValueError, match="scheme"):
        kind.from_config({"scheme": scheme})


@pytest.fixture
def bfloat16():
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy("float32")


def test_mixed_precision_makes_a_float32_displacement(bfloat16):
    displacement = GeometricGenerator(latent_dim=3, side=32)(tf.ones([2, 3]))
    assert displacement.dtype == tf.float32
    # Finer than bfloat16, which has 8 bits.
    rounded = tf.cast(tf.cast(displacement, tf.bfloat16), tf.float32)
    assert np.mean(displacement.numpy() != rounded.numpy()) > 0.9


def test_a_dtype_policy_reaches_the_layers_and_is_saved(tmp_path):
    geometry = GeometricGenerator(latent_dim=3, side=32, equalized=True, dtype="mixed_bfloat16")
    assert {layer.compute_dtype for layer in geometry.decoder.layers[:-1]} == {"bfloat16"}
    geometry.save(tmp_path / "geometry.keras")
    loaded = keras.saving.load_model(tmp_path / "geometry.keras")
    z = np.ones([2, 3], np.float32)
    np.testing.assert_array_equal(loaded(z), geometry(z))


def test_a_smoothed_generator_filters_its_field_by_a_fraction_of_the_side():
    plain = GeometricGenerator(4, 32, equalized=True, gain=1.0)
    smoothed = GeometricGenerator(4, 32, equalized=True, gain=1.0, smoothing=1 / 16)
    smoothed.set_weights(plain.get_weights())
    z = np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32)
    # A sixteenth of 32 pixels is 2; "nearest" border apart, what scipy makes of the plain field.
    expected = scipy.ndimage.gaussian_filter(plain(z).numpy(), 2.0, axes=(1, 2), truncate=6)
    np.testing.assert_allclose(
        smoothed(z)[:, 12:-12, 12:-12], expected[:, 12:-12, 12:-12], atol=1e-4
    )
    assert smoothed.count_params() == plain.count_params()


def test_without_smoothing_the_field_is_that_of_table_iv():
    generator = GeometricGenerator(4, 32, smoothing=0)
    randomize_biases(generator)
    z = np.random.default_rng(2).normal(size=(3, 4)).astype(np.float32)
    np.testing.assert_array_equal(generator(z), 10.0 * generator.decoder(z))
    np.testing.assert_allclose(generator(z), 10.0 * forward_by_hand(generator, z), atol=1e-4)


def test_a_negative_smoothing_is_refused():
    with pytest.raises(ValueError, match="smoothing at least 0"):
        GeometricGenerator(smoothing=-0.1)


def test_a_saved_generator_keeps_its_smoothing(tmp_path):
    generator = GeometricGenerator(4, 32, smoothing=0.05)
    generator.save(tmp_path / "geometry.keras")
    restored = keras.saving.load_model(tmp_path / "geometry.keras")
    z = np.random.default_rng(3).normal(size=(2, 4)).astype(np.float32)
    np.testing.assert_array_equal(restored(z), generator(z))
    assert restored.settings["smoothing"] == 0.05
