"""Signatures of clips against the dynamic model, and of models with labels and with encoders."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgn_tf.config import Config, DataConfig, ModelConfig, TrainingConfig
from dgn_tf.inference.posterior import Inference
from dgn_tf.models.factory import make_encoder, make_model
from dgn_tf.serving import saved_model
from dgn_tf.serving.convert import make_parts
from dgn_tf.serving.portable import portable
from dgn_tf.serving.saved_model import answer, golden_requests, model_signatures
from dgn_tf.utils.errors import InputError
from dgn_tf.visualize.images import png_bytes

FRAMES = 4


def make(frames=0, channels=1, **settings):
    """A config, the model of it with weights of some size, and its functions."""
    keras.utils.set_random_seed(0)
    config = Config(
        data=DataConfig(side=32, channels=channels, frames=frames),
        model=ModelConfig(appearance_dim=3, geometry_dim=2, alpha=0.05, **settings),
        learning=TrainingConfig(step_size="0.1", sigma="0.8"),
    )
    model = make_model(config.model, 32, channels, frames)
    rng = np.random.default_rng(0)
    model.set_weights([w + 0.1 * rng.standard_normal(w.shape) for w in model.get_weights()])
    return config, model, model_signatures(config, portable(config, model))


@pytest.fixture
def eagerly():
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def close(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def clips(tmp_path_factory, server):
    """The dynamic model, its functions, and what needs no inference as a server has it."""
    config, model, functions = make(FRAMES, model="dynamic", width=0.05, frames_per_chunk=2)
    path = tmp_path_factory.mktemp("clips") / "1"
    wanted = ("generate_clip", "continue_clip", "generate")
    saved_model._write_functions(path, portable(config, model), {n: functions[n] for n in wanted})
    return model, functions, server(path)


def packed(request):
    return {
        name: np.concatenate(
            [
                request[f"z_{name}"],
                request[f"noise_{name}"].reshape(len(request["z_geometry"]), -1),
            ],
            axis=1,
        )
        for name in ("appearance", "geometry")
    }


def some_request(model, batch=2, steps=FRAMES - 1):
    rng = np.random.default_rng(1)
    dims = model.emission.latent_dims
    noise = {n: t.settings["noise_dim"] for n, t in model.transitions.items()}
    return {
        **{f"z_{n}": rng.standard_normal((batch, d)).astype("f") for n, d in dims.items()},
        **{
            f"noise_{n}": rng.standard_normal((batch, steps, d)).astype("f")
            for n, d in noise.items()
        },
    }


def test_clips_are_those_of_the_model_and_go_on_as_it_does(clips):
    model, _, serve = clips
    request = some_request(model, steps=6)
    z = packed(request)
    first = {n: v if n.startswith("z") else v[:, :4] for n, v in request.items()}
    answers = serve("generate_clip", first)
    wanted = (model(z) + 1) / 2
    assert np.abs(model.part("geometry", z["geometry"])).max() > 1
    assert np.abs(wanted[:, 1:] - wanted[:, :1]).max() > 0.01
    close(answers["clip"], wanted[:, :5])
    close(answers["displacement"], model.part("geometry", z["geometry"])[:, :5])
    close(answers["canonical"], (model.part("appearance", z["appearance"])[:, :5] + 1) / 2)
    rest = {n: v if n.startswith("z") else v[:, 4:] for n, v in request.items()}
    rest |= {n: v for n, v in answers.items() if n.startswith("state")}
    answers = serve("continue_clip", rest)
    close(answers["clip"], wanted[:, 5:])
    states = model.transitions["geometry"].unroll(tf.constant(request["noise_geometry"]))
    close(answers["state_geometry"], states[:, -1])


def test_frames_are_images_of_their_own(clips):
    model, _, serve = clips
    z = {n: v for n, v in some_request(model).items() if n.startswith("z")}
    found = serve("generate", z)
    close(found["image"], (model.emission({n[2:]: v for n, v in z.items()}) + 1) / 2)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"noise_geometry": np.zeros([2, 2, 10], "f")}, "the same number of steps"),
        ({"noise_appearance": np.zeros([1, 3, 3], "f")}, "the same batch size"),
        ({"noise_appearance": np.zeros([2, 0, 3], "f")}, "noise_appearance must have shape"),
        (
            {
                "noise_appearance": np.zeros([2, 1001, 3], "f"),
                "noise_geometry": np.zeros([2, 1001, 10], "f"),
            },
            "must be from 1 to 1000",
        ),
    ],
)
def test_clips_that_cannot_be_are_refused(clips, changed, message):
    model, _, serve = clips
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        serve("generate_clip", some_request(model) | changed)


def test_a_clip_is_reconstructed_and_its_latents_make_it(clips, eagerly):
    model, functions, _ = clips
    clip = np.random.default_rng(2).uniform(size=(1, FRAMES, 32, 32, 1)).astype("f")
    request = {"clip": clip, "steps": 10, "step_size": 0.0, "sigma": 0.0, "seed": -1}
    found = answer(functions["reconstruct"], request)
    z = Inference(model, steps=10, step_size=0.1, sigma=0.8, starts=1)(2 * clip - 1)
    for name, value in packed(found).items():
        close(value, z[name])
    close(found["clip"], (model(z) + 1) / 2)
    given = {n: v for n, v in found.items() if n[:2] in ("z_", "no")}
    made = answer(functions["generate_clip"], given)
    close(made["clip"], found["clip"])
    close(made["state_geometry"], found["state_geometry"])


@pytest.mark.slow
def test_the_class_is_inferred_from_a_start_in_each(eagerly):
    _, model, functions = make(appearance="categorical")
    z = {"appearance": np.eye(3, dtype="f")[[2, 0]], "geometry": np.zeros((2, 2), "f")}
    x = np.clip((model(z).numpy() + 1) / 2, 0, 1)
    request = {"image": x, "steps": 40, "step_size": 0.0, "sigma": 0.0, "seed": -1}
    found = answer(functions["reconstruct"], request)
    wanted = Inference(model, steps=40, step_size=0.1, sigma=0.8, starts=1)(2 * x - 1)
    np.testing.assert_array_equal(found["z_appearance"], z["appearance"])
    np.testing.assert_array_equal(found["z_appearance"], wanted["appearance"])
    np.testing.assert_allclose(found["z_geometry"], wanted["geometry"], atol=1e-5)


def test_labels_are_given_and_not_inferred(eagerly):
    _, model, functions = make(appearance="label")
    x = np.random.default_rng(3).uniform(size=(2, 32, 32, 1)).astype("f")
    labels = np.eye(3, dtype="f")[[2, 0]]
    request = {
        "image": x,
        "steps": 10,
        "step_size": 0.0,
        "sigma": 0.0,
        "seed": -1,
        "z_appearance": labels,
    }
    found = answer(functions["reconstruct"], request)
    inference = Inference(model, steps=10, step_size=0.1, sigma=0.8, starts=1)
    z = inference(2 * x - 1, given={"appearance": labels})
    np.testing.assert_array_equal(found["z_appearance"], labels)
    close(found["z_geometry"], z["geometry"])
    close(found["image"], (model(z) + 1) / 2)
    with pytest.raises(tf.errors.InvalidArgumentError, match="the same batch size"):
        answer(functions["reconstruct"], request | {"z_appearance": labels[:1]})


@pytest.mark.parametrize("name", ["vae", "deforming_autoencoder"])
def test_a_model_with_an_encoder_needs_no_steps(name, eagerly):
    _, model, functions = make(model=name, encoder_width=0.2)
    x = np.random.default_rng(4).uniform(size=(2, 32, 32, 1)).astype("f")
    found = answer(functions["reconstruct"], {"image": x})
    for group, (mean, _) in model.encode(2 * x - 1).items():
        close(found[f"z_{group}"], mean)
    z = {group: mean for group, (mean, _) in model.encode(2 * x - 1).items()}
    close(found["image"], (model(z) + 1) / 2)
    deforms = "geometry" in model.latent_dims
    assert ("warp" in functions) == ("appearance" in functions) == deforms
    for request, inputs in golden_requests(functions).items():
        assert all(np.size(value) for value in answer(functions[request], inputs).values())


def test_a_plain_generator_has_images_alone(eagerly):
    _, model, functions = make(model="abp")
    files = {"reconstruct_bytes"}
    assert set(functions) == {"serving_default", "generate", "generate_png", "reconstruct"} | files
    z = np.random.default_rng(5).standard_normal((2, 3)).astype("f")
    found = answer(functions["generate"], {"z_appearance": z})
    assert set(found) == {"image"}
    close(found["image"], (model({"appearance": z}) + 1) / 2)
    assert set(make_parts(model)) == {"generator"}


def test_an_encoder_is_where_inference_starts(eagerly):
    config, model, _ = make()
    start = {"appearance": tf.ones([2, 3]), "geometry": -tf.ones([2, 2])}

    def encoder(x):
        return {name: (value + x[0, 0, 0, 0], None) for name, value in start.items()}

    functions = model_signatures(config, portable(config, model), encoder)
    request = {
        "image": np.full([2, 32, 32, 1], 0.5, "f"),
        "steps": 10,
        "step_size": 1e-6,
        "sigma": 0.0,
        "seed": -1,
    }
    found = answer(functions["reconstruct"], request)
    close(found["z_appearance"], start["appearance"])
    close(found["z_geometry"], start["geometry"])


def test_what_has_no_images_to_make_is_refused():
    config = Config(
        data=DataConfig(side=32, channels=1, frames=3), model=ModelConfig(model="mocogan")
    )
    with pytest.raises(InputError, match="`model=mocogan` cannot be exported"):
        portable(config, None)


def test_low_precision_becomes_float32():
    config, model, functions = make(precision="mixed_bfloat16")
    z = {n: np.ones([1, d], "f") for n, d in model.latent_dims.items()}
    plain = portable(config, model)
    assert plain.appearance.compute_dtype == "float32" and not plain.jit_compile_warp
    found = answer(functions["generate"], {f"z_{n}": v for n, v in z.items()})
    np.testing.assert_allclose(found["image"], (model(z) + 1) / 2, atol=0.05)


def test_an_encoder_of_clips_answers_with_what_it_guesses(eagerly):
    config, model, _ = make(FRAMES, model="dynamic", width=0.05, encoder_width=0.1)
    encoder = make_encoder(config.model, model, 32, 1)
    functions = model_signatures(config, portable(config, model), encoder)
    x = np.random.default_rng(0).uniform(size=(2, FRAMES, 32, 32, 1)).astype("f")
    found = answer(functions["encode"], {"clip": x})
    guess = {name: z for name, (z, _) in encoder(2 * x - 1).items()}
    for name, z in guess.items():
        first, noise = model.unpack(name, z)
        close(found[f"z_{name}"], first)
        close(found[f"noise_{name}"], noise)
    levels = np.uint8(np.rint(255 * x))
    files = np.array([[png_bytes(frame) for frame in clip] for clip in levels], object)
    of_files = answer(functions["encode_bytes"], {"clip_bytes": files})
    for name, value in answer(functions["encode"], {"clip": np.float32(levels) / 255}).items():
        np.testing.assert_allclose(of_files[name], value, atol=1e-5)
    request = {"clip": x, **saved_model.GOLDEN_NUMBERS, "step_size": np.float32(1e-4)}
    near = answer(functions["reconstruct"], {**request, "seed": np.int64(-1)})
    # Steps that hardly move: it has begun at the guess.
    for name in found.keys() & near.keys():
        np.testing.assert_allclose(near[name], found[name], atol=1e-3)
    assert np.abs(found["noise_geometry"]).max() > 2e-3
