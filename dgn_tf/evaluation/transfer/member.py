"""One method with one seed: trained, fine-tuned and tested."""

import dataclasses
import json
import logging
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from dgn_tf.config import ENCODED_MODELS, Config, InferenceConfig
from dgn_tf.config.serialization import flagfile
from dgn_tf.config.transfer import TransferSettings
from dgn_tf.data.examples import Examples, as_float
from dgn_tf.evaluation.transfer.table import view_errors
from dgn_tf.evaluation.transfer.trainings import training_of, tuning_of
from dgn_tf.inference.encoder import make_inference, make_langevin_inference
from dgn_tf.runs.directory import EVALUATION, Run
from dgn_tf.runs.restoring import find_encoder, load_run
from dgn_tf.types import EncodedModel, LatentArrays, LatentModel
from dgn_tf.utils.errors import InputError
from dgn_tf.utils.files import write_text
from dgn_tf.utils.ownership import MEASURED, Ownership
from dgn_tf.utils.progress import progress_bar
from dgn_tf.utils.reading import read_text
from dgn_tf.visualize.decoding import decode

_log = logging.getLogger(__name__)


class Member:
    """One method with one seed: its two runs and its errors.

    Args:
        folder: of all runs of the table.
        config: of the first training, before `fair`.
        settings: of the table.
        inference: of the test's latents; its seed is replaced.
        method: a model's name.
        seed: of both trainings and of the inference.
    """

    def __init__(
        self,
        folder: Path,
        config: Config,
        settings: TransferSettings,
        inference: InferenceConfig,
        method: str,
        seed: int,
    ) -> None:
        self.method, self.seed = method, seed
        self.name = f"{method}-{seed}"
        self._config, self._settings = training_of(config, method, seed), settings
        self._inference = dataclasses.replace(inference, seed=seed)
        self._source, self._tuned = folder / self.name, folder / f"{self.name}-tuned"

    def train(self) -> None:
        """Both trainings, each in a process of its own; a finished one takes seconds.

        Raises:
            InputError: a training failed.
        """
        _train(self._config, self._source)
        _train(tuning_of(self._config, self._settings, str(self._source)), self._tuned)

    def test(self, test: Examples, views: np.ndarray) -> dict[str, dict[str, float]]:
        """Errors on unseen examples, kept in the run's evaluation/transfer.json.

        Args:
            test: N examples.
            views: the view of each, [N].

        Returns:
            `view_errors` by label: a model with an encoder has two, one for each inference.
        """
        encoder = self._encoder()
        inference = self._resolved(encoder)
        settings = {
            "steps": inference.steps,
            "starts": inference.starts,
            "amortised": inference.amortised,
            "seed": self.seed,
            "examples": test.fingerprint(),
        }
        path = self._tuned / EVALUATION / "transfer.json"
        if kept := _kept(path, settings):
            return kept
        _, model = load_run(self._tuned)
        latents = self._latents(model, test, encoder)
        errors = {self.method: view_errors(model, test, views, latents)}
        if isinstance(model, EncodedModel):
            latents = self._latents(model, test, by_langevin=True)
            errors[f"{self.method}, Langevin"] = view_errors(model, test, views, latents)
        Ownership(path.parent, MEASURED).add([path.name])
        write_text(path, json.dumps({"settings": settings, "errors": errors}) + "\n")
        return errors

    def describe(self, shown: Examples) -> tuple[str, np.ndarray]:
        """The numbers of parameters as text, and reconstructions [N, S, S, C] of N examples."""
        _, model = load_run(self._tuned)
        counts = [f"{n.count_params():,} ({name})" for name, n in model.networks.items()]
        images, _ = decode(model, self._latents(model, shown, self._encoder()))
        return " + ".join(counts), images

    def _encoder(self) -> keras.Model | None:
        """What the inference begins with; a model with an encoder of its own has no other."""
        encoded = self._config.model.model in ENCODED_MODELS
        return None if encoded else find_encoder(self._tuned, self._inference.amortised)

    def _resolved(self, encoder: keras.Model | None) -> InferenceConfig:
        return self._inference.resolved(self._config.learning, encoder is not None)

    def _latents(
        self,
        model: LatentModel,
        test: Examples,
        encoder: keras.Model | None = None,
        by_langevin: bool = False,
    ) -> LatentArrays:
        make = make_langevin_inference if by_langevin else make_inference
        infer = make(model, self._resolved(encoder), encoder)
        with progress_bar(f"{self.name}: inference") as report:
            return infer(as_float(test.images), test.ids, progress=report)


def _kept(path: Path, settings: dict[str, Any]) -> dict[str, dict[str, float]] | None:
    """The errors that were measured with these settings before; None if they were not."""
    if not path.exists():
        return None
    try:
        found = json.loads(read_text(path))
        if found["settings"] != settings:
            return None
        return {
            label: {view: float(error) for view, error in errors.items()}
            for label, errors in found["errors"].items()
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        _log.warning("%s is damaged: its errors are measured anew.", path)
        return None


def _train(config: Config, folder: Path) -> None:
    """dgn_tf.train as a process: exact resume, and its memory is free again afterwards.

    Raises:
        InputError: the training failed; it has said why.
    """
    arguments = flagfile(config.settings()).splitlines()[1:]
    status = _run([sys.executable, "-m", "dgn_tf.train", *arguments, f"--run_dir={folder}"])
    finished = Run(folder) / "model.keras"
    if status or not finished.exists():
        raise InputError(
            f"the training in {folder} did not end well (exit status {status}): see above. The "
            "same command goes on from there."
        )


def _run(command: Sequence[str]) -> int:
    """The exit status of a program, which is let end in good order after Ctrl-C."""
    with subprocess.Popen(command) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            # The program has got it too, and saves.
            process.wait()
            raise
