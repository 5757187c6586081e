"""How a trained model does on images that it has not seen."""

import numpy as np
from PIL import Image

from dgn_tf.data.examples import Examples, as_float
from dgn_tf.data.sources.folders import square
from dgn_tf.data.synthetic import heads
from dgn_tf.evaluation.metrics.errors import (
    clustering_accuracy,
    mean_image_msre,
    pca_msre,
    ridge_r2,
    sharpness,
    squared_errors,
)
from dgn_tf.evaluation.report import Figure, Report, Table
from dgn_tf.ops.jacobian import folded_fraction
from dgn_tf.types import has_geometry, one_hot_groups
from dgn_tf.visualize.decoding import decode
from dgn_tf.visualize.sheets import recombination_board, sample_sheet
from dgn_tf.visualize.traversals import class_sheet

_SHEET_COLUMNS = 10
_BOARD_SIDE = 8


def held_out(
    model,
    train: Examples,
    test: Examples,
    latents: dict[str, np.ndarray],
    seed: int = 0,
    labels: np.ndarray | None = None,
) -> Report:
    """Reconstruction and, where the truth can be drawn, recombination and what each group knows.

    Args:
        model: a trained model.
        train: what it was trained on.
        test: held-out examples.
        latents: inferred latents of `test`, [N, d] for each group.
        seed: decides who is recombined with whom.
        labels: [N], that classes found without labels are compared with.

    Returns:
        A report with the numbers `reconstruction`, `clustering` (`clustering_accuracy`) and, for
        examples with the factors of heads, `r2` and (with geometry) `recombination`.
    """
    numbers = {"reconstruction": reconstruction(model, train, test, latents)}
    factors = head_factors(test)
    if factors:
        numbers["r2"] = factor_r2(latents, factors)
        if has_geometry(model):
            numbers["recombination"] = recombination(model, test, latents, seed)
    if model.class_groups and labels is not None:
        found = latents["appearance"].argmax(axis=1)
        numbers["clustering"] = clustering_accuracy(found, labels)
    tables = [Table("Errors are sums of squares per image on [0, 1]", ("", ""), _rows(numbers))]
    if "r2" in numbers:
        tables.append(r2_table(numbers["r2"]))

    def first(count):
        return test.images[:count], {name: z[:count] for name, z in latents.items()}

    figures = [sample_figure(model, *first(_SHEET_COLUMNS))]
    if has_geometry(model):
        board = recombination_board(model, *first(_BOARD_SIDE))
        caption = "A row keeps the appearance of its first image, a column the geometry (Fig. 11)"
        figures.append(Figure("recombination", caption, board))
    if one_hot_groups(model):
        caption = "Canonical image of each class, and the class in other geometries (Fig. 13)"
        figures.append(Figure("classes", caption, class_sheet(model, latents)))
    return Report(f"{len(test)} held-out images", numbers, tuple(tables), tuple(figures))


def sample_figure(model, images: np.ndarray, latents: dict[str, np.ndarray]) -> Figure:
    """The sample sheet of Fig. 2."""
    caption = "Held-out images and their reconstructions"
    if has_geometry(model):
        caption += ", by way of the canonical images, with the grid that the field bends (Fig. 2)"
    return Figure("samples", caption, sample_sheet(model, images, latents))


def _rows(numbers: dict) -> tuple[tuple, ...]:
    fit = numbers["reconstruction"]
    rows = [("reconstruction error", fit["msre"])]
    if fit["msre_pca"] is not None:
        rows.append((f"  of PCA, {fit['pca_components']:3} components", fit["msre_pca"]))
    rows.append(("  of the mean image", fit["msre_mean_image"]))
    rows.append(("sharpness, over the images'", fit["sharpness"]))
    if "folded" in fit:
        rows.append(("folded cells of the field", f"{100 * fit['folded']:.2f}%"))
        rows.append(("mean displacement, pixels", fit["displacement"]))
    if "clustering" in numbers:
        rows.append(("classes found that agree with the labels", f"{numbers['clustering']:.1%}"))
    if "recombination" in numbers:
        swap = numbers["recombination"]
        rows.append(("recombination error", swap["recombined"]))
        rows.append(("  of not recombining", swap["not_recombined"]))
        rows.append(("  ratio of the two", swap["recombined"] / swap["not_recombined"]))
    return tuple(rows)


