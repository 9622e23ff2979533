"""`python -m tests.fuzz MINUTES`: half of them in process, half for the executable.

The figures that a run adds to are those of all runs so far; a find ends it.
"""

import json
import sys
import time

from tests.fuzz import workers
from tests.fuzz.executable import AT_ONCE, attack, target
from tests.lab import figures
from tests.lab.namespaces import become_root

COLUMNS = ["where", "requests", "finds in the last run"]
NAMES = ("in process, from stdin to the plan", "to the executable, on a private host")
WORKERS = 2


def main() -> None:
    """Fuzz, then tell."""
    seconds = int(float(sys.argv[1]) * 30)
    guided = workers.fuzz(seconds, WORKERS)
    if guided.finds:
        sys.exit(f"inputs that the code did not stand: {', '.join(map(str, guided.finds))}")
    become_root()
    more = (guided.executions, executed(seconds))
    done = [count + new for count, new in zip(before(), more, strict=True)]
    record(done)


def executed(seconds: int) -> int:
    """How many requests the executable has stood in that time; raises where it did not."""
    count, end = 0, time.monotonic() + seconds
    with target() as host:
        while time.monotonic() < end:
            attack(host, AT_ONCE, time.time_ns())
            count += AT_ONCE
    return count


def before() -> list[int]:
    """Return the requests of all earlier runs."""
    path = figures.path("fuzzing")
    if not path.exists():
        return [0, 0]
    rows = json.loads(path.read_text())["tables"][0]["rows"]
    return [int(count) for _, count, _ in rows]


def record(counts: list[int]) -> None:
    """Write the figures."""
    rows: list[list[object]] = [[name, n, 0] for name, n in zip(NAMES, counts, strict=True)]
    figures.record(
        "fuzzing",
        order=40,
        title="Fuzzing",
        command="make fuzz",
        tables=[figures.table("All runs so far", COLUMNS, rows)],
    )


if __name__ == "__main__":
    main()
