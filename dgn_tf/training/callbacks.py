"""Callbacks of the loop: progress for people, metrics.jsonl for programs."""

import json
import os
import sys
import time
from pathlib import Path

import keras
from absl import logging
from tqdm import tqdm


class ProgressReport(keras.callbacks.Callback):
    """A bar with an ETA where a person watches; elsewhere a line at most every `seconds`.

    Args:
        seconds: least time between two log lines.
        watched: whether a person watches; by default whether standard error is a terminal.
    """

    def __init__(self, seconds=15.0, watched=None):
        super().__init__()
        self.seconds = seconds
        self.watched = sys.stderr.isatty() if watched is None else watched

    def on_train_begin(self, logs=None):
        """Open the bar at the steps that were done before."""
        self._total = self.params["epochs"] * self.params["steps"]
        self._done = self._first = self.params["first_step"]
        self._epoch = self._done - self._done % self.params["steps"]
        self._start = self._last = time.monotonic()
        self._bar = tqdm(
            total=self._total, initial=self._done, unit="step", disable=not self.watched
        )

    def on_epoch_begin(self, epoch, logs=None):
        """Take the position from the epoch, which a rescue may have set back."""
        self._epoch = epoch * self.params["steps"]
        self._move(self._epoch)

    def on_train_batch_end(self, batch, logs=None):
        """Move the bar, or log a line when it is time."""
        self._move(self._epoch + batch + 1)
        if self.watched:
            self._bar.set_postfix_str(_headline(logs), refresh=False)
        elif time.monotonic() - self._last >= self.seconds:
            self._last = time.monotonic()
            self._line(logs)

    def on_train_end(self, logs=None):
        """Close the bar, or log the last line."""
        self._bar.close()
        if not self.watched and logs:
            self._line(logs)

    def _move(self, done):
        self._bar.update(done - self._done)
        self._done = done

    def _line(self, logs):
        passed = time.monotonic() - self._start
        left = passed / max(1, self._done - self._first) * (self._total - self._done)
        epoch, epochs = -(-self._done // self.params["steps"]), self.params["epochs"]
        print(
            f"epoch {epoch}/{epochs}  step {self._done}/{self._total}  {_headline(logs)}  "
            f"{passed:.0f} s passed, about {left:.0f} s left",
            file=sys.stderr,
            flush=True,
        )


def _headline(logs):
    """The number that tells most: the error of reconstruction, where there is one."""
    if "msre" in logs:
        return f"MSRE {logs['msre']:.1f}"
    return f"discriminator right {100 * logs['accuracy']:.0f}%"


class MetricsLog(keras.callbacks.Callback):
    """One JSON line an epoch: epoch, step, the epoch's means, and images per second.

    All but `images_per_second` is the same, to the last bit, whether or not a run was interrupted
    (on the CPU). A run that went back to a checkpoint replaces the lines of the epochs that it
    repeats. Lines that are damaged are named in a warning and dropped.

    Args:
        path: the file, rewritten aside and renamed.
        num_examples: images in an epoch.
    """

    def __init__(self, path, num_examples):
        super().__init__()
        self.path = Path(path)
        self.num_examples = num_examples

    def on_epoch_begin(self, epoch, logs=None):
        """Start the clock."""
        self._start = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        """Write the line of this epoch."""
        # An epoch that was resumed half-way has no beginning here, and so no speed.
        passed = time.monotonic() - self._start if hasattr(self, "_start") else None
        row = {"epoch": epoch + 1, "step": (epoch + 1) * self.params["steps"], **logs}
        row["images_per_second"] = self.num_examples / passed if passed else None
        rows = [old for old in read_metrics(self.path) if old["epoch"] <= epoch] + [row]
        partial = Path(f"{self.path}.partial")
        partial.write_text("".join(json.dumps(r) + "\n" for r in rows))
        os.replace(partial, self.path)


def read_metrics(path):
    """The rows of a metrics.jsonl, oldest first; none if the file does not exist.

    A line that is damaged is left out and named in a warning.
    """
    path, rows = Path(path), []
    if not path.exists():
        return rows
    # Split at line feeds alone, as they were written, whatever a damaged byte has become.
    text = path.read_text(encoding="utf-8", errors="replace")
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else (), 1):
        try:
            row = json.loads(line)
            rows.append(row | {"epoch": int(row["epoch"])})
        except (ValueError, TypeError, KeyError, RecursionError):
            logging.warning("%s: line %d is damaged and left out.", path, number)
    return rows