def r2_table(r2: dict[str, dict[str, float]]) -> Table:
    """What `factor_r2` found, a row for each factor."""
    groups = list(next(iter(r2.values())))
    rows = tuple((name, *(values[group] for group in groups)) for name, values in r2.items())
    return Table(
        "R² of a factor from",
        ("", *groups),
        rows,
        "Ridge regression from the latents of one group, judged on held-out fifths.",
    )


def head_factors(examples: Examples) -> dict[str, np.ndarray]:
    """The factors that heads are drawn from; none if the examples lack any of them."""
    names = (*heads.APPEARANCE, *heads.GEOMETRY)
    known = all(name in examples.factors for name in names)
    return {name: examples.factors[name] for name in names} if known else {}


def reconstruction(model, train, test, latents):
    """Reconstruction errors of held-out images, and of two yardsticks fitted on training ones.

    Args:
        model: the trained model.
        train: the `Examples` it was trained on.
        test: held-out `Examples`.
        latents: inferred latents of `test`, [N, d] for each group.

    Returns:
        MSRE of the model, of PCA with as many components as the model has latents, and of the mean
        image; `sharpness` of the reconstructions over that of the images; with a geometric
        generator also the share of folded cells and the mean |displacement|
        in pixels.
    """
    x, x_train = as_float(test.images), as_float(train.images)
    images, parts = decode(model, latents)
    error = squared_errors(x, images).mean()
    numbers = beside_yardsticks(error, x, x_train, sum(model.latent_dims.values()))
    # Images of one color have none.
    numbers["sharpness"] = sharpness(images) / (sharpness(x) or np.nan)
    if has_geometry(model):
        numbers["folded"] = float(np.mean(folded_fraction(parts["geometry"])))
        numbers["displacement"] = float(np.linalg.norm(parts["geometry"], axis=-1).mean())
    return numbers


def beside_yardsticks(error, x, x_train, components):
    """A model's mean error on `x` beside those of PCA and the mean image, fitted on `x_train`.

    Images are [N, S, S, C] in [-1, 1]; PCA is left out where `x_train` is too few for it.
    """
    return {
        "msre": float(error),
        "msre_pca": pca_msre(x_train, x, components) if components <= len(x_train) else None,
        "pca_components": components,
        "msre_mean_image": mean_image_msre(x_train, x),
    }


def derangement(count, seed):
    """For each of `count` examples, another one to recombine it with: int [count]."""
    # A shift along a random order gives everyone somebody else.
    order = np.random.default_rng(seed).permutation(count)
    other = np.empty_like(order)
    other[order] = np.roll(order, 1)
    return other


def factor_r2(latents, factors, groups=None):
    """Ridge R^2 of every factor that varies, from each latent group (`ridge_r2`).

    Args:
        latents: [N, d] for each group.
        factors: numbers [N, ...] by name.
        groups: [N], examples of one group are in one fold; None for no groups.

    Returns:
        {factor: {group: R^2}}.
    """
    flat = {name: np.reshape(values, (len(values), -1)) for name, values in factors.items()}
    return {
        name: {group: ridge_r2(z, values, groups) for group, z in latents.items()}
        for name, values in flat.items()
        if np.all(values.std(axis=0) > 0)
    }


def like(rendered, channels):
    """Rendered images, uint8 [N, S, S, 3], with as many channels as the data have."""
    if channels == 3:
        return rendered
    return np.stack([square(Image.fromarray(p), p.shape[0], 1) for p in rendered])


def recombination(model, test, latents, seed=0):
    """Each synthetic head's appearance with another's geometry, against the rendered truth.

    Args:
        model: a trained model with a geometric generator.
        test: `Examples` of the heads data, with their factors.
        latents: their inferred latents.
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
    truth = as_float(like(rendered, test.channels))
    own, _ = decode(model, latents)
    swapped, _ = decode(model, {**latents, "geometry": latents["geometry"][other]})
    return {
        "recombined": float(squared_errors(swapped, truth).mean()),
        "not_recombined": float(squared_errors(as_float(test.images), truth).mean()),
        "not_recombined_reconstruction": float(squared_errors(own, truth).mean()),
    }
