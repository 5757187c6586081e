"""Callbacks of the loop: progress for people, metrics.jsonl for programs."""

import json
import logging
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams
from tensorboard.plugins.image import metadata as image_metadata

from dgn_tf.utils.files import user_path, write_text
from dgn_tf.utils.ownership import LOGS, Ownership, files_under
from dgn_tf.utils.progress import is_watched, make_bar, tell

_log = logging.getLogger(__name__)

# What the callbacks of Keras are given: the numbers of the epoch so far, by name.
Logs = Mapping[str, float] | None


class ProgressReport(keras.callbacks.Callback):
    """A bar with the time left where a person watches; else a line every `seconds` at most.

    Args:
        seconds: least time between two lines.
        watched: whether a person watches; by default `is_watched`.
    """

    def __init__(self, seconds: float = 15.0, watched: bool | None = None):
        super().__init__()
        self.seconds = seconds
        self.watched = is_watched() if watched is None else watched

    def on_train_begin(self, logs: Logs = None) -> None:
        """Opens the bar at the steps that were done before."""
        self._total = self.params["epochs"] * self.params["steps"]
        self._done = self._first = self.params["first_step"]
        self._epoch = self._done - self._done % self.params["steps"]
        self._held_out: float | None = None
        self._start = self._last = time.monotonic()
        if self._first:
            tell(f"Goes on from step {self._first} of {self._total}.", sys.stderr)
        self._bar = make_bar(
            total=self._total, initial=self._done, unit="step", disable=not self.watched
        )

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Takes the position from the epoch, which a rescue may have set back."""
        self._epoch = epoch * self.params["steps"]
        self._move(self._epoch)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Moves the bar, or prints a line when it is time."""
        self._move(self._epoch + batch + 1)
        if self.watched:
            epoch, epochs = self._epoch // self.params["steps"] + 1, self.params["epochs"]
            self._bar.set_description_str(f"epoch {epoch}/{epochs}", refresh=False)
            self._bar.set_postfix_str(self._headline(logs), refresh=False)
        elif time.monotonic() - self._last >= self.seconds:
            self._last = time.monotonic()
            self._line(logs)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Takes the error of held-out examples, if it was measured."""
        self._held_out = (logs or {}).get("val_msre", self._held_out)

    def on_train_end(self, logs: Logs = None) -> None:
        """Closes the bar, or prints the last line."""
        self._bar.close()
        if not self.watched and logs:
            self._line(logs)

    def _move(self, done: int) -> None:
        self._bar.update(done - self._done)
        self._done = done

    def _line(self, logs: Logs) -> None:
        passed = time.monotonic() - self._start
        done = max(1, self._done - self._first)
        left, rate = passed / done * (self._total - self._done), done / max(passed, 1e-9)
        epoch, epochs = -(-self._done // self.params["steps"]), self.params["epochs"]
        tell(
            f"epoch {epoch}/{epochs}  step {self._done}/{self._total}  {self._headline(logs)}  "
            f"{rate:.3g} steps/s  {passed:.0f} s passed, about {left:.0f} s left",
            sys.stderr,
        )

    def _headline(self, logs: Logs) -> str:
        """The most telling numbers: the errors of reconstruction, where there are any."""
        logs = logs or {}
        if "msre" not in logs:
            return f"discriminator right {100 * logs['accuracy']:.0f}%"
        held_out = "" if self._held_out is None else f", held out {self._held_out:.1f}"
        return f"MSRE {logs['msre']:.1f}{held_out}"


class RecordedTensorBoard(keras.callbacks.TensorBoard):
    """Keras's TensorBoard with settings and images, whose files are recorded as this program's.

    Settings are there as text and as hyperparameters, to compare runs by.

    Args:
        folder: of the logs.
        settings: of the training by name: numbers, truth values or text.
    """

    def __init__(self, folder: str | os.PathLike, settings: Mapping[str, Any] | None = None):
        super().__init__(user_path(folder), write_graph=False)
        self.folder = user_path(folder)
        self.settings = dict(settings or {})
        self._before: set[str] = set()
        self._images = None

    def on_train_begin(self, logs: Logs = None) -> None:
        """Opens the files, whose names have the time in them, and records them."""
        self._before = set(files_under(self.folder))
        super().on_train_begin(logs)
        self._images = tf.summary.create_file_writer(str(self.folder / "train"))
        with self._images.as_default(step=0):
            if self.settings:
                rows = [f"| {name} | `{value}` |" for name, value in self.settings.items()]
                tf.summary.text("settings", "\n".join(["| setting | value |", "|---|---|", *rows]))
                hparams.hparams(self.settings)
        self._images.flush()
        self._record()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Writes the numbers; those of held-out examples begin a file of their own."""
        super().on_epoch_end(epoch, logs)
        if any(name.startswith("val_") for name in logs or {}):
            self._record()

    def on_train_end(self, logs: Logs = None) -> None:
        """Closes the files."""
        super().on_train_end(logs)
        if self._images is not None:
            self._images.flush()

    def write_image(self, name: str, epoch: int, size: tuple[int, int], png: bytes) -> None:
        """Shows an image among those of an epoch.

        Args:
            name: of the image.
            epoch: from 1 on.
            size: its width and height.
            png: the file of the image, which is not encoded again.
        """
        if self._images is None:
            return
        with self._images.as_default(step=epoch):
            about = image_metadata.create_summary_metadata(name, "")
            values = tf.constant([str(size[0]).encode(), str(size[1]).encode(), png])
            tf.summary.write(name, values, metadata=about)
        self._images.flush()

    def _record(self) -> None:
        Ownership(self.folder, LOGS).add(set(files_under(self.folder)) - self._before)


