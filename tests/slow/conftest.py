"""Everything in this folder is slow: `make test` leaves it out, `make test-slow` runs it alone."""

from pathlib import Path

import pytest


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.slow)
