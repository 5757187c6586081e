"""The parts of dgn_tf.benchmark by name: what each is measured with.

How they are measured is said by `dgn_tf.benchmarking.registry`.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from dgn_tf.config.fields import require_at_least, setting
from dgn_tf.utils.errors import InputError

# The file of the numbers in a folder of results.
NUMBERS = "benchmark.json"


@dataclasses.dataclass(frozen=True)
class Repeats:
    """How often a part times what it compares; settings of a part's own are added to it."""

    repeats: int = setting(5, "Timed runs of everything that is compared; for clips 7 by default.")

    def __post_init__(self) -> None:
        """Check the range."""
        require_at_least(1, self, "repeats")


@dataclasses.dataclass(frozen=True)
class ClipSettings(Repeats):
    """Settings of this part beside those of a training."""

    clips: int = setting(25, "--parts=clips: clips in a step.")

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        require_at_least(1, self, "clips")


@dataclasses.dataclass(frozen=True)
class PytorchSettings(Repeats):
    """Settings of this part beside those of a training."""

    compiled: bool = setting(
        False, "--parts=pytorch: time torch.compile too; it needs a C++ compiler."
    )


@dataclasses.dataclass(frozen=True)
class QualitySettings:
    """Settings of this part beside those of a training, of which those of the data count."""

    settings: str = setting(
        "paper,quickstart",
        "--parts=quality: what to train: presets of dgn_tf.train, and paper; PRESET:MODEL is a "
        "model as large, such as quickstart:vae.",
    )
    held_out: int = setting(300, "--parts=quality: images after those learned from, to measure.")
    inference_steps: int = setting(200, "--parts=quality: Langevin steps of a measurement.")
    seconds: float = setting(600.0, "--parts=quality: how long each setting is trained.")

    def __post_init__(self) -> None:
        """Check the ranges."""
        require_at_least(1, self, "seconds", "held_out", "inference_steps")
        if not self.names:
            raise InputError("`settings`: name at least one.")

    @property
    def names(self) -> list[str]:
        """The settings to train, by name."""
        return [name.strip() for name in self.settings.split(",") if name.strip()]


@dataclasses.dataclass(frozen=True)
class PartSettings:
    """What a part of the benchmark is measured with.

    Attributes:
        settings: dataclass of the part's own settings, each of which becomes a flag.
        defaults: of flags that are not given, where they differ from the declared ones. A part
            with any is measured with settings of its own, and so are its numbers.
        opt_in: whether it is measured only when --parts names it.
    """

    settings: type = Repeats
    defaults: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    opt_in: bool = False

    @property
    def names(self) -> list[str]:
        """The names of the part's own settings."""
        return [field.name for field in dataclasses.fields(self.settings)]


PARTS: dict[str, PartSettings] = {
    "steps": PartSettings(),
    "warps": PartSettings(),
    "phases": PartSettings(),
    "peak": PartSettings(),
    "memory": PartSettings(),
    "sweep": PartSettings(),
    "clips": PartSettings(
        ClipSettings,
        {
            "model": "dynamic",
            "side": 32,
            "width": 0.2,
            "frames": 8,
            "langevin_steps": 5,
            "repeats": 7,
        },
        opt_in=True,
    ),
    "pytorch": PartSettings(PytorchSettings, opt_in=True),
    "quality": PartSettings(QualitySettings, {"side": 32, "limit": 2000}, opt_in=True),
}
# What is measured unless --parts says otherwise.
USUAL = tuple(name for name, part in PARTS.items() if not part.opt_in)
