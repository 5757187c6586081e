"""Signals that end a training in good order."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from dgn_tf.utils.progress import in_notebook, is_watched

# What asks a process to end: a batch system or `kill`, Ctrl-C, a terminal that is closed, and what
# batch systems send some time before. Windows has the first two alone.
SIGNALS = tuple(
    getattr(signal, name)
    for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1")
    if hasattr(signal, name)
)


@contextlib.contextmanager
def stop_on_signals() -> Iterator[list[signal.Signals]]:
    """Yields a list that gets the first of `SIGNALS` that comes, and says so on standard error.

    A second one ends the process; in a notebook, whose process has more to lose, it interrupts.
    What the process was told to ignore, as `nohup` does with SIGHUP, it goes on ignoring.
    Afterwards signals do what they did before. In a thread other than the main one, to which
    Python gives no signals, the list stays empty.
    """
    received: list[signal.Signals] = []
    # None is what was not installed from Python.
    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in SIGNALS}

    def handler(number: int, _frame: FrameType | None) -> None:
        received.append(signal.Signals(number))
        for each in SIGNALS:
            if signal.getsignal(each) is handler:
                signal.signal(each, before[each] if in_notebook() else signal.SIG_DFL)
        # Not by `print`, which the signal may have interrupted.
        with contextlib.suppress(OSError):
            os.write(2, _told(received[0]).encode())

    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    for number, known in before.items():
        if known is not signal.SIG_IGN:
            signal.signal(number, handler)
    try:
        yield received
    finally:
        for number, known in before.items():
            signal.signal(number, known)


def _told(number: signal.Signals) -> str:
    again = "; press Ctrl-C again to quit without saving" if number == signal.SIGINT else ""
    # The line of a bar is left as it is.
    begin = "\n" if is_watched() else ""
    return f"{begin}Stopping after this step and saving{again}.\n"
