"""What the explorer shows: a trained model of images, and all that is known of it."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras

from dgn_tf.config import Config
from dgn_tf.inference.statistics import LatentStatistics
from dgn_tf.visualize.directions import Directions

# Keeps the directions of all groups, of which one has a new name.
Keeper = Callable[[Mapping[str, Directions]], None]


@dataclasses.dataclass(frozen=True)
class Subject:
    """A trained model of images and what goes with it.

    Attributes:
        name: of the model, for people.
        config: the `Config` that made it.
        model: the model.
        directions: along which the sliders move, for each group that is not one-hot; None takes
            `prior_directions`.
        classes: names of the classes of a labeled model, or None.
        encoder: whose guess an inference begins with, or None.
        statistics: of the training latents and errors, or None where they are not known.
        keep: called when a direction gets another name; None keeps names as long as the page is
            served.
    """

    name: str
    config: Config
    model: Any
    directions: Mapping[str, Directions] | None = None
    classes: Sequence[str] | None = None
    encoder: keras.Model | None = None
    statistics: LatentStatistics | None = None
    keep: Keeper | None = None
