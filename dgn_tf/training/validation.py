"""The error of held-out examples while a model learns."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import keras
import numpy as np

from dgn_tf.config import InferenceConfig, TrainingConfig
from dgn_tf.data.examples import Examples, as_float
from dgn_tf.inference.encoder import make_inference
from dgn_tf.inference.energy import reconstruction_errors
from dgn_tf.types import LatentModel

# Held-out examples that are measured, at most, and how often in a run at least.
_MEASURED, _TIMES = 200, 20
# Steps of each inference: from an encoder's guess, and from zero.
_FROM_GUESS, _FROM_ZERO = 20, 100
# Frames that are inferred at a time.
_FRAMES = 100


class Validation(keras.callbacks.Callback):
    """Adds `val_msre` to the numbers of an epoch: the mean error of held-out examples.

    Each time their latents are inferred anew, without noise, in 20 steps from the guess of the
    encoder that learns beside the model, or in 100 from zero; more would lower the error a little
    and take the time of the training. Of many examples 200 are measured, evenly spread. It changes
    nothing of the training. It must come before the callbacks that should see the number.

    Args:
        model: the model being trained.
        examples: the held-out examples.
        learning: the settings of the training.
        encoder: that learns beside the model, or None.
        given: one-hot labels [N, d] of each group that the model does not infer.
        every_epochs: epochs between two measurements; None for 20 in the run. The last epoch is
            always measured.
        measured: what the model is in while it is measured, as of `ema.averaged_weights`.
    """

    def __init__(
        self,
        model: LatentModel,
        examples: Examples,
        learning: TrainingConfig,
        encoder: keras.Model | None = None,
        given: Mapping[str, np.ndarray] | None = None,
        every_epochs: int | None = None,
        measured: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ):
        super().__init__()
        count = min(len(examples), _MEASURED)
        rows = np.linspace(0, len(examples) - 1, count).astype(int)
        self.examples = examples.subset(rows)
        self.given = {name: labels[rows] for name, labels in (given or {}).items()}
        self.every_epochs = every_epochs or max(1, learning.epochs // _TIMES)
        self.latent_model, self.measured = model, measured
        steps = _FROM_ZERO if encoder is None else _FROM_GUESS
        settings = InferenceConfig(steps=steps, starts=1).resolved(learning, encoder is not None)
        self._inference = make_inference(model, settings, encoder)

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Measures, when it is time."""
        last = epoch + 1 == self.params["epochs"]
        if logs is not None and (last or (epoch + 1) % self.every_epochs == 0):
            logs["val_msre"] = self.error()

    def error(self) -> float:
        """The mean error now: the sum of squares over an image or clip on the [0, 1] scale."""
        images = self.examples.images[:]
        at_once = max(1, _FRAMES // (self.examples.frames or 1))
        with self.measured():
            z = self._inference(as_float(images), self.examples.ids, at_once, None, self.given)
            return float(reconstruction_errors(self.latent_model, images, z).mean())
