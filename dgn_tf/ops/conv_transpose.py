"""Transposed convolution, the layer of Tables IV and V, made fast where it has few filters."""

from typing import Any

import keras
import tensorflow as tf

from dgn_tf.types import Tensor

_KERNEL, _STRIDE = (5, 5), (2, 2)


@keras.saving.register_keras_serializable(package="dgn_tf")
class Deconvolution(keras.layers.Conv2DTranspose):
    """`keras.layers.Conv2DTranspose` with the same weights and, up to rounding, the same outputs.

    A CPU spends more time in the last two layers of Table IV, 5x5 with stride 2 and few filters,
    than in all others. Even and odd rows and columns of such an output are four plain convolutions
    with different parts of the filters: the forward pass makes all four at once and interleaves
    them, in about half the time. The gradients are those of the transposed convolution, which are
    fast already.

    Attributes:
        plain: whether to compute it as Keras does, which is best for GPUs and other runtimes.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.plain = bool(tf.config.list_physical_devices("GPU"))

    def call(self, inputs: Tensor) -> Tensor:
        """The map of `inputs` [B, H, W, C] at `strides` times the size, [B, s H, s W, filters]."""
        if self.plain or self.kernel_size != _KERNEL or self.strides != _STRIDE:
            return super().call(inputs)
        # A custom gradient takes tensors, and a variable that tf.distribute mirrors is none.
        kernel, bias = map(tf.convert_to_tensor, (self.kernel.value, self.bias.value))
        outputs = _interleaved(inputs, kernel, bias)
        return outputs if self.activation is None else self.activation(outputs)


@tf.custom_gradient
def _interleaved(inputs, kernel, bias):
    """Transposed 5x5 convolution with stride 2 and padding "same", and its bias."""
    phases = tf.nn.conv2d(inputs, _phase_kernel(kernel), 1, "SAME")
    outputs = tf.nn.depth_to_space(tf.nn.bias_add(phases, tf.tile(bias, [4])), 2)

    def gradient(upstream):
        # Two calls, so that a graph that needs one gradient drops the other.
        to_kernel = tf.raw_ops.Conv2DBackpropFilter(
            input=upstream,
            filter_sizes=kernel.shape,
            out_backprop=inputs,
            strides=[1, *_STRIDE, 1],
            padding="SAME",
        )
        to_inputs = tf.nn.conv2d(upstream, kernel, _STRIDE, "SAME")
        return to_inputs, to_kernel, tf.reduce_sum(upstream, [0, 1, 2])

    return outputs, gradient


def _phase_kernel(kernel):
    """Filters [5, 5, C, D] of a transposed convolution as [3, 3, D, 4 C] of a convolution.

    Along an axis, output 2 j + p is the sum over t in -1, 0, 1 of input j + t times filter row
    p + 1 - 2 t, where there is such a row.
    """
    size, _, outputs, inputs = kernel.shape
    taps = (size + 1) // 2
    padded = tf.pad(kernel, [[1, 0], [1, 0], [0, 0], [0, 0]])
    split = tf.reshape(padded, [taps, 2, taps, 2, outputs, inputs])[::-1, :, ::-1]
    return tf.reshape(tf.transpose(split, [0, 2, 5, 1, 3, 4]), [taps, taps, inputs, 4 * outputs])
