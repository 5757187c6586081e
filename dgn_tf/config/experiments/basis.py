"""The experiment `basis`: what it is, and its settings."""

import dataclasses

from dgn_tf.config.fields import require, setting

SUMMARY = (
    "what single latents do, whether they follow the view, disentanglement, health of the field "
    "(E1)"
)
HOLDS = ("images",)
LATE_DATA = True


@dataclasses.dataclass(frozen=True)
class Settings:
    """Images whose views are known, and how far single latents go."""

    views: str = setting(
        "",
        "images with a label `view`, LIMIT of them in equal parts, in a form of --data; for a run "
        "on heads, heads:views if not given.",
        reads="data",
    )
    gamma: float = setting(10.0, "single latents run from -gamma to gamma, at least 0.1.")

    def __post_init__(self) -> None:
        """Check the range."""
        require(0.1 <= self.gamma < float("inf"), "gamma", self.gamma, "at least 0.1 and finite")
