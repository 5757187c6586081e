"""The experiment `clips`: what it is, and its settings."""

import dataclasses

SUMMARY = "videos taken apart (E6)"
HOLDS = ("clips",)
LATE_DATA = True


@dataclasses.dataclass(frozen=True)
class Settings:
    """None of its own."""
