"""How a command gets on with the terminal: what it cannot show, Ctrl-C, a reader that has gone."""

import contextlib
import io
import os
import signal
import sys
from collections.abc import Iterator

from dgn_tf.utils.errors import disk_reason

# Exit statuses of a program that SIGINT has ended, and of one that SIGPIPE has.
INTERRUPTED, UNREAD = 130, 141


@contextlib.contextmanager
def at_the_terminal() -> Iterator[None]:
    r"""What a command runs in.

    What standard output cannot encode, such as the name of a file, is written as `\xe9`. Ctrl-C is
    one line and exit status 130. A reader of the output that goes early, as `head` does, ends the
    command without a word, with status 141. A full disk under it is one line and status 1. Where
    the outputs are closed from the start, nothing is written.
    """
    # A process that was started with these closed has none; libraries write to them all the same.
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        # A second one ends the process at once, whatever it is cleaning up.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        print("Interrupted.", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except OSError as error:
        # What cannot be written of a file has its name.
        reason = None if error.filename else disk_reason(error)
        if reason is None and not isinstance(error, BrokenPipeError):
            raise
        # Python would complain at its end of what it cannot write: it goes nowhere instead.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if reason:
            print(f"error: standard output cannot be written: {reason}.", file=sys.stderr)
        sys.exit(1 if reason else UNREAD)
