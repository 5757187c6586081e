"""The quick transposed convolution against the one of Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgn_tf.config import Config, ModelConfig
from dgn_tf.models.factory import make_model
from dgn_tf.ops.conv_transpose import Deconvolution
from dgn_tf.ops.layers import leaf_layers
from dgn_tf.serving.portable import portable


def pair(inputs, outputs, dtype="float32", activation="relu"):
    """A layer and the one of Keras with its weights; and maps of 6x5 with `inputs` channels."""
    settings = {"padding": "same", "activation": activation, "dtype": dtype}
    layer = Deconvolution(outputs, 5, 2, **settings)
    other = keras.layers.Conv2DTranspose(outputs, 5, 2, **settings)
    rng = np.random.default_rng(0)
    x = tf.constant(rng.standard_normal((3, 6, 5, inputs)), tf.float32)
    layer.plain = False
    layer(x), other(x)
    weights = [rng.standard_normal(w.shape) for w in layer.get_weights()]
    layer.set_weights(weights)
    other.set_weights(weights)
    return layer, other, x


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 1), (4, 3), (16, 2)])
def test_outputs_and_gradients_are_those_of_keras(inputs, outputs):
    *layers, x = pair(inputs, outputs)
    found = []
    for layer in layers:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
            # Another slope at each output.
            loss = tf.reduce_sum(tf.square(y))
        found.append([y, *tape.gradient(loss, [x, *(w.value for w in layer.weights)])])
    assert found[0][0].shape == (3, 12, 10, outputs) and float(tf.reduce_max(found[0][0])) > 1
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_low_precision_is_as_good_as_that_of_keras():
    _, exact, x = pair(16, 3, "float32", None)
    *layers, _ = pair(16, 3, "mixed_bfloat16", None)
    outputs = [layer(x) for layer in layers]
    assert all(y.dtype == tf.bfloat16 for y in outputs)
    ours, theirs = (np.std(tf.cast(y, tf.float32) - exact(x)) for y in outputs)
    # Processors differ in what they round: the sums, about 10, or every term of them.
    assert 0 < theirs < 0.2 and ours < 1.5 * theirs


def operations(model, group, dim):
    z = tf.TensorSpec([None, dim], tf.float32)
    graph = tf.function(lambda z: model.part(group, z)).get_concrete_function(z).graph
    return [operation.type for operation in graph.get_operations()]


def test_only_exports_are_plain():
    config = Config(model=ModelConfig(appearance_dim=3, geometry_dim=2, alpha=0.1))
    model = make_model(config.model, 64, 3)
    for network in model.networks.values():
        for layer in leaf_layers(network):
            if isinstance(layer, Deconvolution):
                layer.plain = False
    plain = portable(config, model)
    for group, dim in model.latent_dims.items():
        made = operations(model, group, dim)
        # Two levels of four have 5x5 filters (Table IV).
        assert made.count("DepthToSpace") == made.count("Conv2DBackpropInput") == 2
        made = operations(plain, group, dim)
        assert made.count("DepthToSpace") == 0 and made.count("Conv2DBackpropInput") == 4
