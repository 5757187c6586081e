"""Langevin dynamics on latent groups (Eq. 7).

A part depends on its own latent alone. Its forward pass is therefore kept, with its tape, from one
update of that latent to the next: half the evaluations of generators, the same numbers.
"""

import tensorflow as tf

from dgn_tf.inference.energy import class_energies, class_parts
from dgn_tf.inference.noise import gumbel


def langevin(
    model, x, latents, *, steps, step_size, sigma, noise=None, simultaneous=False, held=()
):
    """`steps` Langevin steps of every latent group, group after group (Eq. 7).

    A group of classes (`class_groups`) has no gradient: its step draws a class from its exact
    conditional distribution, or takes the likeliest one without noise.

    Args:
        model: `part(name, z)` makes a part from a group's latent, `combine(parts)` the image from
            all parts.
        x: images [B, ...] in [-1, 1].
        latents: a vector [B, d] for each latent group, updated in this order.
        steps: Python int, l; the loop is unrolled in a graph.
        step_size: delta: the drift is delta^2 / 2 times the gradient, the noise delta times a
            standard normal. One for all groups, or one for each by name; 0 holds a group.
        sigma: standard deviation of a pixel, on the [0, 1] scale.
        noise: for each group [steps, B, d], standard normal; None descends the energy (posterior
            mode).
        simultaneous: move all groups at once, from the gradients at the old latents.
        held: names of groups that stay as they are: what is given is not inferred.

    Returns:
        The latents after the last step, in the same layout.
    """
    latents, parts, tapes = dict(latents), {}, {}
    classes = class_parts(model)
    delta = step_size if isinstance(step_size, dict) else dict.fromkeys(latents, step_size)

    def forward(name):
        if name in classes:
            parts[name] = tf.gather(classes[name], tf.argmax(latents[name], axis=1))
            return
        with tf.GradientTape(watch_accessed_variables=False) as tapes[name]:
            tapes[name].watch(latents[name])
            parts[name] = model.part(name, latents[name])

    for name in latents:
        forward(name)
    free = [name for name in latents if name not in held]
    turns = [tuple(free)] if simultaneous else [(name,) for name in free]
    for step in range(steps):
        for turn in turns:
            slopes = _slopes(model, x, parts, [name for name in turn if name not in classes])
            moved = {}
            for name in turn:
                draw = None if noise is None else noise[name][step]
                if name in classes:
                    moved[name] = _drawn(model, x, parts, name, classes[name], sigma, draw)
                    continue
                z = latents[name]
                slope = tapes[name].gradient(parts[name], z, output_gradients=slopes[name])
                z -= delta[name] ** 2 / 2.0 * (slope / (2.0 * sigma**2) + z)
                moved[name] = z if draw is None else z + delta[name] * draw
            for name in turn:
                latents[name] = moved[name]
                # Nothing asks for the part that the last move leads to.
                if step + 1 < steps or turn != turns[-1]:
                    forward(name)
    return latents


def _slopes(model, x, parts, names):
    """Gradients of the squared error to some of the parts."""
    if not names:
        return {}
    moving = {name: parts[name] for name in names}
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(moving)
        made = model.combine({**parts, **moving})
    # The gradient of `squared_error` to what was made, in two operations instead of six.
    return tape.gradient(made, moving, output_gradients=(made - x) / 2.0)


def _drawn(model, x, parts, name, each, sigma, noise):
    """One-hot classes [B, k], drawn given the other groups' parts; `noise` [B, k] or None."""
    scores = -class_energies(model, x, parts, name, each, sigma)
    if noise is not None:
        # The largest of log-probabilities with Gumbel noise is a draw.
        scores += gumbel(noise)
    return tf.one_hot(tf.argmax(scores, axis=1), each.shape[0])
