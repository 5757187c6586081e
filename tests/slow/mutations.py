"""What the fuzz tests share: valid files a little changed, and a limit on the time for each."""

import contextlib
import os
import signal
import time

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

SOAK = float(os.environ.get("DGN_SOAK_MINUTES", 0))
# What each fuzz test has of half of a soak; kills have the other half.
SHARE = 60 * SOAK / 2 / 24
# Long enough for a busy machine, short enough to tell a hang.
_SECONDS = 30
_BAD = (
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\r\n",
    b'"',
    b"{",
    b"[",
    b",",
    b"-",
)
_edit = st.tuples(
    st.sampled_from(("cut", "flip", "drop", "repeat", "splice", "bad", "zero")),
    st.integers(0, 2**20),
    st.integers(0, 2**20),
)


def mutants(files):
    """Strategy of (name, content) of files {name: content}, each with one to three changes."""
    return st.builds(
        lambda name, other, edits: (name, _edited(files[name], files[other], edits)),
        st.sampled_from(sorted(files)),
        st.sampled_from(sorted(files)),
        st.lists(_edit, min_size=1, max_size=3),
    )


def _edited(content, other, edits):
    for kind, first, second in edits:
        if not content:
            break
        place, length = first % len(content), 1 + second % 16
        before, after = content[:place], content[place:]
        if kind == "cut":
            content = before
        elif kind == "flip":
            content = before + bytes([after[0] ^ (1 << second % 8)]) + after[1:]
        elif kind == "drop":
            content = before + after[length:]
        elif kind == "repeat":
            content = before + after[:length] * (1 + second % 4) + after
        elif kind == "splice":
            content = before + other[second % len(other) :]
        elif kind == "bad":
            bad = _BAD[second % len(_BAD)]
            content = before + bad + after[len(bad) if second % 2 else 0 :]
        else:
            content = before + bytes(min(length, len(after))) + after[length:]
    return content


def fuzz(examples):
    """Settings of a fuzz test: so many examples, the same each time, others in a soak."""
    count = examples if not SOAK else 1000
    return settings(
        max_examples=count,
        derandomize=not SOAK,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def for_a_while(test):
    """Call a fuzz test once; in a soak again and again, for its share of the minutes."""
    end = time.monotonic() + SHARE
    test()
    while time.monotonic() < end:
        test()


@contextlib.contextmanager
def in_time():
    """Ends what hangs."""

    def late(number, frame):
        raise TimeoutError(f"no answer within {_SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
