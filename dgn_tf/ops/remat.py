"""Rematerialization: networks run over the frames of clips with bounded memory."""

from collections.abc import Callable

import tensorflow as tf

from dgn_tf.types import Tensor


def over_frames(network: Callable[[Tensor], Tensor], frames: Tensor, chunk: int = 0) -> Tensor:
    """A network applied to every frame of clips.

    Args:
        network: takes [N, d] and gives [N, ...].
        frames: [B, F, d], what each frame has.
        chunk: the most frames of a clip whose activations are kept for the gradient; those of the
            others are recomputed. 0 keeps all.

    Returns:
        [B, F, ...].
    """
    length, dim = frames.shape[1:]
    chunk = chunk or length
    run = tf.recompute_grad(network) if chunk < length else network
    pieces = []
    for first in range(0, length, chunk):
        piece = frames[:, first : first + chunk]
        made = run(tf.reshape(piece, [-1, dim]))
        pieces.append(tf.reshape(made, [-1, piece.shape[1], *made.shape[1:]]))
    return tf.concat(pieces, axis=1)
