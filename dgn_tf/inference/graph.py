"""Inference inside of a graph that leaves this process: what `posterior.Inference` does eagerly."""

import tensorflow as tf

from dgn_tf.inference.dynamics import PORTABLE, STEPS, Dynamics
from dgn_tf.inference.starts import Encoder, first_starts
from dgn_tf.types import LatentModel, Latents, Tensor


def infer_in_graph(
    model: LatentModel,
    x: Tensor,
    known: Latents,
    *,
    steps: Tensor,
    step_size: Tensor,
    sigma: Tensor,
    sampling: Tensor,
    seed: Tensor,
    encoder: Encoder | None = None,
) -> Latents:
    """Latents [B, d] of each group, from one start, or one in every class, by Langevin dynamics.

    Where there are classes, the start of the lowest energy goes on alone after a quarter of the
    steps. All settings are tensors: a graph serves any of them.

    Args:
        model: a trained model of plain operations, without a compiled one.
        x: images [B, S, S, C] or clips, in [-1, 1]; their ids are their places in the batch.
        known: one-hot [B, d] of each group that the model does not infer.
        steps: int32 scalar, at least 1; rounded up to tens.
        step_size: float32 scalar, delta of Eq. 7.
        sigma: float32 scalar, standard deviation of a pixel on the [0, 1] scale.
        sampling: boolean scalar, whether the steps are noisy; else they descend to a mode.
        seed: int64 scalar, keys the noise.
        encoder: whose guess takes the place of the start from zero.
    """
    dynamics = Dynamics(model, step_size=step_size, sigma=sigma, seed=seed, execution=PORTABLE)
    count = tf.shape(x)[0]
    ids = tf.range(tf.cast(count, tf.int64))
    z = first_starts(model, x, known, encoder)
    scale = tf.ones_like(next(iter(z.values()))[:, :1])
    done, chunks = tf.constant(0, tf.int64), tf.cast((steps + STEPS - 1) // STEPS, tf.int64)
    for group in model.class_groups:
        starts = model.latent_dims[group]
        x_all, ids_all = tf.tile(x, [starts] + [1] * (x.shape.rank - 1)), tf.tile(ids, [starts])
        quarter = tf.maximum(chunks // 4, 1)
        z, scale = _advanced(dynamics, sampling, x_all, ids_all, z, scale, done, quarter)
        z, scale = dynamics.lowest(x_all, z, scale, count)
        done = quarter
    return _advanced(dynamics, sampling, x, ids, z, scale, done, chunks)[0]


def _advanced(
    dynamics: Dynamics,
    sampling: Tensor,
    x: Tensor,
    ids: Tensor,
    z: Latents,
    scale: Tensor,
    done: Tensor,
    chunks: Tensor,
) -> tuple[Latents, Tensor]:
    """Latents and step scale after `chunks` tens of Langevin steps, of which some are done."""
    dims = {group: value.shape[1] for group, value in z.items()}

    def ten_more(chunk, z, scale):
        z, scale = dynamics.sample_or_descend(sampling, x, z, ids, chunk + 1, scale)
        z = {group: tf.ensure_shape(value, [None, dims[group]]) for group, value in z.items()}
        return chunk + 1, z, tf.ensure_shape(scale, [None, 1])

    shapes = {group: tf.TensorShape([None, dim]) for group, dim in dims.items()}
    _, z, scale = tf.while_loop(
        lambda chunk, *_: chunk < chunks,
        ten_more,
        (done, z, scale),
        shape_invariants=(done.shape, shapes, tf.TensorShape([None, 1])),
    )
    return z, scale
