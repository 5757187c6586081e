"""What a page must know of a model: its latent groups, their directions, what can be shown."""

from collections.abc import Mapping, Sequence

import numpy as np

from dgn_tf.types import LatentModel, has_geometry, one_hot_groups
from dgn_tf.visualize.directions import Directions, principal_directions
from dgn_tf.visualize.editing import editable_dims


def describe(
    name: str,
    model: LatentModel,
    shape: tuple[int, int],
    directions: Mapping[str, Directions],
    classes: Sequence[str] | None = None,
) -> dict:
    """The description that a page is made from, ready for JSON.

    Args:
        name: of the model, for people.
        model: a model of images.
        shape: (side, channels) of its images.
        directions: along which the sliders move, for each group that is not one-hot.
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
            start, sliders = np.eye(dim)[0], []
        else:
            start, axes, scales, titles = directions[group]
            names = []
            titles = direction_titles(group, titles or [""] * dim)
            sliders = [
                {"title": title, "scale": float(scale), "axis": _numbers(axis)}
                for title, scale, axis in zip(titles, scales, axes, strict=True)
            ]
        groups.append(
            {"name": group, "start": _numbers(start), "classes": names, "directions": sliders}
        )
    return {
        "name": name,
        "side": shape[0],
        "channels": shape[1],
        "deforms": has_geometry(model),
        "given": list(model.given_groups),
        "groups": groups,
    }


def direction_titles(group: str, names: Sequence[str]) -> list[str]:
    """What the sliders of a group are called.

    As `--edit` takes them: a name, or the number where that says nothing.
    """
    return [
        name if name and not name.startswith("other") else f"{group} {number}"
        for number, name in enumerate(names, 1)
    ]


def prior_directions(model: LatentModel) -> dict[str, Directions]:
    """Directions for a model without latents to find them in: those of the prior N(0, I).

    Returns:
        For each group that is not one-hot the latent units, with the mean 0 and standard
        deviations of 1; those of the geometry named and oriented.
    """
    # Latents whose mean is 0 and whose directions are the units, all equally strong.
    latents = {
        group: np.sqrt(dim) * np.concatenate([np.eye(dim), -np.eye(dim)])
        for group, dim in editable_dims(model).items()
    }
    return principal_directions(model, latents)


def _numbers(vector: np.ndarray) -> list[float]:
    return [float(value) for value in np.asarray(vector, np.float32)]
