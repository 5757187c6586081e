"""The warp against Eq. 4 in float64, finite differences, tensorflow_addons and its exports."""

import numpy as np
import pytest
import tensorflow as tf

from dgn_tf.ops.warp import BORDERS, _compiled, warp

both_borders = pytest.mark.parametrize("border", BORDERS)
both_compilations = pytest.mark.parametrize("jit_compile", [True, False])


def equation_4(image, displacement, border):
    """The double sum of Eq. 4, literally, at every pixel, in float64."""
    batch, height, width, _ = image.shape
    output = np.zeros(image.shape)
    for b, y, x in np.ndindex(batch, height, width):
        u, v = x + float(displacement[b, y, x, 0]), y + float(displacement[b, y, x, 1])
        if border == "edge":
            u, v = min(max(u, 0.0), width - 1.0), min(max(v, 0.0), height - 1.0)
        for j, i in np.ndindex(height, width):
            weight = max(0.0, 1 - abs(u - i)) * max(0.0, 1 - abs(v - j))
            output[b, y, x] += weight * image[b, j, i].astype(np.float64)
    return output


def example(batch=2, height=4, width=6, channels=3, seed=0):
    """A random image and a field that leaves it at every side, off whole-numbered coordinates."""
    rng = np.random.default_rng(seed)
    image = rng.uniform(-1, 1, (batch, height, width, channels)).astype(np.float32)
    whole = rng.integers(-4, 4, (batch, height, width, 2))
    fraction = rng.uniform(0.1, 0.9, whole.shape)
    return image, (whole + fraction).astype(np.float32)


def value_and_gradients(image, displacement, upstream, **settings):
    image, displacement = tf.constant(image), tf.constant(displacement)
    with tf.GradientTape() as tape:
        tape.watch([image, displacement])
        output = warp(image, displacement, **settings)
    gradients = tape.gradient(output, [image, displacement], output_gradients=upstream)
    return output.numpy(), gradients[0].numpy(), gradients[1].numpy()


def finite_differences(function, argument, step=1e-5):
    argument = argument.astype(np.float64)
    gradient = np.zeros(argument.shape)
    for index in np.ndindex(argument.shape):
        ahead, behind = argument.copy(), argument.copy()
        ahead[index] += step
        behind[index] -= step
        gradient[index] = (function(ahead) - function(behind)) / (2 * step)
    return gradient


@both_compilations
@both_borders
def test_zero_displacement_is_exactly_the_identity(border, jit_compile):
    image, displacement = example()
    output = warp(image, np.zeros_like(displacement), border, jit_compile)
    np.testing.assert_array_equal(output, image)


@both_borders
@pytest.mark.parametrize("dx, dy", [(1, 0), (-1, 0), (0, 1), (0, -1)])
def test_a_shift_by_one_pixel_reads_the_neighbor(border, dx, dy):
    image, displacement = example()
    rim = {"edge": "edge", "zeros": "constant"}[border]
    padded = np.pad(image, [(0, 0), (1, 1), (1, 1), (0, 0)], mode=rim)
    expected = padded[:, 1 + dy : 5 + dy, 1 + dx : 7 + dx]
    displacement = np.zeros_like(displacement) + np.float32([dx, dy])
    np.testing.assert_array_equal(warp(image, displacement, border), expected)


@both_compilations
@both_borders
@pytest.mark.parametrize("shape", [(2, 4, 6, 3), (1, 3, 1, 1), (1, 1, 4, 1)])
def test_value_is_equation_4(border, jit_compile, shape):
    image, displacement = example(*shape)
    expected = equation_4(image, displacement, border)
    np.testing.assert_allclose(warp(image, displacement, border, jit_compile), expected, atol=1e-6)


def test_zeros_border_fades_within_one_pixel():
    image = np.ones((1, 1, 4, 1), np.float32)
    coordinates = np.float32([-0.25, 3.75, -1.0, 4.0])
    displacement = np.stack([coordinates - np.arange(4), np.zeros(4)], -1)[None, None]
    output = warp(image, displacement.astype(np.float32), "zeros")
    np.testing.assert_allclose(output[0, 0, :, 0], [0.75, 0.25, 0.0, 0.0], atol=1e-6)


