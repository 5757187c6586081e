"""Settings of what a run writes."""

import dataclasses

from dgn_tf.config.fields import require, setting


@dataclasses.dataclass(frozen=True)
class OutputConfig:
    """What a run writes, and when. None of it changes the numbers."""

    checkpoint_epochs: int = setting(
        10, "Epochs between checkpoints; the end and SIGTERM save too.", fixed=False
    )
    keep_checkpoints: int = setting(3, "Checkpoints to keep, at least 2.", fixed=False)
    picture_epochs: int = setting(
        50, "Epochs between sample sheets; the end makes them too.", fixed=False
    )

    def __post_init__(self):
        """Check the ranges."""
        for name in ("checkpoint_epochs", "picture_epochs"):
            require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        require(self.keep_checkpoints >= 2, "keep_checkpoints", self.keep_checkpoints, "at least 2")
