"""The setting `optimizer` in words: its JSON has a dozen settings, and people care for two."""

import json
from typing import Any

# What of the JSON tells the optimizer itself, in the words for it.
_RATE = "learning_rate"


def in_words(text: str, beside: str) -> str:
    """An optimizer for people, as in "Adam with learning rate 0.001".

    Args:
        text: the setting.
        beside: that of another training; where it is of the same kind, all that differs is told.
    """
    if not text.startswith("{"):
        return text or "that of the program"
    name, settings = _read(text)
    told = {key: value for key, value in settings.items() if key == _RATE}
    other, others = _read(beside) if beside.startswith("{") else ("", {})
    if name == other:
        told = {key: value for key, value in settings.items() if others.get(key) != value}
    listed = [f"{key.replace('_', ' ')} {_short(value)}" for key, value in told.items()]
    return f"{name} with {', '.join(listed)}" if listed else name


def _read(text: str) -> tuple[str, dict[str, Any]]:
    """Name and settings, without the name that Keras gives to one of several."""
    try:
        found = json.loads(text)
        return found["class_name"], {**found["config"], "name": None}
    except (ValueError, TypeError, KeyError):
        # Damaged: Keras says so when it is made.
        return text, {}


def _short(value: Any) -> str:
    """A number; of a schedule its kind."""
    if isinstance(value, dict):
        return str(value.get("class_name", "of its own"))
    return f"{value:.6g}" if isinstance(value, float) else str(value)
