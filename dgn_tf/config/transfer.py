"""Settings of the transfer table."""

import dataclasses

from dgn_tf.config import MODELS, Config
from dgn_tf.config.fields import Typed, require_at_least, require_schedule, setting
from dgn_tf.utils.errors import InputError


@dataclasses.dataclass(frozen=True)
class TransferSettings(Typed):
    """What is compared, and what it is transferred to."""

    methods: str = setting(
        "deformable,abp,vae",
        f"Models to compare, the first with the others: {', '.join(MODELS)}.",
    )
    target: str = setting(
        "heads:views", "Data with a view label to transfer to, in a form of --data.", reads="data"
    )
    view: str = setting("view", "The label of --target that tells the view.")
    frontal: float = setting(0.0, "The view to fine-tune on.")
    tuned: int = setting(100, "Examples of that view to fine-tune on.")
    per_view: int = setting(100, "Most unseen examples of each view.")
    tuning_epochs: int = setting(100, "Epochs of fine-tuning.")
    tuning_rate: str = setting("5e-4", "Learning rate of fine-tuning, or a schedule.")
    repeats: int = setting(3, "Repetitions, with the seeds --seed, --seed + 1, ...")

    def __post_init__(self) -> None:
        """Check the methods and the ranges."""
        super().__post_init__()
        for method in self.names:
            if method not in MODELS:
                raise InputError(f"`methods`: {method!r} must be one of {', '.join(MODELS)}.")
        if len(set(self.names)) != len(self.names):
            raise InputError(f"`methods={self.methods}`: name each once.")
        require_at_least(1, self, "tuned", "per_view", "tuning_epochs", "repeats")
        require_schedule(self, "tuning_rate")

    @property
    def names(self) -> list[str]:
        """The methods, the first of which is compared with the others."""
        return [name.strip() for name in self.methods.split(",")]


def check_training(config: Config) -> None:
    """Refuse settings of the first training that the table makes itself.

    Raises:
        InputError: one of them is given.
    """
    settings = config.settings()
    for name in ("init_from", "freeze", "where"):
        value, _ = settings[name]
        if value:
            raise InputError(f"`{name}` is for dgn_tf.train: the table sets it itself.")
    if config.model.appearance != "continuous":
        raise InputError(
            f"`appearance={config.model.appearance}`: the table compares models with a continuous "
            "one."
        )
