"""Requests that cannot be answered get an error that says why, from inside the graph."""

import tensorflow as tf

# Latents are standard normal; of far larger ones networks make numbers that are not finite.
MOST_LATENT = 1000.0


def require(condition, *message):
    """An operation that fails with `message` unless the scalar `condition` holds.

    Args:
        condition: boolean tensor.
        *message: text and tensors, shown in this order.
    """
    return tf.debugging.Assert(condition, list(message), summarize=8)


def checked(name, tensor, shape, low=None, high=None, wanted=""):
    """A named input of a signature, once its shape and its values are found to be right.

    Args:
        name: of the input, for the message.
        tensor: what came.
        shape: wanted sizes, None for any from 1 up; [] for a single number.
        low: smallest value, or None.
        high: largest value, or None.
        wanted: in words, what the values must be.

    Returns:
        The tensor with this static shape; evaluated, it raises `InvalidArgumentError` for another
        shape, a NaN, an infinity or a value out of bounds.
    """
    # A server may be fed what its graph does not expect, and graphs drop checks of what they know.
    tensor = tf.raw_ops.PlaceholderWithDefault(input=tensor, shape=tf.TensorShape(None))
    described = _describe(name, shape)
    with tf.control_dependencies(
        [require(tf.equal(tf.rank(tensor), len(shape)), described, tf.shape(tensor))]
    ):
        sizes = tf.identity(tf.shape(tensor))
    bounds = tf.constant([-1 if size is None else size for size in shape], tf.int32)
    fits = tf.reduce_all(tf.where(bounds < 0, sizes >= 1, tf.equal(sizes, bounds)))
    with tf.control_dependencies([require(fits, described, sizes)]):
        tensor = tf.identity(tensor)
    checks = []
    if tensor.dtype.is_floating:
        finite = tf.reduce_all(tf.math.is_finite(tensor))
        checks.append(require(finite, f"{name} must be finite; it has a NaN or an infinity"))
    if low is not None:
        inside = tf.reduce_all(tensor >= low)
        if high is not None:
            inside &= tf.reduce_all(tensor <= high)
        least, most = tf.reduce_min(tensor), tf.reduce_max(tensor)
        checks.append(require(inside, f"{name} must be {wanted}; it goes from", least, "to", most))
    with tf.control_dependencies(checks):
        # Not ensure_shape, which optimizers take as a promise, and drop the checks above.
        return tf.reshape(
            tensor, [sizes[i] if size is None else size for i, size in enumerate(shape)]
        )


def checked_latent(name, tensor, shape):
    """`checked` for latents, states and noises, which lie in [-1000, 1000]."""
    wanted = f"in [-{MOST_LATENT:.0f}, {MOST_LATENT:.0f}]"
    return checked(name, tensor, shape, -MOST_LATENT, MOST_LATENT, wanted)


def same_batch(names, tensors):
    """The tensors, once their first sizes are found to be equal."""
    sizes = tf.stack([tf.shape(tensor)[0] for tensor in tensors])
    equal = tf.reduce_all(tf.equal(sizes, sizes[0]))
    message = f"{', '.join(names)} must have the same batch size; they have"
    with tf.control_dependencies([require(equal, message, sizes)]):
        return [tf.identity(tensor) for tensor in tensors]


def _describe(name, shape):
    if not shape:
        return f"{name} must be a single number, not an array; it has shape"
    sizes = ["any" if size is None else str(size) for size in shape]
    return f"{name} must have shape [{', '.join(sizes)}]; it has"
