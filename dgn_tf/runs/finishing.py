"""What a training leaves at its end: the run's principal directions and the trained model."""

import contextlib
from collections.abc import Iterator

import numpy as np

from dgn_tf.data.examples import Examples
from dgn_tf.runs.directory import DIRECTIONS, ENCODER, MODEL, Run
from dgn_tf.runs.restoring import load_chains
from dgn_tf.training.ema import Averaging
from dgn_tf.types import EncodedModel, Learner
from dgn_tf.utils.files import atomic_write
from dgn_tf.visualize.callback import SampleSheets
from dgn_tf.visualize.clips import of_first_frames
from dgn_tf.visualize.directions import Directions, principal_directions, write_directions


def is_finished(run: Run) -> bool:
    """Whether `finish` has done its work since the weights changed last."""
    return (run / MODEL).exists() and (run / DIRECTIONS).exists()


def finish(
    run: Run, learner: Learner, examples: Examples, sheets: SampleSheets, epochs: int
) -> None:
    """Write directions.npz and model.keras, and the sheets, if they do not follow the directions.

    An encoder that has learned beside the model is kept too, as encoder.keras.

    Directions and model.keras are of the averaged weights, where the learner averages them; the
    sheets show the last ones. Doing it again changes nothing.

    Args:
        run: whose last checkpoint has been saved.
        learner: in the state of this checkpoint.
        examples: the training examples.
        sheets: that were written while it learned.
        epochs: that were learned.
    """
    with _trained_weights(learner):
        directions = run_directions(run, learner, examples)
    if not sheets.follow(directions):
        sheets.write(epochs, directions)
    write_directions(run / DIRECTIONS, directions)
    encoder = learner.state.get("encoder")
    if encoder is not None:
        with atomic_write(run / ENCODER) as partial:
            encoder.save(partial)
    with _trained_weights(learner), atomic_write(run / MODEL) as partial:
        learner.model.save(partial)


def run_directions(run: Run, learner: Learner, examples: Examples) -> dict[str, Directions]:
    """The principal directions of the latents that a training has ended with.

    Args:
        run: whose newest checkpoint has the chains.
        learner: of the run; where its model has an encoder, that gives the latents.
        examples: the training examples.

    Returns:
        `Directions` by group; of clips those of the first frames. Empty where nothing is known of
        the latents, or nothing can be shown of them.
    """
    model = learner.model
    encoded = isinstance(model, EncodedModel)
    latents = learner.latents(examples) if encoded else load_chains(run.folder)
    still = of_first_frames(model, latents) if latents else None
    return principal_directions(*still) if still else {}


def trained_weights(learner: Learner) -> list[np.ndarray]:
    """The weights that the model is used with: averaged ones, if there are any."""
    with _trained_weights(learner):
        return learner.model.get_weights()


@contextlib.contextmanager
def _trained_weights(learner: Learner) -> Iterator[None]:
    """In here the model has the weights that it is used with: averaged ones, if there are any."""
    if not isinstance(learner, Averaging):
        yield
        return
    last = learner.model.get_weights()
    learner.average.copy_to(learner.model)
    try:
        yield
    finally:
        learner.model.set_weights(last)
