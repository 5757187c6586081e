"""Which settings a run keeps from its beginning on."""

from typing import Any

from dgn_tf.config import Config
from dgn_tf.config.optimizer_words import in_words
from dgn_tf.utils.errors import InputError

# Settings that choose examples.
_CHOOSING = {"limit", "where"}


def require_fixed(before: Config, now: Config, flag: str, data_changed: bool = False) -> None:
    """Check that a run may go on with other settings than those that it was begun with.

    Args:
        before: the settings of the run.
        now: those that it is to go on with.
        flag: names the run in messages, such as "`run_dir=runs/heads`".
        data_changed: whether other examples may be chosen (`limit`, `where`) than before.

    Raises:
        InputError: one differs that decides what its numbers are.
    """
    then = before.settings()
    changed = {
        name: _told(name, then[name][0], value)
        for name, (value, field) in now.settings().items()
        if field.metadata["fixed"] and then[name][0] != value
    }
    choosing = changed.keys() <= _CHOOSING
    if changed and not (choosing and data_changed):
        other = "`data_changed` to go on with other examples, " if choosing else ""
        raise InputError(
            f"{flag} was begun with other settings ({'; '.join(changed.values())}): "
            f"use the same, {other}another `run_dir`, or `fresh` to start over."
        )


def _told(name: str, before: Any, now: Any) -> str:
    """What a setting is and was."""
    if name == "optimizer":
        return f"`optimizer`: {in_words(before, now)} there, {in_words(now, before)} now"
    return f"`{name}={before}` there, {now} now"
