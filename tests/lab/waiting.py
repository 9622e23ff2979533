"""Waiting for what happens by itself, but not for ever."""

import time
from collections.abc import Callable

DEADLINE = 10.0  # seconds
STEP = 0.01


def wait_until(condition: Callable[[], bool]) -> None:
    """Return when the condition holds."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen in {DEADLINE} s"
        time.sleep(STEP)
