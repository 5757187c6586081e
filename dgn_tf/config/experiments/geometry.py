"""The experiment `geometry`: what it is, and its settings."""

import dataclasses

from dgn_tf.config.fields import setting

SUMMARY = "the learned field on sampled looks and on photographs (E4)"
HOLDS = ("images",)
LATE_DATA = True


@dataclasses.dataclass(frozen=True)
class Settings:
    """What to move by the learned field."""

    pictures: str = setting(
        "",
        "an image file, or a folder of them, of anything, to move by the learned field.",
        reads="path",
    )
