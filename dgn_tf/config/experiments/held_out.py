"""The experiment `held_out`: what it is, and its settings."""

import dataclasses

SUMMARY = "reconstruction, recombination and what each group knows"
HOLDS = ("images",)


@dataclasses.dataclass(frozen=True)
class Settings:
    """None of its own."""
