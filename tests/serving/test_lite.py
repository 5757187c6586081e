"""Files for devices, run where there is no TensorFlow, and the warp in NumPy."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from dgn_tf.ops.resizing import enlarged_field
from dgn_tf.ops.warp import warp as model_warp
from dgn_tf.serving import convert
from dgn_tf.serving.lite import enlarge, warp
from dgn_tf.serving.portable import portable


@pytest.mark.parametrize("border", ["edge", "zeros"])
def test_the_warp_is_the_models(border):
    rng = np.random.default_rng(0)
    image = rng.uniform(-1, 1, (9, 14, 3)).astype(np.float32)
    field = rng.uniform(-6, 6, (9, 14, 2)).astype(np.float32)
    field[0, :4] = [[0, 0], [1, 2], [-1e9, 1e9], [13, 0]]
    wanted = model_warp(image[None], field[None], border=border, jit_compile=False)[0]
    np.testing.assert_allclose(warp(image, field, border), wanted, atol=2e-6)
    np.testing.assert_allclose(warp(image[..., 0], field, border), wanted[..., 0], atol=2e-6)


def test_images_of_bytes_stay_so():
    image = np.random.default_rng(1).integers(0, 256, (6, 7, 3), np.uint8)
    np.testing.assert_array_equal(warp(image, np.zeros((6, 7, 2))), image)
    half = warp(image, np.full((6, 7, 2), [0.5, 0.0]))
    assert half.dtype == np.uint8
    between = (image[:, :-1].astype(float) + image[:, 1:]) / 2
    assert np.abs(half[:, :-1] - between).max() <= 0.5


def test_fields_are_enlarged_as_in_the_model():
    field = np.random.default_rng(2).standard_normal((8, 8, 2)).astype(np.float32)
    for size in ((8, 8), (32, 20), (5, 13)):
        wanted = enlarged_field(field[None], *size)[0]
        np.testing.assert_allclose(enlarge(field, *size), wanted, atol=1e-5)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="displacement must have shape"):
        warp(np.zeros((4, 4, 3)), np.zeros((4, 5, 2)))
    with pytest.raises(ValueError, match="border must be one of edge, zeros"):
        warp(np.zeros((4, 4)), np.zeros((4, 4, 2)), "wrap")


@pytest.fixture(scope="module")
def parts(served):
    return convert.make_parts(portable(served.config, served.model))


@pytest.fixture(scope="module")
def latents(served):
    return convert.calibration_latents(served.model, served.chains)


def built_in(content, capfd):
    tf.lite.experimental.Analyzer.analyze(model_content=content)
    text = capfd.readouterr().out
    assert "Subgraph#0" in text
    return not any(word in text for word in ("Flex", "CUSTOM", "VAR_HANDLE", "READ_VARIABLE"))


@pytest.mark.parametrize(
    ("part", "quantization", "most"),
    [
        ("geometry", "float32", 1e-4),
        ("generator", "float16", 0.02),
        ("appearance", "dynamic", 0.05),
    ],
)
def test_conversions_make_what_the_model_makes(parts, latents, capfd, part, quantization, most):
    made = convert.convert(parts[part], quantization, *latents)
    assert built_in(made.content, capfd)
    assert made.errors[0] <= made.errors[1] < most
    names = [spec.name for spec in parts[part].input_signature]
    z = {name: latents[1][name][:2] for name in names}
    wanted = [next(iter(parts[part](*(z[n][i : i + 1] for n in names)).values())) for i in (0, 1)]
    found = convert.run(made.content, z)
    assert np.abs(found - np.concatenate(wanted)).max() <= made.errors[1] + 1e-6


def test_integers_keep_the_field_and_run_without_tensorflow(
    served, parts, latents, capfd, tmp_path
):
    made = convert.convert(parts["geometry"], "int8", *latents)
    assert built_in(made.content, capfd)
    exact = convert.convert(parts["geometry"], "float32", *latents)
    assert len(made.content) < 0.6 * len(exact.content)
    # The field is several pixels; a scale from its ranges makes 8 bits fine enough.
    assert 0 < made.errors[0] < 0.5
    path = tmp_path / "geometry_int8.tflite"
    path.write_bytes(made.content)
    program = f"""
import sys
sys.modules["tensorflow"] = sys.modules["keras"] = None
import numpy as np
from dgn_tf.serving.client import RestClient
from dgn_tf.serving.lite import LiteModel, enlarge, warp
z = np.load({str(tmp_path / "z.npy")!r})
field = LiteModel({str(path)!r})(z_geometry=z)["displacement"][0]
image = np.arange(40 * 60 * 3, dtype=np.uint8).reshape(40, 60, 3)
np.savez({str(tmp_path / "out.npz")!r}, field=field, warped=warp(image, enlarge(field, 40, 60)))
"""
    z = latents[1]["z_geometry"][:1]
    np.save(tmp_path / "z.npy", z)
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    with np.load(tmp_path / "out.npz") as out:
        assert out["warped"].shape == (40, 60, 3)
        wanted = served.model.part("geometry", tf.constant(z))[0]
        length = np.linalg.norm(out["field"] - wanted, axis=-1)
        assert length.max() <= made.errors[1] + 1e-6 and np.abs(wanted).max() > 1


def test_ranges_and_errors_are_measured_on_different_latents(served, latents):
    calibration, test = latents
    rows = {tuple(z) for z in served.chains["geometry"]}
    first, second = ({tuple(z) for z in part["z_geometry"]} for part in latents)
    assert first | second == rows and not first & second
    assert set(calibration) == set(test) == {"z_appearance", "z_geometry"}
    drawn, _ = convert.calibration_latents(
        served.model, {"appearance": served.chains["appearance"]}
    )
    assert drawn["z_geometry"].shape == (24, 2)