class MetricsLog(keras.callbacks.Callback):
    """One JSON line an epoch: epoch, step, the epoch's means, and images per second.

    All but `images_per_second` is the same, to the last bit, whether or not a run was interrupted
    (on the CPU). A run that went back to a checkpoint replaces the lines of the epochs that it
    repeats. Lines that are damaged are named in a warning and dropped.

    Args:
        path: the file, which is always whole.
        num_examples: images in an epoch.
    """

    def __init__(self, path: str | os.PathLike, num_examples: int):
        super().__init__()
        self.path = user_path(path)
        self.num_examples = num_examples
        self._start: float | None = None
        self._steps = 0

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Starts the clock."""
        self._start = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Counts the steps: an epoch may be stopped before its last."""
        self._steps = batch + 1

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Writes the line of this epoch."""
        # An epoch that was resumed half-way has no beginning here, and so no speed; nor has one
        # that was stopped half-way its number of images.
        passed = None
        if self._start is not None and self._steps == self.params["steps"]:
            passed = time.monotonic() - self._start
        step = epoch * self.params["steps"] + self._steps - self.params.get("offset", 0)
        row = {"epoch": epoch + 1, "step": step, **(logs or {})}
        row["images_per_second"] = self.num_examples / passed if passed else None
        rows = [old for old in read_metrics(self.path) if old["epoch"] <= epoch] + [row]
        write_text(self.path, "".join(json.dumps(r) + "\n" for r in rows))


def read_metrics(path: str | os.PathLike) -> list[dict[str, Any]]:
    """The rows of a metrics.jsonl, oldest first; none if the file does not exist.

    A line that is damaged is left out and named in a warning.
    """
    path = user_path(path)
    rows: list[dict[str, Any]] = []
    if not path.exists():
        return rows
    # Split at line feeds alone, as they were written, whatever a damaged byte has become.
    text = path.read_text(encoding="utf-8", errors="replace")
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else (), 1):
        try:
            row = json.loads(line)
            rows.append(row | {"epoch": int(row["epoch"])})
        except (ValueError, TypeError, KeyError, RecursionError):
            _log.warning("%s: line %d is damaged and left out.", path, number)
    return rows
