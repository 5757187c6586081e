"""The course of a run: how its steps make epochs, also where batches or data have changed."""

import dataclasses
from typing import NamedTuple

from dgn_tf.data.batches import steps_per_epoch


@dataclasses.dataclass
class Progress:
    """How far a run has come.

    Attributes:
        step: learning steps done.
        sums: sums of the logged numbers over the steps of the epoch under way.
        rescues: how often the run has gone back to a checkpoint after a number that was not finite.
        offset: what to add to `step` for the place in the run, which counts epochs in batches of
            the size that they have now; 0 unless batch size or data have changed on the way.
        seen: examples of each shard at the beginning of the next batch that the epoch under way has
            seen already, in batches of another size.
        examples: size of the data that `offset` is for; 0 in checkpoints of older versions.
        batch_size: likewise.
    """

    step: int = 0
    sums: dict[str, float] = dataclasses.field(default_factory=dict)
    rescues: int = 0
    offset: int = 0
    seen: int = 0
    examples: int = 0
    batch_size: int = 0

    @property
    def place(self) -> int:
        """How far the run has come, in batches of the size that they have now."""
        return self.step + self.offset

    def means(self, per_epoch: int) -> dict[str, float]:
        """The logged numbers' means over the steps done of the epoch that the last step was in."""
        steps = (self.place - 1) % per_epoch + 1
        return {name: value / steps for name, value in self.sums.items()}


class Course(NamedTuple):
    """Data and batches as they are now.

    Attributes:
        examples: how many there are.
        batch_size: examples in a step.
        shards: parts of the data that each batch is drawn from in equal numbers.
    """

    examples: int
    batch_size: int
    shards: int = 1

    @property
    def per_epoch(self) -> int:
        """Steps of an epoch."""
        return steps_per_epoch(*self)

    def enter(self, progress: Progress) -> Progress:
        """The progress of a run that goes on with these data and batches.

        Whole epochs stay whole. An epoch under way goes on with the examples that it has not seen
        yet; where the data have changed, at the same fraction of it.
        """
        before = Course(
            progress.examples or self.examples,
            progress.batch_size or self.batch_size,
            self.shards,
        )
        epoch, batch = divmod(progress.place, before.per_epoch)
        if before.examples == self.examples:
            done = batch * (before.batch_size // self.shards)
            if batch:
                done += progress.seen
            now, seen = divmod(done, self.batch_size // self.shards)
        else:
            now, seen = batch * self.per_epoch // before.per_epoch, 0
        if before == self:
            # A checkpoint of an older version says nothing of either.
            return dataclasses.replace(progress, examples=self.examples, batch_size=self.batch_size)
        # The means over the epoch so far stay what they are.
        share = now / batch if batch else 0.0
        return dataclasses.replace(
            progress,
            sums={name: value * share for name, value in progress.sums.items()} if share else {},
            offset=epoch * self.per_epoch + now - progress.step,
            seen=seen,
            examples=self.examples,
            batch_size=self.batch_size,
        )
