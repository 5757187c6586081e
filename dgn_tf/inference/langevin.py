"""Langevin dynamics on latent groups (Eq. 7).

A part depends on its own latent alone. Its forward pass is therefore kept, with its tape, from one
update of that latent to the next: half the evaluations of generators, the same numbers.
"""

from collections.abc import Collection, Mapping

import tensorflow as tf

from dgn_tf.inference.energy import class_energies, class_parts
from dgn_tf.inference.noise import gumbel
from dgn_tf.types import LatentModel, Latents, Parts, Tensor


def langevin(
    model: LatentModel,
    x: Tensor,
    latents: Latents,
    *,
    steps: int,
    step_size: Tensor | Mapping[str, Tensor],
    sigma: Tensor,
    noise: Latents | None = None,
    simultaneous: bool = False,
    fixed: Collection[str] = (),
    momentum: Tensor = 0.0,
) -> Latents:
    """`steps` Langevin steps of every latent group, group after group (Eq. 7).

    A group of classes (`class_groups`) has no gradient: its step draws a class from its exact
    conditional distribution, or takes the likeliest one without noise.

    Args:
        model: makes parts of latents, and observations of parts.
        x: images or clips [B, ...] in [-1, 1].
        latents: a vector [B, d] for each latent group, updated in this order.
        steps: l; the loop is unrolled in a graph (`langevin_loop` is not).
        step_size: delta: the drift is delta^2 / 2 times the gradient, the noise delta times a
            standard normal. One for all groups, or one for each by name; 0 lets a group rest.
        sigma: standard deviation of a pixel on the [0, 1] scale.
        noise: for each group [steps, B, d], standard normal; None descends the energy (posterior
            mode).
        simultaneous: whether all groups move at once, from the gradients at the old latents.
        fixed: names of groups that stay as they are: what is given is not inferred.
        momentum: of a descent, in [0, 1): a step goes on by so much of the one before it
            (Polyak's heavy ball); 0 is Eq. 7.

    Returns:
        The latents after the last step, in the same layout.
    """
    options = {"simultaneous": simultaneous, "fixed": fixed, "momentum": momentum}
    settings = {"steps": steps, "step_size": step_size, "sigma": sigma, "noise": noise}
    return _moved(model, x, latents, {}, **settings, **options)[0]


def _moved(
    model: LatentModel,
    x: Tensor,
    latents: Latents,
    running: Latents,
    *,
    steps: int,
    step_size: Tensor | Mapping[str, Tensor],
    sigma: Tensor,
    noise: Latents | None,
    simultaneous: bool,
    fixed: Collection[str],
    momentum: Tensor,
) -> tuple[Latents, Latents]:
    """The latents after some steps, and the running slopes of each group, none at first."""
    latents, running, parts, tapes = dict(latents), dict(running), {}, {}
    classes = class_parts(model)
    delta = {
        name: step_size[name] if isinstance(step_size, Mapping) else step_size for name in latents
    }

    def forward(name):
        if name in classes:
            parts[name] = tf.gather(classes[name], tf.argmax(latents[name], axis=1))
            return
        with tf.GradientTape(watch_accessed_variables=False) as tapes[name]:
            tapes[name].watch(latents[name])
            parts[name] = model.part(name, latents[name])

    for name in latents:
        forward(name)
    # Steps without momentum keep their very graph.
    momentum_used = tf.is_tensor(momentum) or momentum != 0
    free = [name for name in latents if name not in fixed]
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
                slope = slope / (2.0 * sigma**2) + z
                if name in running:
                    slope += momentum * running[name]
                if momentum_used:
                    running[name] = slope
                z -= delta[name] ** 2 / 2.0 * slope
                moved[name] = z if draw is None else z + delta[name] * draw
            for name in turn:
                latents[name] = moved[name]
                # Nothing asks for the part that the last move leads to.
                if step + 1 < steps or turn != turns[-1]:
                    forward(name)
    return latents, running


def langevin_loop(
    model: LatentModel,
    x: Tensor,
    latents: Latents,
    *,
    steps: int,
    step_size: Tensor | Mapping[str, Tensor],
    sigma: Tensor,
    noise: Latents | None = None,
    fixed: Collection[str] = (),
    momentum: Tensor = 0.0,
    together: int = 1,
) -> Latents:
    """The steps of `langevin` as a loop of the graph, which is smaller and soon traced.

    Args:
        model: see `langevin`, as for the other arguments.
        x: images or clips.
        latents: by group.
        steps: l.
        step_size: delta.
        sigma: of a pixel.
        noise: by group, or None.
        fixed: groups that stay as they are.
        momentum: of a descent.
        together: how many steps one round of the loop unrolls, a divisor of `steps`. A round makes
            one part more than it has half-steps: 1 is the smallest graph, 2 is a twentieth slower
            than all steps unrolled.
    """
    moving = [name for name in latents if name not in fixed and name not in model.class_groups]

    def one_more(step, z, running):
        rows = slice(step, step + together)
        draw = None if noise is None else {name: each[rows] for name, each in noise.items()}
        settings = {"steps": together, "step_size": step_size, "sigma": sigma, "noise": draw}
        options = {"simultaneous": False, "fixed": fixed, "momentum": momentum}
        z, running = _moved(model, x, z, running, **settings, **options)
        return step + together, z, running

    running = {name: tf.zeros_like(latents[name]) for name in moving}
    return tf.while_loop(lambda step, *_: step < steps, one_more, (0, dict(latents), running))[1]


def _slopes(model: LatentModel, x: Tensor, parts: Parts, names: Collection[str]) -> Parts:
    """Gradients of the squared error to the parts of these names."""
    if not names:
        return {}
    moving = {name: parts[name] for name in names}
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(moving)
        made = model.combine({**parts, **moving})
    # The gradient of `squared_error` to what was made, in two operations instead of six.
    return tape.gradient(made, moving, output_gradients=(made - x) / 2.0)


def _drawn(
    model: LatentModel,
    x: Tensor,
    parts: Parts,
    name: str,
    each: Tensor,
    sigma: Tensor,
    noise: Tensor | None,
) -> Tensor:
    """One-hot classes [B, k], drawn given the other groups' parts; `noise` [B, k] or None."""
    scores = -class_energies(model, x, parts, name, each, sigma)
    if noise is not None:
        # The largest of log-probabilities with Gumbel noise is a draw.
        scores += gumbel(noise)
    return tf.one_hot(tf.argmax(scores, axis=1), each.shape[0])
