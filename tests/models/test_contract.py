"""What every model promises (`dgn_tf.types.LatentModel`), for each that the settings can name.

A new model is one entry of `CASES`; its own test file holds what is special about it, as
tests/models/baselines/test_abp.py does.
"""

import dataclasses
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgn_tf.config import (
    APPEARANCES,
    CLIP_MODELS,
    ENCODED_MODELS,
    MODELS,
    Config,
    DataConfig,
    ModelConfig,
    TrainingConfig,
)
from dgn_tf.data.examples import Examples
from dgn_tf.inference.energy import energy
from dgn_tf.inference.langevin import langevin
from dgn_tf.models import factory
from dgn_tf.serving import saved_model
from dgn_tf.serving.saved_model import export_saved_model, model_signatures
from dgn_tf.training.factory import make_learner
from dgn_tf.types import (
    ClipModel,
    EncodedModel,
    LatentModel,
    Learner,
    has_geometry,
    one_hot_groups,
)
from dgn_tf.utils.errors import InputError

SIDE, FRAMES = 32, 3
# As many frames in a batch of clips as images in one of images, so that XLA compiles the warp once.
IMAGES, CLIPS = 6, 2
TINY = {
    "appearance_dim": 3,
    "geometry_dim": 2,
    "appearance_noise_dim": 1,
    "geometry_noise_dim": 2,
    "alpha": 0.05,
    "width": 0.1,
    "encoder_width": 0.1,
}
CASES = {
    "deformable": {"fold_penalty": 0.5, "mean_penalty": 0.25, "variation_penalty": 0.1},
    "deformable with labels": {"appearance": "label"},
    "deformable with classes": {"appearance": "categorical"},
    "deformable with refinement": {"refinement": 0.1},
    "abp": {"model": "abp"},
    "vae": {"model": "vae"},
    "deformable_vae": {"model": "deformable_vae"},
    "deforming_autoencoder": {"model": "deforming_autoencoder"},
    "dynamic": {
        "model": "dynamic",
        "appearance_scheme": 2,
        "geometry_scheme": 2,
        "geometry_beta": 1.0,
        "residual": True,
    },
    "mocogan": {"model": "mocogan", "appearance_scheme": 2},
}
NOT_EXPORTED = ("mocogan",)
SETTINGS = {name: ModelConfig(**TINY, **settings) for name, settings in CASES.items()}


def cases_of(models):
    return [name for name, settings in SETTINGS.items() if settings.model in models]


def test_every_model_is_tested_here():
    cases = SETTINGS.values()
    assert {settings.model for settings in cases} == set(MODELS) == set(factory.MODELS)
    assert {settings.appearance for settings in cases} == set(APPEARANCES)
    assert any(settings.refinement for settings in cases)


@pytest.fixture(scope="module", params=SETTINGS)
def case(request):
    """A model with weights that make it do something, and latents and observations of it."""
    settings = SETTINGS[request.param]
    keras.utils.set_random_seed(0)
    frames = FRAMES if settings.model in CLIP_MODELS else 0
    model = factory.make_model(settings, SIDE, 1, frames)
    rng = np.random.default_rng(0)
    # Fields of pixels, and a refinement that is not the identity.
    model.set_weights(
        [w + 0.1 * rng.standard_normal(w.shape).astype("f") for w in model.get_weights()]
    )
    batch = CLIPS if frames else IMAGES
    z = latents_of(model, batch, seed=0)
    return types.SimpleNamespace(
        settings=settings,
        frames=frames,
        batch=batch,
        model=model,
        z=z,
        parts={name: model.part(name, value) for name, value in z.items()},
        x=model(z),
        other=model(latents_of(model, batch, seed=1)),
    )


def latents_of(model, batch, seed):
    rng = np.random.default_rng(seed)
    latents = {}
    for name, dim in model.latent_dims.items():
        if name in one_hot_groups(model):
            latents[name] = tf.one_hot((np.arange(batch) + seed) % dim, dim)
        else:
            latents[name] = tf.constant(rng.standard_normal((batch, dim)), tf.float32)
    return latents


def copy_of(model):
    copy = type(model).from_config(model.get_config())
    copy.set_weights(model.get_weights())
    return copy


