"""Standard normal noise that belongs to an example, whatever batch the example sits in.

Threefry-2x32 with 20 rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC
2011), keyed by (seed, step) and then by the example's id: no state to save, so a run that starts
again draws what it would have drawn.
"""

import math

import tensorflow as tf

from dgn_tf.types import Tensor

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA


def threefry(key: tuple[Tensor, Tensor], counter: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Two uint32 words of hash, of two words of key and two of counter; all broadcast together."""
    x0, x1 = counter
    schedule = (key[0], key[1], key[0] ^ key[1] ^ tf.constant(_PARITY, tf.uint32))
    x0, x1 = x0 + schedule[0], x1 + schedule[1]
    for block in range(5):
        for rotation in _ROTATIONS[block % 2]:
            left = tf.constant(rotation, tf.uint32)
            right = tf.constant(32 - rotation, tf.uint32)
            x0 = x0 + x1
            x1 = tf.bitwise.left_shift(x1, left) | tf.bitwise.right_shift(x1, right)
            x1 = x0 ^ x1
        x0 = x0 + schedule[(block + 1) % 3]
        x1 = x1 + schedule[(block + 2) % 3] + tf.constant(block + 1, tf.uint32)
    return x0, x1


def _uniform(bits: Tensor) -> Tensor:
    """uint32 to float32 in the open interval (0, 1), exactly: 24 bits would round up to 1."""
    return (
        tf.cast(tf.bitwise.right_shift(bits, tf.constant(9, tf.uint32)), tf.float32) + 0.5
    ) / 2.0**23


@tf.function(jit_compile=True, autograph=False)
def example_normal(
    seed: Tensor, step: Tensor, ids: Tensor, stream: int, draws: int, dim: int
) -> Tensor:
    """Independent N(0, 1) for each example.

    Args:
        seed: int64 scalar, the run's seed.
        step: int64 scalar, the learning step.
        ids: int64 [B], the examples' ids.
        stream: streams of the same (seed, step, id) are independent. One for each latent group.
        draws: how many vectors for each example.
        dim: length of a vector.

    Returns:
        float32 [draws, B, dim]. The row of an example depends on (seed, step, its id, stream)
        alone.
    """

    def words(value):
        value = tf.cast(value, tf.int64)
        return tf.cast(value & 0xFFFFFFFF, tf.uint32), tf.cast(
            tf.bitwise.right_shift(value, 32) & 0xFFFFFFFF, tf.uint32
        )

    key = threefry(words(seed), words(step))
    key = threefry(key, words(ids))
    first, second = (word[None, :, None] for word in key)
    draw = tf.cast(tf.range(draws), tf.uint32)[:, None, None]
    pair = tf.cast(tf.range(math.ceil(dim / 2)), tf.uint32)[None, None, :]
    u, v = threefry((first, second), (draw, pair + tf.constant(stream << 24, tf.uint32)))
    # Box-Muller: two uniforms make two normals.
    radius = tf.sqrt(-2.0 * tf.math.log(_uniform(u)))
    angle = 2.0 * math.pi * _uniform(v)
    pairs: Tensor = tf.concat([radius * tf.cos(angle), radius * tf.sin(angle)], axis=-1)
    return pairs[..., :dim]


def gumbel(normal: Tensor) -> Tensor:
    """Standard normal noise of any shape as Gumbel noise, -log(-log(Phi(normal)))."""
    # 1 - Phi keeps its digits where Phi is near 1, which is where large Gumbel values come from.
    above = 0.5 * tf.math.erfc(normal / math.sqrt(2.0))
    return -tf.math.log(-tf.math.log1p(-above))


def log_uniform(normal: Tensor) -> Tensor:
    """Standard normal noise of any shape as the logarithm of uniform noise on (0, 1)."""
    return tf.math.log(0.5 * tf.math.erfc(normal / math.sqrt(2.0)))
