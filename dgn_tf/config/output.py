"""Settings of what a run writes."""

import dataclasses
import importlib.util
from collections.abc import Sequence

from dgn_tf.config.fields import Typed, require, require_at_least, setting
from dgn_tf.utils.errors import InputError

# What `log` may name.
TRACKERS = ("wandb", "mlflow")


@dataclasses.dataclass(frozen=True)
class OutputConfig(Typed):
    """What a run writes, and when. None of it changes the numbers."""

    checkpoint_epochs: int = setting(
        10, "Epochs between checkpoints; the end and SIGTERM save too.", fixed=False
    )
    keep_checkpoints: int = setting(3, "Checkpoints to keep, at least 2.", fixed=False)
    picture_epochs: int = setting(
        50, "Epochs between sample sheets; the end makes them too.", fixed=False
    )

    log: str = setting(
        "",
        "Where the numbers of every epoch go beside metrics.jsonl and TensorBoard: wandb, mlflow "
        "or both, as in wandb,mlflow. Settings of theirs are their environment variables.",
        fixed=False,
    )

    def trackers(self) -> list[str]:
        """The names in `log`."""
        return [name for name in self.log.split(",") if name]

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        for name in self.trackers():
            require(name in TRACKERS, "log", self.log, f"some of {','.join(TRACKERS)}")
        require_at_least(1, self, "checkpoint_epochs", "picture_epochs")
        require_at_least(2, self, "keep_checkpoints")


def require_trackers(names: Sequence[str]) -> None:
    """Check that the trackers that `log` names are installed.

    Raises:
        InputError: one is not.
    """
    for name in names:
        spec = importlib.util.find_spec(name)
        # A folder of the same name, as trackers make them for their files, has no origin.
        if spec is None or spec.origin is None:
            raise InputError(f'`log={name}` needs {name}: pip install "dgn_tf[{name}]".')
