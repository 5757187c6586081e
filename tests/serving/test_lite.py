"""Files for devices, run where there is no TensorFlow, and the warp in NumPy."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from dgn_tf.config.export import PARTS
from dgn_tf.models.factory import make_encoder
from dgn_tf.ops.resizing import enlarged_field
from dgn_tf.ops.warp import warp as model_warp
from dgn_tf.serving import convert
from dgn_tf.serving.lite import LiteModel, enlarge, warp
from dgn_tf.serving.portable import portable
from dgn_tf.utils.errors import InputError


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


IMAGE, FIELD = np.zeros((4, 4, 3)), np.zeros((4, 4, 2))


@pytest.mark.parametrize(
    ("image", "field", "said"),
    [
        (
            IMAGE,
            np.zeros((4, 5, 2)),
            r"displacement must have shape \[4, 4, 2\]; it has \[4, 5, 2\]",
        ),
        (IMAGE, FIELD + np.nan, r"displacement must be finite; .* at \[0, 0, 0\]"),
        (IMAGE, FIELD + np.inf, "displacement must be finite"),
        (IMAGE + np.nan, FIELD, "image must be finite"),
        (IMAGE.astype(int), FIELD, "image must be floating or uint8, not int64"),
        (IMAGE[None], FIELD[None], r"image must have shape \[any, any, any\]"),
        (IMAGE[:0], FIELD[:0], "image must have shape"),
    ],
)
def test_what_cannot_be_warped_is_refused(image, field, said):
    for border in ("edge", "zeros"):
        with pytest.raises(InputError, match=said):
            warp(image, field, border)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="border must be one of edge, zeros"):
        warp(np.zeros((4, 4)), np.zeros((4, 4, 2)), "wrap")
    for field in (FIELD[0], FIELD[:3], FIELD + np.nan, 1.0):
        with pytest.raises(InputError, match="displacement must"):
            enlarge(field, 8, 8)
    with pytest.raises(InputError, match="from 1 up, not 0 and 8"):
        enlarge(FIELD, 0, 8)


@pytest.fixture(scope="module")
def parts(served):
    encoder = make_encoder(served.config.model, served.model, 32, 3)
    return convert.make_parts(portable(served.config, served.model), encoder)


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


@pytest.mark.parametrize(
    ("part", "quantization"),
    [
        *((part, "float32") for part in PARTS),
        ("geometry", "int8"),
        ("generator", "float16"),
        ("appearance", "dynamic"),
        ("encoder", "int8"),
    ],
)
def test_a_file_takes_any_number_of_examples(served, parts, latents, tmp_path, part, quantization):
    plain = portable(served.config, served.model)
    calibration, test = (convert.with_images(plain, each) for each in latents)
    made = convert.convert(parts[part], quantization, calibration, test)
    path = tmp_path / "part.tflite"
    path.write_bytes(made.content)
    model = LiteModel(path)
    names = [spec.name for spec in parts[part].input_signature]
    for count in (1, 2, 3, 4, 5, 1):
        inputs = {name: test[name][:count] for name in names}
        found, wanted = model(**inputs), parts[part](*inputs.values())
        assert set(found) == set(wanted)
        for name, value in wanted.items():
            assert found[name].shape == value.shape
            assert np.abs(found[name] - value).max() <= made.errors[1] + 1e-5
        for row in range(count):
            alone = model(**{name: value[row : row + 1] for name, value in inputs.items()})
            for name in alone:
                # Rounded sums depend on the order that a size is computed in; both are near the
                # truth.
                most = 1e-5 if quantization == "float32" else 2 * made.errors[1] + 1e-5
                np.testing.assert_allclose(found[name][row], alone[name][0], atol=most)


def test_every_call_of_every_interpreter_answers_alike(parts, latents, tmp_path):
    made = convert.convert(parts["generator"], "float16", *latents)
    assert made.errors[1] < 0.02
    (tmp_path / "generator.tflite").write_bytes(made.content)
    np.savez(tmp_path / "z.npz", **{name: z[:1] for name, z in latents[1].items()})
    # In a process of its own what TensorFlow leaves in memory decides nothing.
    program = f"""
import numpy as np
from dgn_tf.serving.lite import LiteModel
z, rng, found = dict(np.load({str(tmp_path / "z.npz")!r})), np.random.default_rng(0), []
for _ in range(20):
    model = LiteModel({str(tmp_path / "generator.tflite")!r})
    found += [model(**z)["image"] for _ in range(3)]
    # Freed memory with numbers in it, as other work leaves it to the next interpreter.
    junk = [rng.standard_normal(size, np.float32) for size in rng.integers(10, 200_000, 20)]
    del junk
