"""Networks run over the frames of clips, with bounded memory."""

import tensorflow as tf


def over_frames(network, frames, chunk=0):
    """A network applied to what every frame has: [B, F, d] to [B, F, ...].

    Args:
        network: takes [N, d] and gives [N, ...].
        frames: [B, F, d].
        chunk: keep the inner values of at most so many frames of each clip for the gradient and
            compute those of the others anew; 0 keeps all.
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
