"""The experiment `expressions`: what it is, and its settings."""

import dataclasses

from dgn_tf.config.fields import setting

SUMMARY = "how well the motion of clips, or the geometry of images, tells expressions (Table III)"
HOLDS = ("clips", "images")
LATE_DATA = True


@dataclasses.dataclass(frozen=True)
class Settings:
    """What to recognize, and another model to compare with."""

    rival: str = setting(
        "", "a run of --model=mocogan on the same data to compare with.", reads="run"
    )
    labels: str = setting(
        "",
        "CSV file for data of clips:PATH: a column `clip`, the path of a source in PATH, and the "
        "columns that --label and --person name.",
        reads="path",
    )
    label: str = setting("expression", "the label to recognize.")
    person: str = setting("person", "the label that tells who it is.")