def test_it_fulfills_the_contracts_that_its_name_says(case):
    model = case.model
    assert isinstance(model, LatentModel)
    assert isinstance(model, EncodedModel) == (case.settings.model in ENCODED_MODELS)
    assert isinstance(model, ClipModel) == (case.settings.model in CLIP_MODELS)
    assert set(one_hot_groups(model)) <= set(model.latent_dims)
    # Every weight belongs to one of the networks that have a name.
    assert sum(n.count_params() for n in model.networks.values()) == model.count_params()


def test_parts_and_observations_have_their_shapes_and_ranges(case):
    leading = (case.batch, case.frames) if case.frames else (case.batch,)
    assert case.x.shape == (*leading, SIDE, SIDE, 1) and case.x.dtype == tf.float32
    assert np.abs(case.x).max() <= 1 and np.std(case.x) > 0
    for name, part in case.parts.items():
        assert part.shape[0] == case.batch and part.dtype == tf.float32, name
        assert np.all(np.isfinite(part)), name
    if "appearance" in case.parts:
        assert case.parts["appearance"].shape == case.x.shape
        assert np.abs(case.parts["appearance"]).max() <= 1
    if has_geometry(case.model):
        field = case.parts["geometry"]
        assert field.shape == (*leading, SIDE, SIDE, 2) and np.abs(field).max() > 0.1
        if case.settings.model != "deforming_autoencoder":
            assert np.abs(field).max() <= case.settings.max_displacement * SIDE


def test_part_combine_and_call_agree(case):
    np.testing.assert_array_equal(case.model.combine(case.parts), case.x)
    # What one example gives does not depend on the others.
    one = case.model({name: z[1:2] for name, z in case.z.items()})
    np.testing.assert_allclose(one, case.x[1:2], atol=1e-5)


def test_regularization_and_diagnostics_are_finite_scalars(case):
    scalars = {"regularization": case.model.regularization(case.parts)}
    scalars |= case.model.diagnostics(case.parts)
    for name, value in scalars.items():
        assert value.shape == () and np.isfinite(value), name


@pytest.mark.parametrize("case", cases_of(ENCODED_MODELS), indirect=True)
def test_an_encoder_gives_latents_of_every_group(case):
    encoded = case.model.encode(case.x)
    assert list(encoded) == list(case.model.latent_dims)
    for name, values in encoded.items():
        for value in values:
            assert value is None or value.shape == case.z[name].shape, name


@pytest.mark.parametrize("case", cases_of(CLIP_MODELS), indirect=True)
def test_a_clip_unpacks_into_its_first_frame_and_what_moves_it(case):
    for name, dim in case.model.frame_dims.items():
        first, later = case.model.unpack(name, case.z[name])
        assert first.shape == (CLIPS, dim), name
        # Nothing moves a code of the whole clip.
        assert later.shape[:2] in [(CLIPS, FRAMES - 1), (CLIPS, 0)], name
        packed = np.concatenate([first, np.reshape(later, (CLIPS, -1))], axis=1)
        np.testing.assert_array_equal(packed, case.z[name], err_msg=name)
    still = {name: z[:, : case.model.frame_dims[name]] for name, z in case.z.items()}
    np.testing.assert_allclose(case.model(still), case.x[:, :1], atol=1e-5)


def assert_same(model, case):
    np.testing.assert_array_equal(model(case.z), case.x)
    assert type(model) is type(case.model)
    assert model.get_config() == case.model.get_config()
    assert model.latent_dims == case.model.latent_dims
    assert one_hot_groups(model) == one_hot_groups(case.model)
    if isinstance(model, EncodedModel):
        again, encoded = model.encode(case.x), case.model.encode(case.x)
        for name, values in encoded.items():
            for mine, other in zip(values, again[name], strict=True):
                assert (mine is None and other is None) or np.array_equal(mine, other), name


def test_its_config_makes_it_again(case):
    assert_same(copy_of(case.model), case)


def test_a_keras_file_keeps_it(case, tmp_path):
    case.model.save(tmp_path / "model.keras")
    assert_same(keras.models.load_model(tmp_path / "model.keras"), case)


