"""What a page must know of a model: its latent groups, their directions, what can be shown."""

import numpy as np

from dgn_tf.types import has_geometry, one_hot_groups
from dgn_tf.visualize import editing


def describe(
    name: str,
    model,
    shape: tuple[int, int],
    bases: dict[str, editing.Basis],
    classes: list[str] | None = None,
) -> dict:
    """The description that a page is made from, ready for JSON.

    Args:
        name: of the model, for people.
        model: a model of images with `latent_dims`, `part` and `combine`.
        shape: (side, channels) of its images.
        bases: `direction_bases`, along which the sliders move.
        classes: names of the classes of a group that is one-hot; those without one are numbered.

    Returns:
        `name`, `side`, `channels`, `given` (groups that an inference must be told), and `groups`,
        each with `name`, `start` [d] (the mean; of a one-hot group the first class), `classes`
        (names, empty unless the group is one-hot) and `directions`, the strongest first: `title`,
        `scale` (standard deviation) and the unit vector `axis` [d].
    """
    groups = []
    for group, dim in model.latent_dims.items():
        if group in one_hot_groups(model):
            names = list(classes or [])[:dim]
            names += [str(number) for number in range(len(names), dim)]
            start, directions = np.eye(dim)[0], []
        else:
            (mean, axes, scales), titles = bases[group]
            names, start = [], mean
            # As dgn_tf.infer --edit takes them: a name, or the number where that says nothing.
            titles = [
                title if title and not title.startswith("other") else f"{group} {number + 1}"
                for number, title in enumerate(titles or [""] * dim)
            ]
            directions = [
                {"title": title, "scale": float(scale), "axis": _numbers(axis)}
                for title, scale, axis in zip(titles, scales, axes, strict=True)
            ]
        groups.append(
            {"name": group, "start": _numbers(start), "classes": names, "directions": directions}
        )
    return {
        "name": name,
        "side": shape[0],
        "channels": shape[1],
        "deforms": has_geometry(model),
        "given": list(model.given_groups),
        "groups": groups,
    }


def direction_bases(model, chains: dict[str, np.ndarray] | None) -> dict[str, editing.Basis]:
    """The principal directions of each group that is not one-hot, of all latents it has.

    Args:
        model: as for `describe`.
        chains: latents [N, d] of training examples by group; None takes single latent units, with
            a standard deviation of 1.
    """
    dims = editing.editable_dims(model)
    # Without latents: some whose mean is 0 and whose directions are the units, all equally strong.
    reference = chains or {
        group: np.sqrt(dim) * np.concatenate([np.eye(dim), -np.eye(dim)])
        for group, dim in dims.items()
    }
    return editing.make_bases(model, {group: reference[group] for group in dims})


def _numbers(vector) -> list[float]:
    return [float(value) for value in np.float32(vector)]
