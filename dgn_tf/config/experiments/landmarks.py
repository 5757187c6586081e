"""The experiment `landmarks`: what it is, and its settings."""

import dataclasses

from dgn_tf.config.fields import require_at_least, setting

SUMMARY = "how well fields tell landmarks (E5)"
HOLDS = ("images",)
LATE_DATA = True
# Labeled images that regressors can be fitted on.
FEWEST = 20


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the regressors are fitted on."""

    train_data: str = setting(
        "", "labeled images to fit the regressors on; the run's own if not given.", reads="data"
    )
    train_where: str = setting("", "LABEL=VALUE, of --train_data.")
    labelled: int = setting(1000, "the most labeled images that are used, at least 20.")
    landmarks: str = setting(
        "",
        "CSV file for data of folder:PATH or zip:PATH, a row an image: path, x1, y1, ..., x5, y5 "
        "in its pixels, or left_eye_x and so on, in any order. Other data bring their own array "
        "'landmarks'.",
        reads="path",
    )

    def __post_init__(self) -> None:
        """Check the range."""
        require_at_least(FEWEST, self, "labelled")
