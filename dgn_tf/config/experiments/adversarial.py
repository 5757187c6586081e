"""The experiment `adversarial`: what it is, and its settings."""

import dataclasses

from dgn_tf.config.fields import setting

SUMMARY = "what a discriminator changes (E3)"
HOLDS = ("images",)
LATE_DATA = True


@dataclasses.dataclass(frozen=True)
class Settings:
    """What to compare with."""

    rival: str = setting("", "a run on the same data, learned without --adversarial.", reads="run")
