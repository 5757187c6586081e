"""How far long work has come: a bar where a person watches, else lines now and then."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TextIO, TypeAlias

from tqdm import tqdm

# Called with (units of work done, units in all) now and then.
Progress: TypeAlias = Callable[[int, int], None]


def tell(text: str, stream: TextIO) -> None:
    """Print a line, if anybody can still read it: work goes on where nobody does.

    Args:
        text: the line.
        stream: where to, a terminal that was closed meanwhile, for instance.
    """
    with contextlib.suppress(OSError):
        print(text, file=stream, flush=True)


@contextlib.contextmanager
def progress_bar(label: str, seconds: float = 15.0) -> Iterator[Progress]:
    """Yields `report(done, total)`: a bar with an ETA on a terminal, else lines on standard error.

    Lines are at least `seconds` apart; the last one is always written, unless the work was done
    within that time.

    Args:
        label: what is being done, in front of the bar or the line.
        seconds: between two lines.
    """
    watched, start = sys.stderr.isatty(), time.monotonic()
    last = [start]
    with tqdm(desc=label, disable=not watched) as bar:

        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)
            now = time.monotonic()
            if not watched and (now - last[0] >= seconds or (done >= total and last[0] > start)):
                last[0] = now
                left = (now - start) / max(done, 1) * (total - done)
                tell(f"{label}: {done} of {total}, about {left:.0f} s left", sys.stderr)

        yield report
