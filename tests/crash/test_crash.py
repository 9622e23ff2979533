"""A share of the long run's sweeps (`make check-crash`), and all points where one has ever failed.

The long run tries every point; the figures of its last one are in docs/evidence/reliability.md.
"""

import pytest

from tests.crash.scenes import DUAL, FIRST, LIVE, NAMED, PLAIN, PROTECTED, PUBLISHED
from tests.crash.sweep import Sweep, carry_out

NONE = 1_000_000  # each which: hardly any
NAMING = ("flock", "kill", "rename")  # around what is done with names
CHANGING = ("sendto", "pwrite64", "unlink")  # the kernel's state, and the ledger
SHARE = (
    *(
        Sweep("onedir", scene, command, "SIGKILL, then DEL", own=20, others=200)
        for scene in (PLAIN, PUBLISHED)
        for command in ("ADD", "DEL")
    ),
    Sweep("onedir", FIRST, "ADD", "SIGKILL, then DEL", own=30, others=300),
    *(
        Sweep("onedir", PROTECTED, command, "SIGKILL, then DEL", others=NONE, calls=("sendto",))
        for command in ("ADD", "DEL")
    ),
    Sweep("onedir", PROTECTED, "DEL", "error 1", own=2, others=NONE, calls=("sendto",)),
    Sweep("onedir", PROTECTED, "ADD", "SIGTERM", own=8, others=NONE, calls=("sendto",)),
    Sweep("onedir", DUAL, "ADD", "SIGKILL, then DEL without netns", own=40, others=NONE),
    Sweep("onedir", PUBLISHED, "ADD", "SIGKILL, then GC", own=40, others=NONE),
    Sweep("onedir", PUBLISHED, "ADD", "SIGKILL, then GC that lists it", own=50, others=NONE),
    Sweep("onedir", PUBLISHED, "ADD", "SIGKILL, then ADD again", own=50, others=NONE),
    Sweep("portable", PUBLISHED, "ADD", "SIGKILL, then DEL", own=60, others=1500),
    Sweep("onedir", PUBLISHED, "ADD", "error 1", own=20, others=NONE),
    Sweep("onedir", PUBLISHED, "DEL", "error 1", own=20, others=NONE),
    Sweep("onedir", FIRST, "ADD", "error 2", own=40, others=NONE),
    Sweep("onedir", DUAL, "ADD", "error and SIGTERM", own=40, others=NONE),
    Sweep("onedir", DUAL, "DEL", "SIGTERM", own=40, others=NONE),
    *(
        Sweep("onedir", NAMED, command, "SIGKILL, then DEL", others=NONE, calls=NAMING)
        for command in ("ADD", "DEL")
    ),
    Sweep("onedir", NAMED, "ADD", "error 1", others=1, calls=NAMING),
    *(
        Sweep(
            "onedir",
            PUBLISHED,
            command,
            "SIGKILL, then disconnect" if command == "connect" else "SIGKILL, then DEL",
            own=8 if command in ("publish", "unpublish", "limit") else 20,
            others=NONE,
            calls=CHANGING,
        )
        for command in LIVE
    ),
)
# The ledger locks by fcntl: a signal there has stopped a transaction between its begin and its use, or
# was taken for a process that reads, and an unlock that fails makes a commit fail that was made. A
# signal in setns has left the process in the container's netns. Libraries are opened by openat:
# without them there was no JSON at all, and a module that could not be read was empty when rolling back
# needed it. A close that failed after the claim's commit left the claim.
ONCE_FAILED = (
    Sweep("onedir", DUAL, "ADD", "SIGTERM", own=2, others=NONE, calls=("fcntl",)),
    Sweep("onedir", DUAL, "ADD", "error 1", own=2, others=NONE, calls=("fcntl",)),
    Sweep("onedir", PUBLISHED, "ADD", "SIGTERM", others=NONE, calls=("setns",)),
    Sweep("onedir", PUBLISHED, "ADD", "error 1", others=NONE, calls=("setns",)),
    Sweep("portable", PUBLISHED, "ADD", "error 1", others=1, calls=("mremap",)),
    Sweep("onedir", PLAIN, "DEL", "error 1", own=4, others=NONE, calls=("openat",)),
    Sweep("onedir", PLAIN, "ADD", "error 1", others=NONE, calls=("close",)),
)


@pytest.mark.parametrize("sweep", [*SHARE, *ONCE_FAILED], ids=str)
def test_nothing_is_left_and_nobody_harmed(sweep: Sweep) -> None:
    tally = carry_out(sweep)
    assert not tally.complaints, "\n\n".join(tally.complaints)
    assert tally.outcomes.total() > tally.outcomes["not reached"], "no point was reached"
