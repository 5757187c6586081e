"""What a served model of clips answers, beside what its model of single frames does."""

from collections.abc import Sequence

import tensorflow as tf

from dgn_tf.inference.starts import Encoder
from dgn_tf.models.dynamic import DynamicDeformableGenerator
from dgn_tf.serving.checks import checked, checked_latent, same_batch
from dgn_tf.serving.signatures import (
    Outputs,
    Signatures,
    encode_function,
    image_signatures,
    reconstruct_function,
    signature,
    unit,
)
from dgn_tf.types import Latents, Tensor

GROUPS = ("appearance", "geometry")
MAX_FRAMES = 1000


def clip_signatures(
    model: DynamicDeformableGenerator,
    step_size: float,
    sigma: float,
    encoder: Encoder | None = None,
) -> Signatures:
    """The functions of a dynamic model, by name.

    z_appearance [B, d_a] and z_geometry [B, d_g] are Z_0; noise_appearance [B, T, n_a] and
    noise_geometry [B, T, n_g] the noises xi_1 to xi_T, standard normal, T from 1 to 1,000; a state
    is s_T (Eq. 11), [B, d] of each group. Clips and canonical images are float32 in [0, 1],
    displacements (dx, dy) in pixels.

    * generate_clip: Z_0 and noises to clip and canonical [B, T + 1, S, S, C], displacement
      [B, T + 1, S, S, 2], state_appearance and state_geometry.
    * continue_clip: the same and the states at the end of a clip to T more frames of it, and new
      states.
    * reconstruct: clip [B, F, S, S, C] of as many frames as the model learned from, to Z_0, noises,
      states, reconstruction and error (`reconstruct_function`).
    * encode, with an encoder: such a clip to its guess of the same latents.
    * generate, generate_png, appearance, displacement, warp: of single frames
      (`image_signatures`), whose latents are Z_t.

    Args:
        model: such as `portable` makes.
        step_size: delta of the run.
        sigma: of the run.
        encoder: where "reconstruct" starts, and what "encode" answers; or None.

    Returns:
        {name: `tf.function` with an input signature}.
    """
    side = model.emission.appearance.settings["side"]
    channels = model.emission.appearance.settings["channels"]
    latents, noises, states = _specs(model)

    def generate_clip(*values: Tensor) -> Outputs:
        z, noise = _requested(model, values)
        zero = {group: tf.zeros_like(value) for group, value in z.items()}
        return _clip(model, z, zero, noise, first=True)

    def continue_clip(*values: Tensor) -> Outputs:
        z, noise, state = _requested(model, values)
        return _clip(model, z, state, noise, first=False)

    def explained(z: Latents) -> Outputs:
        first: Latents = {}
        noise: Latents = {}
        state: Latents = {}
        for group in GROUPS:
            first[group], noise[group] = model.unpack(group, z[group])
            state[group] = model.transitions[group].unroll(noise[group])[:, -1]
        named = {f"z_{group}": first[group] for group in GROUPS}
        named |= {f"noise_{group}": noise[group] for group in GROUPS}
        return named | {f"state_{group}": state[group] for group in GROUPS}

    shape = [model.steps + 1, side, side, channels]
    functions = {
        "generate_clip": signature(generate_clip, latents + noises),
        "continue_clip": signature(continue_clip, latents + noises + states),
        "reconstruct": reconstruct_function(
            model, shape, "clip", explained, step_size, sigma, encoder
        ),
        **image_signatures(model.emission),
    }
    if encoder is not None:
        functions["encode"] = encode_function(encoder, shape, "clip", explained)
    return functions


def _specs(
    model: DynamicDeformableGenerator,
) -> tuple[list[tf.TensorSpec], list[tf.TensorSpec], list[tf.TensorSpec]]:
    """Specs of Z_0, noises and states, each for both groups."""
    dims = model.emission.latent_dims
    noise_dims = {group: _noise_dim(model, group) for group in GROUPS}

    def spec(name: str, *sizes: int | None) -> tf.TensorSpec:
        return tf.TensorSpec([None, *sizes], tf.float32, name)

    return (
        [spec(f"z_{group}", dims[group]) for group in GROUPS],
        [spec(f"noise_{group}", None, noise_dims[group]) for group in GROUPS],
        [spec(f"state_{group}", dims[group]) for group in GROUPS],
    )


def _noise_dim(model: DynamicDeformableGenerator, group: str) -> int:
    return model.transitions[group].settings["noise_dim"]


def _requested(model: DynamicDeformableGenerator, values: Sequence[Tensor]) -> list[Latents]:
    """The checked inputs by group: Z_0, noises and, if there are as many values, states."""
    kinds = ("z", "noise", "state")[: len(values) // len(GROUPS)]
    names = [f"{kind}_{group}" for kind in kinds for group in GROUPS]
    found = []
    for name, value in zip(names, values, strict=True):
        kind, group = name.split("_")
        sizes = [None, model.emission.latent_dims[group]]
        if kind == "noise":
            sizes = [None, None, _noise_dim(model, group)]
        found.append(checked_latent(name, value, sizes))
    found = same_batch(names, found)
    lengths = [tf.shape(noise)[1] for noise in found[2:4]]
    frames = checked(
        "frames (second size of the noises)",
        lengths[0],
        [],
        1,
        MAX_FRAMES,
        f"from 1 to {MAX_FRAMES}",
    )
    same = tf.debugging.assert_equal(
        frames, lengths[1], "noise_appearance and noise_geometry must have the same number of steps"
    )
    with tf.control_dependencies([same]):
        found = [tf.identity(value) for value in found]
    return [
        dict(zip(GROUPS, found[index : index + 2], strict=True))
        for index in range(0, len(found), 2)
    ]


def _clip(
    model: DynamicDeformableGenerator, z: Latents, state: Latents, noise: Latents, first: bool
) -> Outputs:
    """The frames after `state`, and before them the one at `state` itself if `first`.

    Args:
        model: the model.
        z: Z_0, [B, d] by group.
        state: s_0 of the frames, [B, d] by group.
        noise: xi_1 to xi_T, [B, T, n] by group.
        first: whether the clip begins here.

    Returns:
        The outputs of "generate_clip".
    """
    emission = model.emission
    parts: Latents = {}
    ends: Outputs = {}
    for group in GROUPS:
        # Only the request knows the number of steps: the loop is one of the graph.
        states: Tensor = tf.scan(
            model.transitions[group], tf.transpose(noise[group], [1, 0, 2]), state[group]
        )
        ends[f"state_{group}"] = states[-1]
        if first:
            states = tf.concat([state[group][None], states], axis=0)
        frames = z[group][:, None] + tf.transpose(states, [1, 0, 2])
        length = tf.shape(frames)[1]
        parts[group] = emission.part(group, tf.reshape(frames, [-1, z[group].shape[1]]))

    def clips(flat: Tensor) -> Tensor:
        return tf.reshape(flat, [-1, length, *flat.shape[1:]])

    return {
        "clip": clips(unit(emission.combine(parts))),
        "canonical": clips(unit(parts["appearance"])),
        "displacement": clips(parts["geometry"]),
        **ends,
    }
