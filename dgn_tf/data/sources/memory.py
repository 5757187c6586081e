"""The source `memory`: examples that a Python program has given a training, kept nowhere."""

from dgn_tf.config import DataConfig
from dgn_tf.data.examples import Examples
from dgn_tf.data.sources.source import Source
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.progress import Progress


def _refuse(data: DataConfig, rest: str, progress: Progress | None = None) -> Examples:
    """Say who has the examples.

    Raises:
        InputError: always.
    """
    del data, rest, progress
    raise InputError(
        "`data=memory`: the training examples of this run were given by a Python program, which "
        "alone can read them again: go on, or measure, there (`fit` and `evaluate` of its model)."
    )


MEMORY = Source(
    kind="memory",
    form="memory",
    example="memory",
    load=_refuse,
    images=True,
    clips=True,
    alone=True,
)
