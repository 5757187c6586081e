"""A trained model to use, from the run that made it or from an export of it."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dgn_tf.cli.flags import check_source
from dgn_tf.config import Config
from dgn_tf.runs.directory import Run
from dgn_tf.runs.restoring import load_chains, load_finished_run, load_run
from dgn_tf.serving import exported


class Trained(NamedTuple):
    """A trained model and what goes with it.

    `flag` names it in messages; `chains` are the latents of training examples [N, d] by group, or
    None; `folders` those that a labeled model numbers its classes by, or None.
    """

    flag: str
    config: Config
    model: Any
    chains: dict[str, np.ndarray] | None
    folders: list[str] | None

    @property
    def path(self) -> str:
        """Where it comes from."""
        return self.flag.partition("=")[2]


def load_trained(run_dir: str | None, saved_model: str | None, finished: bool = False) -> Trained:
    """The model of a run, or of saved_models/NAME[/VERSION].

    Args:
        run_dir: folder of a run, or nothing.
        saved_model: folder of an export, or nothing.
        finished: whether a run must have come to its end.

    Raises:
        InputError: not one of the two is given, or it cannot be read.
    """
    check_source(run_dir, saved_model)
    if saved_model:
        return Trained(f"--saved_model={saved_model}", *exported.load(Path(saved_model)))
    config, model = (load_finished_run if finished else load_run)(run_dir)
    chains = load_chains(run_dir)
    return Trained(f"--run_dir={run_dir}", config, model, chains, Run(run_dir).folders)


def model_name(run_dir: str | None, saved_model: str | None) -> str:
    """The name of a model for people: that of a run's folder, or NAME of saved_models/NAME/1."""
    folder = Path(run_dir or saved_model).expanduser().resolve()
    return folder.parent.name if saved_model and folder.name.isdecimal() else folder.name
