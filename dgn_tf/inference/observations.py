"""Images that inference is asked about: what a model could have made, or an error that says why."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from dgn_tf.types import LatentArrays, LatentModel
from dgn_tf.utils.arrays import checked_images, checked_numbers
from dgn_tf.utils.errors import InputError


def observation_shape(model: LatentModel) -> list[int | None]:
    """The sizes of one image or clip that a model makes, found without making one."""

    def made(z):
        return model.combine({name: model.part(name, value) for name, value in z.items()})

    specs = {name: tf.TensorSpec([1, dim]) for name, dim in model.latent_dims.items()}
    trace = tf.function(made, autograph=False).get_concrete_function(specs)
    # What one function returns is one tensor; TensorFlow's annotation knows nests of them.
    return trace.output_shapes.as_list()[1:]  # pyright: ignore[reportAttributeAccessIssue]


def checked_observations(images: Any, shape: Sequence[int | None]) -> np.ndarray:
    """Images or clips as float32.

    Args:
        images: floating [N, *shape] in [-1, 1].
        shape: `observation_shape` of the model.

    Raises:
        InputError: there are none, or their shape, type or numbers are wrong.
    """
    if len(np.shape(images)) > 0 and len(images) == 0:
        raise InputError("there are no images to infer latents for.")
    return checked_images("images", images, [None, *shape], -1.0, 1.0)


def checked_ids(ids: Sequence[int] | np.ndarray | None, count: int) -> np.ndarray:
    """The ids of `count` images, int64 [count]; by default 0, 1, 2 ...

    Raises:
        InputError: another number of ids, or not whole numbers.
    """
    if ids is None:
        return np.arange(count, dtype=np.int64)
    found = np.asarray(ids)
    if found.dtype.kind not in "iu" or found.shape != (count,):
        raise InputError(
            f"ids must be a whole number for each of {count} images; they are {found.dtype} "
            f"{list(found.shape)}."
        )
    return found.astype(np.int64)


def checked_labels(model: LatentModel, given: Mapping[str, Any] | None, count: int) -> LatentArrays:
    """The latents of `count` images that a model does not infer, float32 [count, d] by group.

    Raises:
        InputError: other groups than the model needs, or wrong shapes or numbers.
    """
    given = given or {}
    if set(given) != set(model.given_groups):
        raise InputError(
            f"the model needs to be given {list(model.given_groups)}, not {list(given)}."
        )
    return {
        name: checked_numbers(f"given[{name!r}]", value, [count, model.latent_dims[name]])
        for name, value in given.items()
    }
