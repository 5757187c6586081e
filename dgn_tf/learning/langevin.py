"""Langevin dynamics on latent groups (Eq. 7 and 8)."""

import tensorflow as tf


def squared_error(x, reconstruction):
    """Sum of squares per example [B] on the [0, 1] scale, of two pictures [B, ...] in [-1, 1]."""
    return tf.reduce_sum(tf.square(x - reconstruction), axis=range(1, x.shape.rank)) / 4.0


def given_groups(model):
    """Names of the latent groups that come with the data and are not inferred."""
    return getattr(model, "given", ())


def energy(model, x, latents, sigma):
    """-log p(x, z) of each example up to a constant (Eq. 8): [B].

    Args:
        model: anything with `part(name, z)` and `combine(parts)`.
        x: pictures [B, ...] in [-1, 1].
        latents: a vector [B, d] for each latent group.
        sigma: standard deviation of a pixel, on the [0, 1] scale.
    """
    reconstruction = model.combine({name: model.part(name, z) for name, z in latents.items()})
    prior = tf.add_n([tf.reduce_sum(tf.square(z), axis=1) for z in latents.values()]) / 2.0
    return squared_error(x, reconstruction) / (2.0 * sigma**2) + prior


def langevin(
    model, x, latents, *, steps, step_size, sigma, noise=None, simultaneous=False, held=()
):
    """`steps` Langevin steps of every latent group, group after group (Eq. 7).

    A part depends on its own latent alone. Its forward pass is therefore kept, with its tape, from
    one update of that latent to the next: half the generator evaluations of the plain alternation,
    and the same numbers.

    Args:
        model: `part(name, z)` makes a part from a group's latent, `combine(parts)` the picture from
            all parts.
        x: pictures [B, ...] in [-1, 1].
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
    delta = step_size if isinstance(step_size, dict) else dict.fromkeys(latents, step_size)

    def forward(name):
        with tf.GradientTape(watch_accessed_variables=False) as tapes[name]:
            tapes[name].watch(latents[name])
            parts[name] = model.part(name, latents[name])

    for name in latents:
        forward(name)
    moved = [name for name in latents if name not in held]
    turns = [tuple(moved)] if simultaneous else [(name,) for name in moved]
    for step in range(steps):
        for turn in turns:
            moving = {name: parts[name] for name in turn}
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(moving)
                error = squared_error(x, model.combine({**parts, **moving}))
            slopes = tape.gradient(error, moving)
            for name in turn:
                z = latents[name]
                slope = tapes[name].gradient(parts[name], z, output_gradients=slopes[name])
                z -= delta[name] ** 2 / 2.0 * (slope / (2.0 * sigma**2) + z)
                if noise is not None:
                    z += delta[name] * noise[name][step]
                latents[name] = z
                # Nothing asks for the part that the last move leads to.
                if step + 1 < steps or turn != turns[-1]:
                    forward(name)
    return latents
