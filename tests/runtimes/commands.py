"""`python -m tests.runtimes.commands`: how long podman's commands take, beside the reference's chain.

All ways in turn, round by round; with `--network none` it is what podman costs by itself.
`podman network ls` asks each plugin of each network for its VERSION.
"""

import argparse
import sys
import time

from tests.runtimes import figures
from tests.runtimes.arrangements import NETWORK, Arrangement, measured
from tests.runtimes.enclosure import is_inside, run_inside
from tests.runtimes.figures import percentile
from tests.runtimes.machine import private_machine, version_of
from tests.runtimes.podman import Podman

WHOLE_CHAIN = 4  # bridge, portmap, firewall, tuning: what `podman network create` writes
PUBLISHED = ("--publish", "8080:80")
RUNS = {"run --rm": (), "run --rm -p": PUBLISHED}
LISTING = "network ls"
NO_NETWORK = "none"

Seconds = dict[str, dict[str, list[float]]]  # way, case


def main() -> int:
    """Measures inside an enclosure, and writes it down."""
    parser = argparse.ArgumentParser(prog="python -m tests.runtimes.commands", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    asked = parser.parse_args()
    if not is_inside():
        return run_inside("-m", "tests.runtimes.commands", *sys.argv[1:])
    ways = measured("1.0.0", WHOLE_CHAIN)
    found: Seconds = {
        name: {case: [] for case in (*RUNS, LISTING)}
        for name in (*(each.name for each in ways), NO_NETWORK)
    }
    for turn in range(asked.rounds):
        first = turn % len(ways)
        for way in ways[first:] + ways[:first]:
            _measure(way, found)
    head = ["", *(f"{case}, {what}" for case in (*RUNS, LISTING) for what in ("p50", "p95"))]
    table = [head, *([name, *_cells(cases)] for name, cases in found.items())]
    about = (
        f"podman {version_of('podman')}, `/bin/true` in a new container, {asked.rounds} rounds, "
        "milliseconds; the bridge is there already."
    )
    figures.write("podman", about, table, found)
    return 0


def _measure(way: Arrangement, found: Seconds) -> None:
    """One round on one machine, which has a container running all the time."""
    with private_machine(way) as machine:
        podman = Podman(machine)
        podman.start("holder")
        root = str(machine.root_directory("measured"))
        for network, name in ((NETWORK, way.name), (NO_NETWORK, NO_NETWORK)):
            for case, options in RUNS.items():
                if network == NO_NETWORK and options:
                    continue
                words = (
                    "run",
                    "--rm",
                    "--network",
                    network,
                    *options,
                    "--rootfs",
                    root,
                    "/bin/true",
                )
                found[name][case].append(_seconds(podman, words))
        found[way.name][LISTING].append(_seconds(podman, ("network", "ls")))
        podman.tidy()
        machine.assert_as_before()


def _seconds(podman: Podman, words: tuple[str, ...]) -> float:
    start = time.perf_counter()
    podman(*words)
    return time.perf_counter() - start


def _cells(cases: dict[str, list[float]]) -> list[str]:
    return [
        f"{percentile(values, share) * 1000:.0f}" if values else "-"
        for values in cases.values()
        for share in (0.5, 0.95)
    ]


if __name__ == "__main__":
    sys.exit(main())
