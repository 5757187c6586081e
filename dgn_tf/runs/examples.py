"""The examples of a run: those that it learns from, and those that it holds out."""

from pathlib import Path
from typing import NamedTuple

from dgn_tf.config import Config
from dgn_tf.data.examples import Examples
from dgn_tf.data.mirroring import with_mirrored
from dgn_tf.data.sources import load, paths_of
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


def missing_data(config: Config) -> str:
    """What the data of a run are not at, for a message; empty where they are there.

    Args:
        config: the settings of the run.
    """
    for path in paths_of(config.data.data):
        if not path.exists():
            seen = "" if path.is_absolute() else f" (seen from {Path.cwd()})"
            return f"{path}{seen}, which the run has learned from, is not there"
    return ""


def require_learned(config: Config, advice: str) -> None:
    """Check that the data of a run are where its settings say, before anything is read.

    Args:
        config: the settings of the run.
        advice: what to do, for the message.

    Raises:
        InputError: they are not.
    """
    if missing := missing_data(config):
        raise InputError(f"{missing}: {advice}")


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
