"""`python -m tests.simulation OPERATIONS`: the long run; its figures become a part of the page.

What is simulated is in `month`. Each process has hosts of its own.
"""

import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

from tests.lab import figures
from tests.lab.namespaces import become_root
from tests.simulation.turns import HOSTS, OPERATIONS, turn

HOSTS_AT_ONCE = 4
TOTALS = ("operations", "hosts")


def main() -> None:
    """Simulate, then tell."""
    become_root()
    turns = -(-int(sys.argv[1]) // (OPERATIONS * (HOSTS - 1)))
    started = time.monotonic()
    tally: Counter[str] = Counter()
    with ProcessPoolExecutor(HOSTS_AT_ONCE, mp_context=get_context("spawn")) as pool:
        for done in as_completed([pool.submit(turn, number) for number in range(turns)]):
            tally += done.result()
            print(f"{tally['operations']} operations", flush=True)
    record(tally, (time.monotonic() - started) / 60)


def record(tally: "Counter[str]", minutes: float) -> None:
    """Write the figures of a run without any difference."""
    outcomes = [[name, count] for name, count in sorted(tally.items()) if name not in TOTALS]
    summary = figures.table(
        f"In {minutes:.0f} minutes, {HOSTS_AT_ONCE} hosts at once",
        ["operations", "hosts", "differences from the model"],
        [[tally["operations"], tally["hosts"], 0]],
    )
    figures.record(
        "simulation",
        order=30,
        title="Simulation",
        command="make simulate",
        tables=[summary, figures.table("Outcomes", ["what", "times"], outcomes)],
    )


if __name__ == "__main__":
    main()
