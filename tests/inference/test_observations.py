"""What inference is not asked: images of another type, size or range, wrong ids and labels."""

import numpy as np
import pytest

from dgn_tf.config import Config, DataConfig, ModelConfig
from dgn_tf.inference.amortized import fit_encoder
from dgn_tf.inference.encoder import EncoderInference
from dgn_tf.inference.observations import observation_shape
from dgn_tf.inference.posterior import Inference
from dgn_tf.models.factory import make_encoder, make_model
from dgn_tf.utils.errors import InputError


def made(frames=0, **settings):
    config = Config(
        data=DataConfig(side=32, channels=3, frames=frames),
        model=ModelConfig(appearance_dim=3, geometry_dim=2, alpha=0.05, **settings),
    )
    return make_model(config.model, 32, 3, frames)


@pytest.fixture(scope="module")
def entries():
    """All that takes images, by name."""
    model, encoded = made(), made(model="vae", encoder_width=0.05)
    settings = ModelConfig(appearance_dim=3, geometry_dim=2, encoder_width=0.05)
    encoder = make_encoder(settings, model, 32, 3)
    z = {"appearance": np.zeros((2, 3)), "geometry": np.zeros((2, 2))}
    return {
        "Inference": Inference(model, steps=10, starts=1),
        "EncoderInference": EncoderInference(encoded),
        "fit_encoder": lambda images: fit_encoder(model, encoder, images, z, epochs=1),
    }


IMAGES = np.zeros((2, 32, 32, 3), np.float32)
NAN = IMAGES.copy()
NAN[1, 2, 3, 0] = np.nan


@pytest.mark.parametrize("name", ["Inference", "EncoderInference", "fit_encoder"])
@pytest.mark.parametrize(
    ("images", "said"),
    [
        (IMAGES.astype(np.uint8), r"in \[-1, 1\], not uint8: .* images / 127.5 - 1.0"),
        (IMAGES.astype(np.int64), "not int64"),
        (IMAGES.astype(bool), "not bool"),
        (NAN, r"images must be finite; there is a NaN or an infinity at \[1, 2, 3, 0\]"),
        (IMAGES - np.inf, "images must be finite"),
        (255 * (IMAGES + 1), r"in \[-1, 1\]; these go from 255 to 255"),
        (IMAGES[0], r"images must have shape \[any, 32, 32, 3\]; it has \[32, 32, 3\]"),
        (IMAGES[..., :1], r"images must have shape \[any, 32, 32, 3\]; it has \[2, 32, 32, 1\]"),
        (IMAGES[:, :1, :1], r"images must have shape \[any, 32, 32, 3\]"),
        (IMAGES[:0], "there are no images"),
        (0.5, "images must have shape"),
    ],
)
def test_images_that_are_none_are_refused(entries, name, images, said):
    with pytest.raises(InputError, match=said):
        entries[name](images)


def test_any_floating_type_is_taken_and_rounding_is_forgiven(entries):
    x = np.random.default_rng(0).uniform(-1, 1, IMAGES.shape).astype(np.float16)
    x[0, 0, 0] = 1.0005
    wanted = entries["Inference"](x.astype(np.float32))
    for images in (x, x.astype(np.float64), x.tolist()):
        for group, z in entries["Inference"](images).items():
            np.testing.assert_array_equal(z, wanted[group])


@pytest.mark.parametrize(
    ("ids", "said"),
    [([1], "for each of 2 images"), ([0.5, 1.5], "whole number"), ([[1, 2]], r"\[1, 2\]")],
)
def test_ids_are_one_for_each_image(entries, ids, said):
    with pytest.raises(InputError, match=said):
        entries["Inference"](IMAGES, ids)


def test_labels_are_one_for_each_image():
    infer = Inference(made(appearance="label"), steps=10, starts=1)
    labels = np.eye(3)[[0, 1]]
    assert infer(IMAGES, given={"appearance": labels})["geometry"].shape == (2, 2)
    for wrong, said in (
        (labels[:1], r"given\['appearance'\] must have shape \[2, 3\]; it has \[1, 3\]"),
        (labels[:, :2], "must have shape"),
        (labels + np.nan, "must be finite"),
        ([["a"] * 3] * 2, "must be numbers"),
    ):
        with pytest.raises(InputError, match=said):
            infer(IMAGES, given={"appearance": wrong})
    with pytest.raises(InputError, match="the model needs to be given"):
        infer(IMAGES)


def test_the_shape_is_that_of_what_a_model_makes():
    assert observation_shape(made()) == [32, 32, 3]
    assert observation_shape(made(4, model="dynamic", width=0.05)) == [4, 32, 32, 3]
