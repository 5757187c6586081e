"""Settings of what a run writes."""

import dataclasses

from dgn_tf.config.fields import require_at_least, setting


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

    def __post_init__(self) -> None:
        """Check the ranges."""
        require_at_least(1, self, "checkpoint_epochs", "picture_epochs")
        require_at_least(2, self, "keep_checkpoints")
