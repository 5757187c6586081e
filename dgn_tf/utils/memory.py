"""How much memory is free, and what becomes of it when a program is done with it."""

import ctypes
import math
import os
import sys
from pathlib import Path

# Parameters of glibc's mallopt (malloc.h), and what they are set to.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_KEPT = 2**30
_GROWTH = 64 * 2**20


def free_memory() -> float:
    """Bytes of memory that a program may still take; infinity where the system does not say."""
    try:
        text = Path("/proc/meminfo").read_text()
        (kilobytes,) = [x.split()[1] for x in text.splitlines() if x.startswith("MemAvailable:")]
        return 1024 * int(kilobytes)
    except (OSError, ValueError):
        return _total_memory()


def _total_memory() -> float:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    # Windows has no such function.
    except (AttributeError, OSError, ValueError):
        return math.inf


def keep_freed_memory() -> bool:
    """Keep up to 1 GB of the memory that is freed in this process, for what is allocated next.

    A step allocates and frees the same tensors again and again. glibc gives each of the large ones
    back to the system, which must clear its pages before the next step may have them: more than
    a third of the time of a step on a CPU.

    Returns:
        Whether it is done; False where the C library is another.
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    settings = ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _KEPT), (_TOP_PAD, _GROWTH))
    return all([mallopt(name, value) for name, value in settings])
