"""The examples of a run: those that it learns from, and those that it holds out."""

from typing import NamedTuple

from dgn_tf.config import Config
from dgn_tf.data.examples import Examples
from dgn_tf.data.mirroring import with_mirrored
from dgn_tf.data.sources import load
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.progress import progress_bar


class RunExamples(NamedTuple):
    """What the data of a run become.

    Attributes:
        train: what is learned from, with mirror images where these are asked for.
        held_out: what is not, or None.
    """

    train: Examples
    held_out: Examples | None


def run_examples(config: Config, examples: Examples | None = None) -> RunExamples:
    """The examples that the settings of a run describe, always divided alike.

    Args:
        config: the settings.
        examples: the data that they name, where they are there already; None reads them.

    Raises:
        InputError: the data cannot be used, or not divided.
    """
    if examples is None:
        with progress_bar("Reading images") as report:
            examples = load(config.data, report)
    held_out = None
    if config.data.validation:
        try:
            examples, held_out = examples.split(config.data.validation, config.learning.seed)
        except InputError as error:
            raise InputError(f"`validation={config.data.validation}`: {error}") from None
    if config.data.mirror:
        examples = with_mirrored(examples, config.data.label)
    return RunExamples(examples, held_out)
