"""How far long work has come: a bar where a person watches, else lines now and then."""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, TextIO, TypeAlias

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


def in_notebook() -> bool:
    """Whether this process runs the cells of a notebook."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return "IPKernelApp" in getattr(shell, "config", {})


def is_watched() -> bool:
    """Whether a person sees standard error: at a terminal, or below a cell of a notebook."""
    return sys.stderr.isatty() or in_notebook()


def make_bar(**settings: Any) -> Any:
    """A bar of tqdm, of the kind that a terminal or a notebook can show."""
    # Its kinds take a while to import.
    from tqdm.auto import tqdm

    return tqdm(**settings, **_size())


def _size() -> dict[str, Any]:
    """A usual size for a terminal that says it has none; nothing for others, which tqdm asks."""
    try:
        columns, rows = os.get_terminal_size(sys.stderr.fileno())
    # It is no terminal.
    except (OSError, ValueError, AttributeError):
        return {}
    return {} if columns and rows else {"ncols": 80, "nrows": 24}


@contextlib.contextmanager
def progress_bar(label: str, seconds: float = 15.0) -> Iterator[Progress]:
    """Yields `report(done, total)`: a bar where a person watches, else lines on standard error.

    Lines are at least `seconds` apart; the last one is always written, unless the work was done
    within that time.

    Args:
        label: what is being done, in front of the bar or the line.
        seconds: between two lines.
    """
    watched, start = is_watched(), time.monotonic()
    last = [start]
    with make_bar(desc=label, disable=not watched) as bar:

        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)
            now = time.monotonic()
            if not watched and (now - last[0] >= seconds or (done >= total and last[0] > start)):
                last[0] = now
                left = (now - start) / max(done, 1) * (total - done)
                tell(f"{label}: {done} of {total}, about {left:.0f} s left", sys.stderr)

        yield report
