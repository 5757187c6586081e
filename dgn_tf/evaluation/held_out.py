"""How a trained model does on pictures that it has not seen."""

import numpy as np

from dgn_tf.data import heads
from dgn_tf.data.examples import as_float
from dgn_tf.evaluation.metrics import mean_image_msre, pca_msre, ridge_r2, squared_errors
from dgn_tf.models.folding import folded_fraction
from dgn_tf.visualize.decoding import decode, has_geometry


def reconstruction(model, train, test, latents):
    """Reconstruction errors of held-out pictures, and of two yardsticks fitted on training ones.

    Args:
        model: the trained model.
        train: the `Examples` it was trained on.
        test: held-out `Examples`.
        latents: inferred latents of `test`, [N, d] for each group.

    Returns:
        MSRE of the model, of PCA with as many components as the model has latents, and of the mean
        image; with a geometric generator also the share of folded cells and the mean |displacement|
        in pixels.
    """
    x, x_train = as_float(test.images), as_float(train.images)
    pictures, parts = decode(model, latents)
    components = sum(model.latent_dims.values())
    numbers = {
        "msre": float(squared_errors(x, pictures).mean()),
        "msre_pca": pca_msre(x_train, x, components) if components <= len(train) else None,
        "pca_components": components,
        "msre_mean_image": mean_image_msre(x_train, x),
    }
    if has_geometry(model):
        numbers["folded"] = float(np.mean(folded_fraction(parts["geometry"])))
        numbers["displacement"] = float(np.linalg.norm(parts["geometry"], axis=-1).mean())
    return numbers


def factor_r2(latents, factors):
    """Ridge R^2 of every factor that varies, from each latent group (`ridge_r2`).

    Args:
        latents: [N, d] for each group.
        factors: numbers [N, ...] by name.

    Returns:
        {factor: {group: R^2}}.
    """
    flat = {name: np.reshape(values, (len(values), -1)) for name, values in factors.items()}
    return {
        name: {group: ridge_r2(z, values) for group, z in latents.items()}
        for name, values in flat.items()
        if np.all(values.std(axis=0) > 0)
    }


def recombination(model, test, latents, seed=0):
    """Each synthetic head's appearance with another's geometry, against the rendered truth.

    Args:
        model: a trained model with a geometric generator.
        test: `Examples` of the heads data, with their factors.
        latents: their inferred latents.
        seed: decides who is paired with whom.

    Returns:
        MSRE of the recombined pictures, `recombined`; of each head's own picture left as it is,
        `not_recombined`; and of its own reconstruction, `not_recombined_reconstruction`; all
        against the same truth.
    """
    # A shift along a random order gives everyone somebody else.
    order = np.random.default_rng(seed).permutation(len(test))
    other = np.empty_like(order)
    other[order] = np.roll(order, 1)
    truth = as_float(
        heads.render(
            {name: test.factors[name] for name in heads.APPEARANCE},
            {name: test.factors[name][other] for name in heads.GEOMETRY},
            test.side,
        )
    )
    own, _ = decode(model, latents)
    swapped, _ = decode(model, {**latents, "geometry": latents["geometry"][other]})
    return {
        "recombined": float(squared_errors(swapped, truth).mean()),
        "not_recombined": float(squared_errors(as_float(test.images), truth).mean()),
        "not_recombined_reconstruction": float(squared_errors(own, truth).mean()),
    }
