"""A turn: some hosts, one after the other in a process of their own, and what came of it.

How many turns there are is not known here.
"""

import time
from typing import TYPE_CHECKING

from tests.simulation import TALLY, simulate

if TYPE_CHECKING:
    from collections import Counter

OPERATIONS = 200  # on each host
HOSTS = 6  # of which the first is hypothesis's simplest: the same operation over and over


def turn(number: int) -> "Counter[str]":
    """Return what came of the operations on some hosts; no two turns are the same."""
    TALLY.clear()
    simulate(HOSTS, OPERATIONS, seed=time.time_ns() + number)
    return TALLY
