"""Requests of any kind to a served model: finite numbers, or a refusal that says why."""

import io
import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from mutations import for_a_while, fuzz, in_time, mutants
from PIL import Image

EXTREMES = (
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    1e-45,
    1e-8,
    3.0,
    255.0,
    1e4,
    1e30,
    -3e38,
    3e38,
    math.nan,
    math.inf,
    -math.inf,
)
NUMBERS = {
    "steps": (0, -1, 1, 2, 10, 11, 2001, 2**31 - 1, -(2**31)),
    "seed": (-2, -1, 0, 1, 2**63 - 1, -(2**63)),
    "step_size": EXTREMES,
    "sigma": EXTREMES,
}
_RARELY = st.sampled_from((0, 0, 1, 3))
USUAL = {"steps": 2, "seed": 0, "step_size": 0.1, "sigma": 0.0}


# Beside the names of inputs, what refusals say.
REASONS = ("diverged", "files must be", "Invalid JPEG", "Invalid PNG")


def _file(kind, mode):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 14, 3), np.uint8))
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    image.convert(mode).save(buffer, kind, exif=exif)
    return buffer.getvalue()


FILES = {"a": _file("JPEG", "RGB"), "b": _file("PNG", "RGBA"), "c": _file("PNG", "P")}


def shapes(wanted):
    """Mostly the right shape with another batch, else another of any rank."""
    right = st.integers(0, 3).map(lambda batch: [batch, *wanted[1:]]) if wanted else st.just([])
    return st.one_of(right, right, right, st.lists(st.integers(0, 3), max_size=5))


@st.composite
def arrays(draw, name, info):
    """What may come as an input: numbers of all sizes in an array of some shape."""
    wanted = [size.size for size in info.tensor_shape.dim]
    if name in NUMBERS:
        kind = tf.DType(info.dtype).as_numpy_dtype
        # Mostly what can be answered, else a request of four numbers would never be.
        if draw(st.integers(0, 9)):
            return np.asarray(USUAL[name], kind)
        shape = draw(st.sampled_from(([], [], [], [1], [2], [0])))
        return np.full(shape, draw(st.sampled_from(NUMBERS[name])), kind)
    shape = draw(shapes([8 if size < 0 else size for size in wanted]))
    if info.dtype == tf.string.as_datatype_enum:
        # Mostly whole files, else a batch of several would never be answered.
        one = st.one_of(st.sampled_from(sorted(FILES.values())), *[mutants(FILES)] * draw(_RARELY))
        found = [draw(one) for _ in range(math.prod(shape))]
        files = np.empty(len(found), object)
        files[:] = [file if isinstance(file, bytes) else file[1] for file in found]
        return files.reshape(shape)
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    values = np.asarray(rng.uniform(0, 1, shape), np.float32)
    if draw(st.booleans()) and values.size:
        # One pixel or latent is enough to spoil an image.
        values.flat[draw(st.integers(0, values.size - 1))] = draw(st.sampled_from(EXTREMES))
    with np.errstate(over="ignore"):
        return values * np.float32(draw(st.sampled_from((1, 1, 1, -1, 3, 1e3, 1e38))))


@pytest.fixture(scope="module")
def ask(serve):
    """`ask(name, inputs)` is the answer of a signature or the server's refusal."""

    def call(name, inputs):
        try:
            return serve(name, inputs), ""
        except tf.errors.InvalidArgumentError as error:
            return None, error.message

    return call


@pytest.mark.parametrize(
    ("signature", "count"),
    [
        ("generate", 500),
        ("generate_png", 300),
        ("appearance", 300),
        ("displacement", 300),
        ("warp", 500),
        ("warp_bytes", 500),
        ("reconstruct", 500),
        ("reconstruct_bytes", 300),
    ],
)
def test_requests(serve, ask, signature, count):
    inputs = serve.signatures[signature].inputs
    outcomes = {"answers": 0, "refusals": 0}

    @fuzz(count)
    @given(st.fixed_dictionaries({name: arrays(name, info) for name, info in inputs.items()}))
    def check(request):
        with in_time():
            answer, refusal = ask(signature, request)
        if answer is None:
            outcomes["refusals"] += 1
            assert any(name in refusal for name in (*inputs, *REASONS)), refusal
            return
        outcomes["answers"] += 1
        batch = {len(value) for value in request.values() if value.ndim}
        for name, value in answer.items():
            assert len(value) in batch and len(batch) == 1
            if name.endswith("_bytes"):
                assert all(file.startswith(b"\x89PNG") for file in value)
            else:
                assert np.isfinite(value).all(), name

    for_a_while(check)
    assert min(outcomes.values()) > count / 50, outcomes
