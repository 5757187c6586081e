"""The models in saved_models, which work in a fresh clone with no training."""

import hashlib
import pathlib

import numpy as np
import pytest

from dgn_tf.inference.statistics import LatentStatistics
from dgn_tf.serving import convert, exported, saved_model
from dgn_tf.serving.portable import portable
from dgn_tf.utils.painted import is_painted

MODELS = pathlib.Path(__file__).parents[2] / "saved_models"
SHIPPED, PORTRAITS = MODELS / "heads64/2", MODELS / "portraits64/2"
PLAIN = ("generate", "generate_png", "appearance", "displacement", "warp", "warp_bytes")


@pytest.mark.parametrize(("shipped", "limit"), [(SHIPPED, 3e6), (PORTRAITS, 5e6)])
def test_its_files_are_those_that_were_summed(shipped, limit):
    lines = (shipped / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    sums = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    found = {
        str(path.relative_to(shipped)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in shipped.rglob("*")
        if path.is_file() and path.name != "SHA256SUMS"
    }
    assert found == sums
    assert sum(path.stat().st_size for path in shipped.rglob("*") if path.is_file()) < limit


@pytest.mark.parametrize("shipped", [SHIPPED, PORTRAITS])
def test_its_picture_is_no_example(shipped):
    assert is_painted(shipped / "picture.png")


def test_it_answers_its_golden_requests_as_a_server_loads_it():
    with np.load(SHIPPED / "golden.npz") as arrays:
        golden = {name: arrays[name] for name in arrays}
    requests, wanted = {}, {}
    for name, value in golden.items():
        signature, kind, key = name.split("/")
        # Langevin steps take seconds, and are tested on a smaller model.
        if not signature.startswith("reconstruct"):
            (requests if kind == "inputs" else wanted).setdefault(signature, {})[key] = value
    found = saved_model.answers_of(SHIPPED, requests)
    assert set(found) == {*PLAIN, "encode", "encode_bytes"}
    for signature, outputs in wanted.items():
        for key, value in outputs.items():
            if value.dtype.kind == "f":
                np.testing.assert_allclose(found[signature][key], value, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("quantization", "limit"), [("float32", 1e-3), ("int8", 0.5)])
def test_its_geometry_fits_a_device(quantization, limit):
    config, model, latents, *_ = exported.load(SHIPPED)
    plain = portable(config, model)
    made = convert.convert(
        convert.make_parts(plain)["geometry"],
        quantization,
        *convert.calibration_latents(plain, latents),
    )
    # Pixels, at the 99th percentile.
    assert made.errors[0] < limit


def test_its_encoder_guesses_heads_better_than_the_mean_head():
    _, model, latents, _, encoder = exported.load(SHIPPED)
    x = model({name: z[:20] for name, z in latents.items()})
    guess = model({name: z for name, (z, _) in encoder(x).items()})
    mean = model({name: z.mean(axis=0, keepdims=True) for name, z in latents.items()})
    assert np.mean((guess - x) ** 2) < 0.3 * np.mean((mean - x) ** 2)


def test_its_statistics_are_of_its_latents_and_know_how_well_heads_fit():
    _, model, latents, *_ = exported.load(SHIPPED)
    statistics = LatentStatistics.load(SHIPPED / "statistics.npz")
    fitted = LatentStatistics.fit(latents)
    for name in model.latent_dims:
        np.testing.assert_allclose(statistics.means[name], fitted.means[name], atol=1e-6)
    assert 20 < statistics.errors[0] < statistics.errors[-1] < 100


def test_portraits_are_painted_from_no_ones_latents():
    _, model, latents, _, encoder = exported.load(PORTRAITS)
    assert latents is None and encoder is not None
    statistics = LatentStatistics.load(PORTRAITS / "statistics.npz")
    z = statistics.sample(20)
    x = model(z)
    # People differ, and the encoder knows them again.
    guess = model({name: mean for name, (mean, _) in encoder(x).items()})
    mean = model({name: value.mean(axis=0, keepdims=True) for name, value in z.items()})
    assert np.mean((guess - x) ** 2) < 0.3 * np.mean((mean - x) ** 2)
