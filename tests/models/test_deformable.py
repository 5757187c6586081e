"""The deformable generator: Eq. 1 on known fields, and its penalties by hand."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgn_tf.models.deformable import DeformableGenerator
from dgn_tf.models.generators import AppearanceGenerator, GeometricGenerator
from dgn_tf.ops.regularizers import slope_variation

SIDE = 32


def make(**settings):
    return DeformableGenerator(
        AppearanceGenerator(latent_dim=4, side=SIDE, width=0.1),
        GeometricGenerator(latent_dim=3, side=SIDE, max_displacement=10 / SIDE),
        **settings,
    )


def latents(batch=2, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "appearance": tf.constant(rng.normal(size=(batch, 4)), tf.float32),
        "geometry": tf.constant(rng.normal(size=(batch, 3)), tf.float32),
    }


def shift_everywhere(model, dx, dy):
    """Weights that displace every pixel by (dx, dy), whatever z_g."""
    for weight in model.geometry.weights:
        weight.assign(tf.zeros(weight.shape))
    model.geometry.decoder.layers[-2].bias.assign([math.atanh(dx / 10), math.atanh(dy / 10)])


def test_without_displacement_the_image_is_the_canonical_one():
    model = make()
    shift_everywhere(model, 0, 0)
    z = latents()
    np.testing.assert_array_equal(model(z), model.part("appearance", z["appearance"]))


@pytest.mark.parametrize("border", ["edge", "zeros"])
def test_a_constant_displacement_reads_that_far_away(border):
    model = make(border=border)
    shift_everywhere(model, 2, -1)
    z = latents()
    canonical = model.appearance(z["appearance"]).numpy()
    image = model(z).numpy()
    np.testing.assert_allclose(image[:, 1:, :-2], canonical[:, :-1, 2:], atol=1e-5)
    beyond = canonical[:, :-1, -1:] if border == "edge" else np.zeros((2, SIDE - 1, 1, 3))
    np.testing.assert_allclose(image[:, 1:, -1:], beyond, atol=1e-5)


def test_parts_are_those_of_their_own_latents():
    model = make()
    z, other = latents(), latents(seed=1)
    assert model.latent_dims == {"appearance": 4, "geometry": 3}
    parts = {name: model.part(name, z[name]) for name in z}
    np.testing.assert_array_equal(parts["appearance"], model.appearance(z["appearance"]))
    np.testing.assert_array_equal(parts["geometry"], model.geometry(z["geometry"]))
    parts["geometry"] = model.part("geometry", other["geometry"])
    recombined = model({"appearance": z["appearance"], "geometry": other["geometry"]})
    np.testing.assert_array_equal(model.combine(parts), recombined)
    with pytest.raises(KeyError):
        model.part("color", z["appearance"])


def affine_field(xx, xy, yx, yy, batch=1):
    """Displacement of the map (x, y) -> (xx x + xy y, yx x + yy y)."""
    x, y = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
    field = np.stack([xx * x + xy * y - x, yx * x + yy * y - y], -1)
    return tf.constant(np.repeat(field[None], batch, 0), tf.float32)


@pytest.mark.parametrize(
    "matrix, penalty_per_cell",
    [
        ((1, 0, 0, 1), 0),
        ((0.5, 0.2, -0.3, 0.8), 0),  # determinant 0.46
        ((-1, 0, 0, 1), 1.1**2),  # mirrored
        ((0, 1, 1, 0), 1.1**2),  # transposed
        ((0.5, 0, 0, 0.1), 0.05**2),
    ],
)
def test_fold_penalty_on_affine_fields(matrix, penalty_per_cell):
    model = make(fold_penalty=0.5)
    penalty = model.regularization({"geometry": affine_field(*matrix, batch=3)})
    np.testing.assert_allclose(penalty, 0.5 * penalty_per_cell, rtol=1e-3, atol=1e-6)


def test_fold_penalty_is_a_mean_over_the_batch():
    model = make(fold_penalty=1.0)
    fields = tf.concat([affine_field(-1, 0, 0, 1), affine_field(1, 0, 0, 1, batch=3)], 0)
    penalty = model.regularization({"geometry": fields})
    np.testing.assert_allclose(penalty, 1.1**2 / 4, rtol=1e-4)


def test_mean_penalty_by_hand():
    fields = np.zeros((2, SIDE, SIDE, 2), np.float32)
    fields[0] = 3  # the mean of the batch is (1.5, 1.5) everywhere, but for one pixel
    fields[1, 5, 7] = (1, -3)
    expected = 0.25 * ((SIDE**2 - 1) * 2 * 1.5**2 + 2.0**2) / SIDE**4
    penalty = make(mean_penalty=0.25).regularization({"geometry": tf.constant(fields)})
    np.testing.assert_allclose(penalty, expected, rtol=1e-5)
    opposite = tf.constant(np.stack([fields[0], -fields[0]]))
    assert make(mean_penalty=0.25).regularization({"geometry": opposite}) == 0


def test_the_penalties_add_up_and_are_off_by_default():
    fields = {"geometry": affine_field(-1, 0, 0, 1)}
    fold = make(fold_penalty=0.3).regularization(fields)
    mean = make(mean_penalty=0.7).regularization(fields)
    bent = {"geometry": fields["geometry"] ** 2 / 10}
    variation = make(variation_penalty=0.2).regularization(bent)
    np.testing.assert_allclose(variation, 0.2 * slope_variation(bent["geometry"]), rtol=1e-6)
    both = make(fold_penalty=0.3, mean_penalty=0.7).regularization(fields)
    np.testing.assert_allclose(both, fold + mean, rtol=1e-6)
    assert make().regularization(fields) == 0


def test_diagnostics_by_hand():
    field = np.zeros((1, SIDE, SIDE, 2), np.float32)
    field[0, : SIDE // 2] = (3, -4)
    field[0, 0, 0] = (9.95, 0)  # saturated: 9.95 of 10 pixels; its cell folds, dx falls by 7
    image = np.zeros((1, SIDE, SIDE, 3), np.float32)
    image[0, :8] = -0.995
    diagnostics = make().diagnostics(
        {"geometry": tf.constant(field), "appearance": tf.constant(image)}
    )
    pixels, cells = SIDE**2, (SIDE - 1) ** 2
    mean = (5 * (pixels / 2 - 1) + 9.95) / pixels
    np.testing.assert_allclose(diagnostics["displacement"], mean, rtol=1e-5)
    np.testing.assert_allclose(diagnostics["saturated_geometry"], 1 / (2 * pixels), rtol=1e-5)
    np.testing.assert_allclose(diagnostics["saturated_appearance"], 0.25, rtol=1e-5)
    np.testing.assert_allclose(diagnostics["folded"], 1 / cells, rtol=1e-5)


def test_generators_of_different_sides_are_refused():
    with pytest.raises(ValueError, match="appearance 32, geometry 64"):
        DeformableGenerator(AppearanceGenerator(side=32), GeometricGenerator(side=64))


def test_an_unknown_border_is_refused_at_once():
    with pytest.raises(ValueError, match="border"):
        make(border="mirror")


def test_a_saved_deformable_generator_is_the_same(tmp_path):
    settings = {
        "border": "zeros",
        "fold_penalty": 0.1,
        "mean_penalty": 0.2,
        "jit_compile_warp": False,
    }
    model = make(**settings)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert {name: getattr(loaded, name) for name in settings} == settings
    z = latents()
    np.testing.assert_array_equal(loaded(z), model(z))


def test_mixed_precision_keeps_parts_and_image_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model, z = make(), latents()
        assert model.part("geometry", z["geometry"]).dtype == tf.float32
        assert model(z).dtype == tf.float32
    finally:
        keras.config.set_dtype_policy("float32")
