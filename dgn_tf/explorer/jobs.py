"""Inference of photographs in the background, one at a time."""

import itertools
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from dgn_tf.config import InferenceConfig
from dgn_tf.data.examples import as_bytes, as_float
from dgn_tf.inference.encoder import make_inference
from dgn_tf.inference.energy import squared_error
from dgn_tf.inference.statistics import LatentStatistics
from dgn_tf.types import LatentArrays, LatentModel
from dgn_tf.utils.errors import InputError
from dgn_tf.visualize.decoding import decode

# How many finished jobs can still be asked for.
_KEPT = 16


class Busy(InputError):
    """Another inference is under way."""


class Jobs:
    """Infers latents in a thread of its own.

    Args:
        model: a trained model of images.
        settings: of the inference, `resolved`.
        encoder: whose guess it begins with, or None.
        statistics: which images are typical, or None where that is not known.
    """

    def __init__(
        self,
        model: LatentModel,
        settings: InferenceConfig,
        encoder: keras.Model | None = None,
        statistics: LatentStatistics | None = None,
    ):
        self.model = model
        self.statistics = statistics
        self._inference = make_inference(model, settings, encoder)
        # As in `Painter`: the first photograph should not wait for what is traced once.
        self._inference.warm_up()
        self._numbers = itertools.count(1)
        self._states: dict[int, dict] = {}
        self._lock = threading.Lock()
        self._working = False

    def start(self, image: np.ndarray, given: LatentArrays) -> int:
        """Begins to infer the latents of an image, uint8 [S, S, C]; returns the job's number.

        Args:
            image: the image.
            given: one-hot labels [1, d] for each group that the model does not infer.

        Raises:
            Busy: the job before is not done.
        """
        with self._lock:
            if self._working:
                raise Busy("another photograph is being inferred: wait until it is done.")
            self._working = True
            number = next(self._numbers)
            self._states[number] = {"state": "running", "done": 0, "total": 0}
            for old in list(self._states)[:-_KEPT]:
                del self._states[old]
        threading.Thread(target=self._work, args=(number, image, given), daemon=True).start()
        return number

    def state(self, number: int) -> dict:
        """How far a job is.

        Returns:
            "state" is "running", with the steps "done" of "total" and the "latents" [d] by group
            that they have reached, once there are some; "done", with "latents", "msre", the squared
            error on the [0, 1] scale, and "typical", whether the model has learned from such
            images (None where that is not known); or "failed", with an "error".

        Raises:
            InputError: there is no such job, or it is long over.
        """
        with self._lock:
            if number not in self._states:
                raise InputError(f"there is no job {number}.")
            return self._states[number]

    def _work(self, number: int, image: np.ndarray, given: LatentArrays) -> None:
        def tell(**known: Any) -> None:
            # A new object each time: another thread may be sending the old one.
            self._states[number] = {**self._states[number], **known}

        try:
            state = self._infer(as_float(image[None]), tell, given)
        except InputError as error:
            state = {"state": "failed", "error": str(error)}
        # Whoever waits for the job must hear of its end, whatever it is.
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            state = {"state": "failed", "error": f"the inference failed: {type(error).__name__}."}
        with self._lock:
            self._states[number] = state
            self._working = False

    def _infer(
        self, images: np.ndarray, tell: Callable[..., None], given: LatentArrays
    ) -> dict[str, Any]:
        latents = self._inference(
            images,
            progress=lambda done, total: tell(done=done, total=total),
            given=given,
            watch=lambda reached: tell(latents=_as_lists(reached)),
        )
        if not all(np.isfinite(z).all() for z in latents.values()):
            raise InputError("the inference diverged for this photograph: try another crop of it.")
        made, _ = decode(self.model, latents)
        errors = squared_error(tf.constant(images), made).numpy()
        known = self.statistics
        typical = known.typical(as_bytes(images), latents, errors) if known else None
        return {
            "state": "done",
            "latents": _as_lists(latents),
            "msre": float(errors[0]),
            "typical": None if typical is None else bool(typical[0]),
        }


def _as_lists(latents: LatentArrays) -> dict[str, list[float]]:
    """The latents of the first example, ready for JSON."""
    return {name: z[0].tolist() for name, z in latents.items()}
