"""Trackers of experiments: Weights & Biases and MLflow, by their own callbacks for Keras."""

import contextlib
import importlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from dgn_tf.config.output import require_trackers
from dgn_tf.utils.errors import InputError

# The name that runs are under where the trackers are not told another by their environment.
PROJECT = "dgn_tf"


@contextlib.contextmanager
def tracked(
    names: Sequence[str], folder: Path, settings: Mapping[str, Any]
) -> Iterator[list[keras.callbacks.Callback]]:
    """The callbacks of trackers, each with a run of its own that ends here.

    Args:
        names: of the trackers, some of "wandb" and "mlflow".
        folder: of the training run, whose name theirs have.
        settings: of the training by name.

    Raises:
        InputError: a tracker is not installed, or cannot begin.
    """
    require_trackers(names)
    with contextlib.ExitStack() as stack:
        yield [_begun(name, stack.callback, folder, settings) for name in names]


def _begun(
    name: str, at_end: Callable[..., Any], folder: Path, settings: Mapping[str, Any]
) -> keras.callbacks.Callback:
    try:
        return {"wandb": _wandb, "mlflow": _mlflow}[name](at_end, folder, settings)
    except Exception as error:
        # A server that is away, a key that is wrong: each tracker has errors of its own.
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(f"`log={name}` cannot begin: {reason[0]}") from error


def _wandb(
    at_end: Callable[..., Any], folder: Path, settings: Mapping[str, Any]
) -> keras.callbacks.Callback:
    wandb: Any = importlib.import_module("wandb")
    project = os.environ.get("WANDB_PROJECT", PROJECT)
    wandb.init(project=project, name=folder.name, dir=str(folder), config=dict(settings))
    at_end(wandb.finish)
    return importlib.import_module("wandb.integration.keras").WandbMetricsLogger()


def _mlflow(
    at_end: Callable[..., Any], folder: Path, settings: Mapping[str, Any]
) -> keras.callbacks.Callback:
    mlflow: Any = importlib.import_module("mlflow")
    mlflow.set_experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT))
    mlflow.start_run(run_name=folder.name)
    # Called in the opposite order: numbers are on their way in the background.
    at_end(mlflow.end_run)
    at_end(mlflow.flush_async_logging)
    mlflow.log_params(settings)
    return importlib.import_module("mlflow.keras").MlflowCallback()
