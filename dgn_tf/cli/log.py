"""What the package warns of, as lines of a command: "warning: ..." on standard error."""

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator


class _Lines(logging.Handler):
    """Writes each message as a line to what standard error is by then.

    Args:
        worded: makes the text of a line of a message.
    """

    def __init__(self, worded: Callable[[str], str]):
        super().__init__(logging.WARNING)
        self._worded = worded

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, if anybody can still read it."""
        with contextlib.suppress(OSError):
            text = self._worded(record.getMessage())
            print(f"{record.levelname.lower()}: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def warnings_as_lines(worded: Callable[[str], str]) -> Iterator[None]:
    """In here the loggers of this package write lines, and no others write anything of theirs.

    Args:
        worded: makes the text of a line of a message.
    """
    logger, lines = logging.getLogger("dgn_tf"), _Lines(worded)
    passed_on = logger.propagate
    logger.addHandler(lines)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(lines)
        logger.propagate = passed_on
