"""Signals that end a training in good order."""

import signal
from types import FrameType


def stop_on_signals() -> list[str]:
    """A list that gets the name of the first SIGTERM or SIGINT; a second one ends the process."""
    received: list[str] = []

    def handler(number: int, _frame: FrameType | None) -> None:
        received.append(signal.Signals(number).name)
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handler)
    return received
