"""Waiting for what is to come about, as long as a busy machine may take."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_SECONDS = 60
"""Longer than anything takes that is right; what holds is seen at once, and costs none of it."""


def wait_until(holds: Callable[[], object]) -> None:
    """Returns once it holds; fails the test where it does not after all that patience."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < end, "What was waited for has not come about."
        time.sleep(0.01)