def test_every_network_has_a_gradient(case):
    model = case.model
    with tf.GradientTape() as tape:
        z = case.z
        if isinstance(model, EncodedModel):
            encoded = model.encode(case.other)
            z = {n: m if v is None else m + tf.exp(v / 2) for n, (m, v) in encoded.items()}
        loss = tf.reduce_mean(tf.square(model(z) - case.other))
    weights = {name: network.trainable_variables for name, network in model.networks.items()}
    for name, gradients in tape.gradient(loss, weights).items():
        assert all(g is not None and np.all(np.isfinite(g)) for g in gradients), name
        assert any(np.any(np.not_equal(g, 0)) for g in gradients), name


def test_low_precision_gives_nearly_the_same_in_float32(case):
    low = factory.make_model(
        dataclasses.replace(case.settings, precision="mixed_bfloat16"), SIDE, 1, case.frames
    )
    low.set_weights(case.model.get_weights())
    made = {"x": low(case.z)} | {name: low.part(name, z) for name, z in case.z.items()}
    for name, value in ({"x": case.x} | case.parts).items():
        assert made[name].dtype == tf.float32, name
        assert np.std(made[name] - value) < 0.1 * np.std(value), name


def test_langevin_steps_lower_the_energy(case):
    fixed = case.model.given_groups
    # Two of them, so that a group moves with parts that the first step has made anew.
    moved = langevin(
        case.model, case.other, case.z, steps=2, step_size=0.05, sigma=1.0, fixed=fixed
    )
    assert list(moved) == list(case.z)
    for name, z in case.z.items():
        assert moved[name].shape == z.shape and moved[name].dtype == tf.float32
        assert np.any(moved[name] != z) == (name not in fixed), name
    before, after = (energy(case.model, case.other, z, 1.0) for z in (case.z, moved))
    assert np.all(after < before)


def test_a_learning_step_changes_every_network(case):
    model = copy_of(case.model)
    examples = Examples(
        np.uint8(np.round(127.5 * (case.other.numpy() + 1))),
        np.arange(case.batch),
        tuple(map(str, range(case.batch))),
    )
    # Without noise, whose compilation takes longer than the step: it knows nothing of the model.
    learning = TrainingConfig(
        epochs=1,
        batch_size=case.batch,
        langevin_steps=1,
        learning_rate="0.01",
        noise=False,
        proposals="none" if isinstance(model, EncodedModel) else "encoder",
    )
    given = {name: case.z[name].numpy() for name in model.given_groups}
    encoder = None
    if not isinstance(model, EncodedModel):
        encoder = factory.make_encoder(case.settings, model, SIDE, 1)
        guessed = {name: z for name, z in case.z.items() if name not in one_hot_groups(model)}
        guess = {name: mean.shape for name, (mean, _) in encoder(case.other).items()}
        # One for each class, where there are classes.
        classes = [model.latent_dims[name] for name in model.class_groups]
        assert guess == {n: [len(z), *classes, z.shape[1]] for n, z in guessed.items()}
    learner = make_learner(learning, examples, model, given, encoder=encoder)
    assert isinstance(learner, Learner)
    ids = tf.constant(examples.ids)
    metrics = learner.step(ids, ids, case.other)
    assert metrics["finite"] == 1 and metrics["loss"] > 0
    for name, network in model.networks.items():
        before = case.model.networks[name].get_weights()
        pairs = zip(before, network.get_weights(), strict=True)
        assert any(np.any(old != new) for old, new in pairs), name
    latents = learner.latents(examples)
    assert {n: z.shape for n, z in latents.items()} == {n: z.shape for n, z in case.z.items()}
    for name in model.given_groups:
        np.testing.assert_array_equal(latents[name], given[name])


def default_signature(*given):
    functions = model_signatures(*given)
    default = functions["serving_default"]
    return {name: function for name, function in functions.items() if function is default}


def test_it_is_exported_or_says_why_not(case, tmp_path, monkeypatch):
    config = Config(data=DataConfig(side=SIDE, channels=1, frames=case.frames), model=case.settings)
    if case.settings.model in NOT_EXPORTED:
        with pytest.raises(InputError, match="cannot be exported"):
            export_saved_model(config, case.model, tmp_path / "name")
        return
    # The signature that all have; tests/serving has the others, which take long to trace.
    monkeypatch.setattr(saved_model, "model_signatures", default_signature)
    # Compares the answers of the SavedModel with those of the model.
    path = export_saved_model(config, case.model, tmp_path / "name")
    assert (path / "saved_model.pb").is_file() and path.name == "1"
