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
        "`data=memory`: this run learned from arrays that were given by a Python program, and "
        "keeps none of them. Go on there, by `fit` with the same images and `run_dir`, or name the "
        "files that they came from with `data`."
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