@both_compilations
@both_borders
@pytest.mark.parametrize("shape", [(1, 3, 4, 2), (1, 3, 1, 1)])
def test_gradients_are_those_of_equation_4(border, jit_compile, shape):
    image, displacement = example(*shape, seed=1)
    upstream = np.random.default_rng(2).normal(size=image.shape).astype(np.float32)
    _, to_image, to_displacement = value_and_gradients(
        image, displacement, upstream, border=border, jit_compile=jit_compile
    )
    expected = finite_differences(
        lambda a: np.sum(upstream * equation_4(a, displacement, border)), image
    )
    np.testing.assert_allclose(to_image, expected, atol=1e-5)
    expected = finite_differences(
        lambda a: np.sum(upstream * equation_4(image, a, border)), displacement
    )
    np.testing.assert_allclose(to_displacement, expected, atol=1e-5)


def test_gradient_on_a_ramp_is_the_slope_and_zero_beyond_the_edge():
    x, y = np.meshgrid(np.arange(5), np.arange(4))
    image = (0.3 * x - 0.7 * y).astype(np.float32)[None, ..., None]
    for displacement, expected in (
        # Zero displacement touches the edge without leaving it: the slope holds at every pixel.
        ([0.0, 0.0], [0.3, -0.7]),
        ([9.0, -9.0], [0.0, 0.0]),
    ):
        field = np.zeros((1, 4, 5, 2), np.float32) + np.float32(displacement)
        gradient = value_and_gradients(image, field, np.ones_like(image))[2]
        np.testing.assert_allclose(gradient, np.broadcast_to(expected, field.shape), atol=1e-6)


def test_agrees_with_tensorflow_addons():
    tfa = pytest.importorskip("tensorflow_addons")
    image, displacement = example(seed=3)
    upstream = np.random.default_rng(4).normal(size=image.shape).astype(np.float32)
    ours = value_and_gradients(image, displacement, upstream, border="edge")
    image, displacement = tf.constant(image), tf.constant(displacement)
    with tf.GradientTape() as tape:
        tape.watch([image, displacement])
        theirs = tfa.image.dense_image_warp(image, -tf.reverse(displacement, [-1]))
    gradients = tape.gradient(theirs, [image, displacement], output_gradients=upstream)
    for mine, other in zip(ours, [theirs, *gradients], strict=True):
        np.testing.assert_allclose(mine, other, atol=2e-6)


@both_compilations
@both_borders
def test_nan_and_infinite_displacements_are_contained(border, jit_compile):
    image, _ = example()
    displacement = np.zeros((2, 4, 6, 2), np.float32)
    displacement[0, 1, 2, 0] = np.nan
    displacement[0, 2, 3, 1] = np.nan
    displacement[0, 0, 0] = [np.inf, -np.inf]
    displacement[0, 3, 5] = [-np.inf, 1e30]
    output, _, to_displacement = value_and_gradients(
        image, displacement, np.ones_like(image), border=border, jit_compile=jit_compile
    )
    expected = image.copy()
    expected[0, 1, 2] = expected[0, 2, 3] = np.nan
    expected[0, 0, 0] = image[0, 0, 5] if border == "edge" else 0.0
    expected[0, 3, 5] = image[0, 3, 0] if border == "edge" else 0.0
    np.testing.assert_array_equal(output, expected)
    is_nan = np.isnan(to_displacement).all(-1)
    np.testing.assert_array_equal(np.argwhere(is_nan), [[0, 1, 2], [0, 2, 3]])
    assert np.isfinite(to_displacement[~is_nan]).all()
    np.testing.assert_array_equal(to_displacement[0, [0, 3], [0, 5]], np.zeros((2, 2)))


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_pieces_of_a_batch_give_the_bits_of_the_whole(monkeypatch, batch):
    arguments = (*example(batch), np.random.default_rng(1).normal(size=(batch, 4, 6, 3)))
    found = []
    for cores in (1, 3):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        _compiled.cache_clear()
        found.append(value_and_gradients(*arguments[:2], arguments[2].astype(np.float32)))
    _compiled.cache_clear()
    for whole, pieces in zip(*found, strict=True):
        np.testing.assert_array_equal(pieces, whole)


def test_runs_with_unknown_sizes_inside_a_graph():
    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, None, None]),
            tf.TensorSpec([None, None, None, 2]),
        ]
    )
    def value_and_gradient(image, displacement):
        with tf.GradientTape() as tape:
            tape.watch(displacement)
            output = warp(image, displacement)
        return output, tape.gradient(output, displacement)

    for shape in ((2, 4, 6, 3), (1, 3, 1, 1)):
        image, displacement = example(*shape, seed=5)
        output, gradient = value_and_gradient(image, displacement)
        expected = value_and_gradients(image, displacement, np.ones_like(image))
        np.testing.assert_allclose(output, expected[0], atol=1e-6)
        np.testing.assert_allclose(gradient, expected[2], atol=1e-6)


