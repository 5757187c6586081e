"""The appearance of one example in the geometry of another, against the truth that can be drawn."""

import numpy as np
from PIL import Image

from dgn_tf.data.examples import Examples, as_float
from dgn_tf.data.squares import square
from dgn_tf.data.synthetic import heads
from dgn_tf.evaluation.metrics.errors import squared_errors
from dgn_tf.types import LatentArrays, LatentModel
from dgn_tf.visualize.decoding import decode


def head_factors(examples: Examples) -> dict[str, np.ndarray]:
    """The factors that heads are drawn from; none if the examples lack any of them."""
    names = (*heads.APPEARANCE, *heads.GEOMETRY)
    known = all(name in examples.factors for name in names)
    return {name: examples.factors[name] for name in names} if known else {}


def derangement(count: int, seed: int) -> np.ndarray:
    """For each of `count` examples, another one to recombine it with: int [count]."""
    # A shift along a random order gives everyone somebody else.
    order = np.random.default_rng(seed).permutation(count)
    other = np.empty_like(order)
    other[order] = np.roll(order, 1)
    return other


def with_channels(rendered: np.ndarray, channels: int) -> np.ndarray:
    """Rendered images, uint8 [N, S, S, 3], with as many channels as the data have."""
    if channels == 3:
        return rendered
    return np.stack([square(Image.fromarray(p), p.shape[0], 1) for p in rendered])


def recombination(
    model: LatentModel, test: Examples, latents: LatentArrays, seed: int = 0
) -> dict[str, float]:
    """Each synthetic head's appearance with another's geometry, against the rendered truth.

    Args:
        model: a trained model with the groups "appearance" and "geometry".
        test: `Examples` of the heads data, with their factors.
        latents: their inferred latents, [N, d] for each group.
        seed: decides who is paired with whom.

    Returns:
        MSRE of the recombined images, `recombined`; of each head's own image left as it is,
        `not_recombined`; and of its own reconstruction, `not_recombined_reconstruction`; all
        against the same truth.
    """
    other = derangement(len(test), seed)
    rendered = heads.render(
        {name: test.factors[name] for name in heads.APPEARANCE},
        {name: test.factors[name][other] for name in heads.GEOMETRY},
        test.side,
    )
    truth = as_float(with_channels(rendered, test.channels))
    own, _ = decode(model, latents)
    swapped, _ = decode(model, {**latents, "geometry": latents["geometry"][other]})
    return {
        "recombined": float(squared_errors(swapped, truth).mean()),
        "not_recombined": float(squared_errors(as_float(test.images), truth).mean()),
        "not_recombined_reconstruction": float(squared_errors(own, truth).mean()),
    }
