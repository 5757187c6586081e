"""Edits of inferred latents along the principal directions of a run's latents."""

from collections.abc import Mapping, Sequence

from dgn_tf.config.edits import Edit
from dgn_tf.types import LatentArrays, LatentModel, one_hot_groups
from dgn_tf.utils.errors import InputError
from dgn_tf.visualize.directions import Directions


def editable_dims(model: LatentModel) -> dict[str, int]:
    """Length of the latent vector of each group that is inferred, and so can be edited."""
    fixed = one_hot_groups(model)
    return {name: dim for name, dim in model.latent_dims.items() if name not in fixed}


def check_edits(edits: Sequence[Edit], latent_dims: Mapping[str, int]) -> None:
    """Check that a model has the groups of the edits, and the directions that they number.

    Args:
        edits: what is to move.
        latent_dims: `editable_dims` of the model.

    Raises:
        InputError: it lacks one of them.
    """
    for group, direction, value in edits:
        text = f"`edit={group}:{direction}={value:g}`"
        if group not in latent_dims:
            raise InputError(
                f"{text}: this run's model has no {group}; it has {', '.join(latent_dims)}."
            )
        count = latent_dims[group]
        is_number = direction.lstrip("+-").isdecimal()
        if is_number and not (direction.isdecimal() and 1 <= int(direction) <= count):
            raise InputError(f"{text}: directions of the {group} are numbered from 1 to {count}.")


def locate(edit: Edit, directions: Directions) -> int:
    """The index, from 0 on, of the direction of an edit that `check_edits` let pass.

    Args:
        edit: what is to move.
        directions: of the edit's group.

    Raises:
        InputError: no direction of the group has this name.
    """
    names = directions.names
    if edit.direction.isdecimal():
        return int(edit.direction) - 1
    if edit.direction in names:
        return names.index(edit.direction)
    known = ", ".join(name for name in names if not name.startswith("other"))
    raise InputError(
        f"`edit={edit.group}:{edit.direction}={edit.value:g}`: no such direction; give a number "
        f"from 1 to {len(directions.axes)}" + (f" or one of: {known}." if known else ".")
    )


def apply_edits(
    latents: LatentArrays, edits: Sequence[Edit], directions: Mapping[str, Directions]
) -> LatentArrays:
    """The latents after all edits: z + sum of value * sd * axis.

    Args:
        latents: [N, d] for each group; they are left as they are.
        edits: steps, in the standard deviations of the directions.
        directions: those of each group that the edits move.

    Returns:
        [N, d] for each group.

    Raises:
        InputError: no direction of the group has the name that an edit gives.
    """
    edited = dict(latents)
    for edit in edits:
        along = directions[edit.group]
        index = locate(edit, along)
        step = edit.value * along.scales[index] * along.axes[index]
        edited[edit.group] = edited[edit.group] + step
    return edited
