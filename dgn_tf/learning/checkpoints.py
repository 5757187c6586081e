"""Checkpoints of a run: each in a folder of its own that appears whole or not at all."""

import dataclasses
import json
import os
import shutil
from pathlib import Path

import tensorflow as tf
from absl import logging

from dgn_tf.parsing import InputError


@dataclasses.dataclass
class Progress:
    """How far a run has come.

    Attributes:
        step: learning steps done.
        sums: sums of the logged numbers over the steps of the epoch under way.
        rescues: how often a number that was not finite has sent the run back.
    """

    step: int = 0
    sums: dict[str, float] = dataclasses.field(default_factory=dict)
    rescues: int = 0

    def means(self, per_epoch):
        """The logged numbers' means over the steps done of the epoch that the last step was in."""
        steps = (self.step - 1) % per_epoch + 1
        return {name: value / steps for name, value in self.sums.items()}


class Checkpoints:
    """The newest `keep` states of a run in `folder`, as `step-00001200/{state.*,progress.json}`.

    Args:
        folder: where the checkpoints are; made when the first is saved.
        keep: how many to keep.
        objects: what to save, by name: built Keras models and optimizers, tf.Modules, tf.Variables.
    """

    def __init__(self, folder, keep=3, **objects):
        self.folder = Path(folder)
        self.keep = keep
        self.state = tf.train.Checkpoint(**objects)

    def paths(self):
        """The checkpoints' folders, oldest first."""
        return sorted(self.folder.glob("step-*"))

    def save(self, progress):
        """Write a checkpoint aside, give it its name, and drop the oldest ones beyond `keep`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for leftover in self.folder.glob("partial-*"):
            shutil.rmtree(leftover)
        partial = self.folder / f"partial-{os.getpid()}"
        partial.mkdir()
        self.state.write(str(partial / "state"))
        (partial / "progress.json").write_text(json.dumps(dataclasses.asdict(progress)))
        final = self.folder / f"step-{progress.step:010d}"
        if final.exists():
            # The name is free for an instant; the states before this one remain whatever happens.
            shutil.rmtree(final)
        partial.rename(final)
        for old in self.paths()[: -self.keep]:
            shutil.rmtree(old)

    def restore(self, partial=False):
        """Restore the newest checkpoint that can be read; any other is reported and passed over.

        Args:
            partial: whether a checkpoint may hold more than the `objects`, as when only a model is
                wanted.

        Returns:
            The `Progress` of that checkpoint, or None when there is no checkpoint at all.

        Raises:
            InputError: there are checkpoints, and none can be read.
        """
        paths = self.paths()
        for path in reversed(paths):
            try:
                progress = Progress(**json.loads((path / "progress.json").read_text()))
                status = self.state.read(str(path / "state"))
                if partial:
                    status.assert_existing_objects_matched().expect_partial()
                else:
                    status.assert_consumed()
                return progress
            # Seen of broken files: OpError (a flipped bit, a missing file), IndexError (a truncated
            # index), AssertionError (variables missing from it) and, for progress.json, ValueError
            # or TypeError.
            except (
                tf.errors.OpError,
                OSError,
                IndexError,
                AssertionError,
                ValueError,
                TypeError,
            ) as error:
                reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
                logging.error(
                    "Checkpoint %s cannot be read (%s): the one before it is used.", path, reason
                )
        if paths:
            raise InputError(
                f"none of the {len(paths)} checkpoints in {self.folder} can be read: "
                "train again with --fresh."
            )
        return None
