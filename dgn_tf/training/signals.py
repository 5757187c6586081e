"""Signals that end a training in good order."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

# What asks a process to end: a batch system or `kill`, Ctrl-C, a terminal that is closed, and what
# batch systems send some time before. Windows has the first two alone.
SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1")
    if hasattr(signal, name)
)


@contextlib.contextmanager
def stop_on_signals() -> Iterator[list[signal.Signals]]:
    """Yields a list that gets the first of `SIGNALS` that comes; a second one ends the process.

    What the process was told to ignore, as `nohup` does with SIGHUP, it goes on ignoring.
    Afterwards signals do what they did before. In a thread other than the main one, to which
    Python gives no signals, the list stays empty.
    """
    received: list[signal.Signals] = []

    def handler(number: int, _frame: FrameType | None) -> None:
        received.append(signal.Signals(number))
        for each in SIGNALS:
            if signal.getsignal(each) is handler:
                signal.signal(each, signal.SIG_DFL)

    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for number, known in before.items():
        if known is not signal.SIG_IGN:
            signal.signal(number, handler)
    try:
        yield received
    finally:
        for number, known in before.items():
            # None is what was not installed from Python.
            signal.signal(number, signal.SIG_DFL if known is None else known)
