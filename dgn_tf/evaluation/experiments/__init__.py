"""What the experiments of dgn_tf.evaluate measure: a module each, found by its name.

`dgn_tf.config.experiments` says of each what it is and which settings it has.
"""

import importlib
from collections.abc import Callable
from typing import Any, Protocol, cast

from dgn_tf.config.evaluate import EvaluationData
from dgn_tf.evaluation.report import Report
from dgn_tf.runs.evaluated import EvaluatedRun


class Experiment(Protocol):
    """What a module of this folder has.

    Attributes:
        run: measures a run, as the experiment's `Settings` say. It checks what it needs before it
            infers latents, and raises an `InputError` for what it cannot measure.
    """

    run: Callable[[EvaluatedRun, EvaluationData, Any], Report]


def find(name: str) -> Experiment:
    """What measures the experiment of a name, one of `dgn_tf.config.experiments.names`."""
    return cast(Experiment, importlib.import_module(f"{__name__}.{name}"))
