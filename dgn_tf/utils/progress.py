"""How far long work has come: a bar where a person watches, else lines now and then."""

import contextlib
import sys
import time

from tqdm import tqdm


@contextlib.contextmanager
def progress_bar(label, seconds=15.0):
    """A reporter `report(done, total)`: a bar with an ETA on a terminal, else lines now and then.

    Lines are at least `seconds` apart, but the last one is always written.
    """
    watched, start = sys.stderr.isatty(), time.monotonic()
    last = [start]
    with tqdm(desc=label, disable=not watched) as bar:

        def report(done, total):
            bar.total = total
            bar.update(done - bar.n)
            now = time.monotonic()
            if not watched and (now - last[0] >= seconds or (done >= total and last[0] > start)):
                last[0] = now
                left = (now - start) / max(done, 1) * (total - done)
                print(
                    f"{label}: {done} of {total}, about {left:.0f} s left",
                    file=sys.stderr,
                    flush=True,
                )

        yield report
