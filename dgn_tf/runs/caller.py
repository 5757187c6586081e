"""What a program gives a training beside its settings, and what it gets back."""

import dataclasses
import signal
from collections.abc import Callable, Sequence

import keras
import numpy as np

from dgn_tf.data.examples import Examples
from dgn_tf.training.callbacks import ProgressReport


def print_line(text: str) -> None:
    """Say a line to people, at once."""
    print(text, flush=True)


@dataclasses.dataclass(frozen=True)
class Weights:
    """What a new run begins with instead of new networks.

    Attributes:
        model: the weights of the model.
        encoder: those of the encoder that proposes latents; None where there is none.
    """

    model: list[np.ndarray]
    encoder: list[np.ndarray] | None = None


@dataclasses.dataclass(frozen=True)
class Caller:
    """What a training is given beside its settings, by a program that is no command.

    Attributes:
        examples: to learn from, in place of those that the settings name.
        validation: held-out examples, where the settings hold none out; `Validation`
            adds their error to the numbers.
        validation_epochs: epochs between two of its measurements; None as `Validation` says.
        callbacks: of Keras, beside those of a run.
        watch: a callback that shows how far the training is; None shows nothing.
        say: gets the lines that tell people what is done.
        weights: that a new run begins with; None for new ones, or what `init_from` says.
    """

    examples: Examples | None = None
    validation: Examples | None = None
    validation_epochs: int | None = None
    callbacks: Sequence[keras.callbacks.Callback] = ()
    watch: keras.callbacks.Callback | None = dataclasses.field(default_factory=ProgressReport)
    say: Callable[[str], None] = print_line
    weights: Weights | None = None


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a training has ended.

    Attributes:
        weights: of the model, averaged if the run averages them, after the last callback.
        stopped_by: the signal that has stopped it, or None.
        finished: the epochs that it had already learned where there was nothing to do, else 0.
    """

    weights: list[np.ndarray]
    stopped_by: signal.Signals | None = None
    finished: int = 0