print(max(np.abs(each - found[0]).max() for each in found))
"""
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert float(said.stdout) < 1e-5


@pytest.fixture(scope="module")
def generator(served, parts, latents, tmp_path_factory):
    path = tmp_path_factory.mktemp("lite") / "generator.tflite"
    path.write_bytes(convert.convert(parts["generator"], "float32", *latents).content)
    return LiteModel(path)


A, G = np.zeros((3, 3)), np.zeros((3, 2))


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"z_appearance": A}, "the file takes z_appearance, z_geometry; it is given z_appearance"),
        ({"z_appearance": A, "z_geometry": G[:2]}, "the same number of examples"),
        ({"z_appearance": A, "z_geometry": A}, r"z_geometry must have shape \[any, 2\]"),
        ({"z_appearance": A[0], "z_geometry": G}, r"z_appearance must have shape \[any, 3\]"),
        ({"z_appearance": A[:0], "z_geometry": G[:0]}, "z_appearance must have shape"),
        ({"z_appearance": A + np.nan, "z_geometry": G}, r"z_appearance must be finite.*\[0, 0\]"),
        ({"z_appearance": A, "z_geometry": G + 1e300}, "z_geometry must be finite"),
        ({"z_appearance": A, "z_geometry": G.astype(str)}, "z_geometry must be numbers"),
    ],
)
def test_a_file_is_not_asked_for_what_it_cannot_answer(generator, inputs, said):
    with pytest.raises(InputError, match=said):
        generator(**inputs)
    assert generator(z_appearance=A, z_geometry=G)["image"].shape == (3, 32, 32, 3)


def test_an_encoder_takes_images_from_zero_to_one(parts, served, latents, tmp_path):
    plain = portable(served.config, served.model)
    both = [convert.with_images(plain, each) for each in latents]
    path = tmp_path / "encoder.tflite"
    path.write_bytes(convert.convert(parts["encoder"], "float32", *both).content)
    encoder, image = LiteModel(path), np.full((2, 32, 32, 3), 0.5)
    assert encoder(image=image)["z_geometry"].shape == (2, 2)
    for wrong, said in (
        (np.uint8(image), r"image must be floating numbers in \[0, 1\], not uint8.* / 255"),
        (image * 255, r"these go from 127.5 to 127.5"),
        (image + np.nan, "image must be finite"),
        (image[:, :16], r"image must have shape \[any, 32, 32, 3\]; it has \[2, 16, 32, 3\]"),
    ):
        with pytest.raises(InputError, match=said):
            encoder(image=wrong)


def test_a_file_of_one_example_is_asked_one_by_one(served, latents, tmp_path):
    plain = portable(served.config, served.model)
    earlier = tf.function(
        lambda z: {"displacement": plain.part("geometry", z)},
        input_signature=[tf.TensorSpec([1, 2], tf.float32, "z_geometry")],
        autograph=False,
    )
    path = tmp_path / "geometry.tflite"
    path.write_bytes(convert.convert(earlier, "float32", *latents).content)
    z = latents[1]["z_geometry"][:3]
    found = LiteModel(path)(z_geometry=z)["displacement"]
    np.testing.assert_allclose(found, plain.part("geometry", tf.constant(z)), atol=1e-4)


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


@pytest.mark.parametrize("content", [b"", b"nothing of the kind", b"\x1c\0\0\0TFL3" + bytes(40)])
def test_what_is_no_file_for_devices_is_named(tmp_path, content):
    path = tmp_path / "field.tflite"
    with pytest.raises(InputError, match="field.tflite`: there is no such file"):
        LiteModel(path)
    path.write_bytes(content)
    with pytest.raises(InputError, match="field.tflite` cannot be read as a .tflite file: "):
        LiteModel(path)
    with pytest.raises(InputError, match="cannot be read as a .tflite file: is a folder"):
        LiteModel(tmp_path)


def test_images_of_different_lengths_and_sizes_that_are_none_are_refused():
    field = np.zeros((8, 8, 2), np.float32)
    with pytest.raises(InputError, match="image has parts of different shapes"):
        warp([[1.0], [1.0, 2.0]], field)
    for height in (9.5, np.nan, "9", 0, None):
        with pytest.raises(InputError, match="must be whole numbers from 1 up"):
            enlarge(field, height, 9)
    assert enlarge(field, np.int64(9), 10).shape == (9, 10, 2)
