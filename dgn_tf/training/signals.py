"""Signals that end a training in good order."""

import signal
from types import FrameType

# What asks a process to end: a batch system or `kill`, Ctrl-C, a terminal that is closed, and what
# batch systems send some time before. Windows has the first two alone.
SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1")
    if hasattr(signal, name)
)


def stop_on_signals() -> list[signal.Signals]:
    """A list that gets the first of `SIGNALS` that comes; a second one ends the process.

    What the process was told to ignore, as `nohup` does with SIGHUP, it goes on ignoring.
    """
    received: list[signal.Signals] = []

    def handler(number: int, _frame: FrameType | None) -> None:
        received.append(signal.Signals(number))
        for each in SIGNALS:
            if signal.getsignal(each) is handler:
                signal.signal(each, signal.SIG_DFL)

    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, handler)
    return received
