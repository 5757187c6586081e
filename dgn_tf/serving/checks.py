"""Requests that cannot be answered get an error that says why, from inside the graph."""

from collections.abc import Sequence

import tensorflow as tf

from dgn_tf.types import Tensor

# Latents are standard normal; far larger ones make networks return numbers that are not finite.
MOST_LATENT = 1000.0


def require(condition: Tensor, *message: str | Tensor) -> tf.Operation | None:
    """An operation that fails with `message` unless the scalar `condition` holds.

    Args:
        condition: boolean tensor.
        *message: text and tensors, shown in this order.

    Returns:
        The operation, for `tf.control_dependencies`; None outside of a graph.
    """
    return tf.debugging.Assert(condition, list(message), summarize=8)


def checked(
    name: str,
    tensor: Tensor,
    shape: Sequence[int | None],
    low: float | None = None,
    high: float | None = None,
    wanted: str = "",
) -> Tensor:
    """A named input of a signature, after a check of its shape and its values.

    Args:
        name: of the input, for the message.
        tensor: what the request holds.
        shape: wanted sizes, None for any from 1 up; [] for a single number.
        low: smallest value, or None.
        high: largest value, or None.
        wanted: in words, what the values must be.

    Returns:
        The tensor with this static shape; evaluated, it raises `InvalidArgumentError` for another
        shape, a NaN, an infinity or a value out of bounds.
    """
    # A request may hold what the input signature does not allow, and TensorFlow drops checks of
    # what it takes for known. TensorFlow's annotation knows no unknown rank.
    any_shape = tf.TensorShape(None)  # pyright: ignore[reportArgumentType]
    tensor = tf.raw_ops.PlaceholderWithDefault(input=tensor, shape=any_shape)
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


def checked_latent(name: str, tensor: Tensor, shape: Sequence[int | None]) -> Tensor:
    """`checked` for latents, states and noises, which lie in [-1000, 1000]."""
    wanted = f"in [-{MOST_LATENT:.0f}, {MOST_LATENT:.0f}]"
    return checked(name, tensor, shape, -MOST_LATENT, MOST_LATENT, wanted)


def same_batch(names: Sequence[str], tensors: Sequence[Tensor]) -> list[Tensor]:
    """The tensors, after a check that their first sizes are equal.

    Args:
        names: of the tensors, for the message.
        tensors: at least one, each [B, ...].
    """
    sizes = tf.stack([tf.shape(tensor)[0] for tensor in tensors])
    equal = tf.reduce_all(tf.equal(sizes, sizes[0]))
    message = f"{', '.join(names)} must have the same batch size; they have"
    with tf.control_dependencies([require(equal, message, sizes)]):
        return [tf.identity(tensor) for tensor in tensors]


def _describe(name: str, shape: Sequence[int | None]) -> str:
    if not shape:
        return f"{name} must be a single number, not an array; it has shape"
    sizes = ["any" if size is None else str(size) for size in shape]
    return f"{name} must have shape [{', '.join(sizes)}]; it has"