def test_graph_keeps_static_shape_and_drops_the_unneeded_gradient():
    @tf.function
    def image_gradient(image, displacement):
        with tf.GradientTape() as tape:
            tape.watch(image)
            output = warp(image, displacement)
        assert output.shape == image.shape
        return tape.gradient(output, image)

    image, displacement = (tf.constant(a) for a in example())
    graph = image_gradient.get_concrete_function(image, displacement).graph
    needed = tf.compat.v1.graph_util.extract_sub_graph(
        graph.as_graph_def(), [graph.outputs[0].op.name]
    )
    called = {node.attr["f"].func.name for node in needed.node if "Call" in node.op}
    assert len(called) == 1 and "image_gradient" in called.pop()


def test_image_gradient_is_the_same_on_every_run():
    image, displacement = example(16, 32, 32, 3, seed=6)
    first, *others = [value_and_gradients(image, displacement, image)[1] for _ in range(5)]
    for other in others:
        np.testing.assert_array_equal(first, other)


def test_bfloat16_keeps_float32_coordinates():
    # 200.5 rounds to 200 in bfloat16, which would give the left pixel alone.
    image = np.zeros((1, 1, 256, 1), np.float32)
    image[0, 0, 201] = 1.0
    displacement = np.zeros((1, 1, 256, 2), np.float32)
    displacement[0, 0, 200, 0] = 0.5
    image, displacement = (tf.cast(a, tf.bfloat16) for a in (image, displacement))
    with tf.GradientTape() as tape:
        tape.watch([image, displacement])
        output = warp(image, displacement)
    assert output.dtype == tf.bfloat16
    assert float(output[0, 0, 200, 0]) == 0.5
    to_image, to_displacement = tape.gradient(output, [image, displacement])
    assert to_image.dtype == to_displacement.dtype == tf.bfloat16
    assert float(to_image[0, 0, 201, 0]) == 1.5
    assert float(to_displacement[0, 0, 200, 0]) == 1.0


@both_borders
def test_saved_model_returns_the_same(border, tmp_path):
    class Warp(tf.Module):
        @tf.function(
            input_signature=[tf.TensorSpec([None, 4, 6, 3]), tf.TensorSpec([None, 4, 6, 2])]
        )
        def __call__(self, image, displacement):
            return warp(image, displacement, border, jit_compile=False)

    module = Warp()
    tf.saved_model.save(module, str(tmp_path))
    image, displacement = example(batch=3)
    np.testing.assert_array_equal(
        tf.saved_model.load(str(tmp_path))(image, displacement), module(image, displacement)
    )


@both_borders
def test_tflite_returns_the_same_with_builtin_operations(border):
    litert = pytest.importorskip("ai_edge_litert.interpreter")

    @tf.function(input_signature=[tf.TensorSpec([2, 4, 6, 3]), tf.TensorSpec([2, 4, 6, 2])])
    def serve(image, displacement):
        return {"output": warp(image, displacement, border, jit_compile=False)}

    converter = tf.lite.TFLiteConverter.from_concrete_functions([serve.get_concrete_function()])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    interpreter = litert.Interpreter(model_content=converter.convert())
    interpreter.allocate_tensors()
    image, displacement = example()
    displacement[0, 1, 2, 0] = np.nan
    displacement[0, 2, 3] = [np.inf, -np.inf]
    for detail in interpreter.get_input_details():
        value = image if detail["shape"][-1] == 3 else displacement
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    output = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_allclose(output, warp(image, displacement, border), atol=1e-6)


@pytest.mark.parametrize(
    "name, image, displacement, border",
    [
        ("border", [1, 4, 6, 3], [1, 4, 6, 2], "reflect"),
        ("image", [4, 6, 3], [1, 4, 6, 2], "edge"),
        ("displacement", [1, 4, 6, 3], [4, 6, 2], "edge"),
        ("displacement", [1, 4, 6, 3], [1, 4, 6, 3], "edge"),
        ("displacement", [1, 4, 6, 3], [1, 6, 4, 2], "edge"),
    ],
)
def test_what_does_not_fit_is_named(name, image, displacement, border):
    with pytest.raises(ValueError, match=f"^{name} must"):
        warp(tf.zeros(image), tf.zeros(displacement), border)


def test_integer_image_is_refused():
    with pytest.raises(ValueError, match="^image must be floating; got uint8"):
        warp(tf.zeros([1, 4, 6, 3], tf.uint8), tf.zeros([1, 4, 6, 2]))
