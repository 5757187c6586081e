"""How much memory is free."""

import math
import os
from pathlib import Path


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
