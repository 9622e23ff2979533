"""`python -m tests.runtimes.pods`: a node filled with pods through CRI and emptied, beside the reference's chain.

Every pod has a host port. What is measured with the host's own network is what the runtime costs by itself.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass, field, replace
from typing import TypeVar

from tests.runtimes import figures
from tests.runtimes.arrangements import Arrangement, measured
from tests.runtimes.containerd import Containerd
from tests.runtimes.cri import Cri, Pod
from tests.runtimes.enclosure import is_inside, run_inside
from tests.runtimes.figures import Meter, percentile
from tests.runtimes.machine import private_machine, version_of

BRIDGE_AND_PORTMAP = 2  # what Kubernetes' nodes have had
ONE_BY_ONE = 10  # pods, before the others come together
FIRST_PORT = 20000
NO_NETWORK = "the host's network (no plugin)"

What = TypeVar("What")
Outcome = TypeVar("Outcome")


@dataclass
class Figures:
    """Seconds of each pod; CPU seconds of all."""

    one_by_one: list[float] = field(default_factory=list)
    created: list[float] = field(default_factory=list)
    stopped: list[float] = field(default_factory=list)
    pods: int = 0
    cpu_created: float = 0
    cpu_removed: float = 0


def main() -> int:
    """Measures what the arguments ask for, inside an enclosure, and writes it down."""
    asked = _arguments()
    if not is_inside():
        return run_inside("-m", "tests.runtimes.pods", *sys.argv[1:])
    version = version_of("containerd")
    ways = measured("1.0.0" if version.startswith("1.") else "1.1.0", BRIDGE_AND_PORTMAP)
    found = {name: Figures() for name in (*(way.name for way in ways), NO_NETWORK)}
    for wave in range(asked.waves):
        for way in ways[wave:] + ways[:wave]:
            _fill(way, asked, found[way.name])
            print(f"wave {wave + 1}: {way.name}", flush=True)
        _fill(ways[0], asked, found[NO_NETWORK], is_on_host=True)
    _write(found, asked, version)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.runtimes.pods", description=__doc__)
    parser.add_argument("--pods", type=int, default=110, help="of one node")
    parser.add_argument("--at-once", type=int, default=10, help="calls in flight")
    parser.add_argument("--waves", type=int, default=2, help="how often each way has its turn")
    return parser.parse_args()


def _fill(
    way: Arrangement, asked: argparse.Namespace, found: Figures, *, is_on_host: bool = False
) -> None:
    """One node, filled and emptied; nothing may be left."""
    pods = [Pod(f"p{n}", ports=((FIRST_PORT + n, 80, "tcp"),)) for n in range(asked.pods)]
    if is_on_host:
        pods = [replace(pod, ports=(), is_on_host=True) for pod in pods]
    with private_machine(way) as machine, Containerd(machine) as containerd, Cri() as cri:
        meter = Meter(containerd.pid)
        start = meter.seconds()
        made = _timed(cri, cri.create, pods[:ONE_BY_ONE], 1, found.one_by_one)
        made += _timed(cri, cri.create, pods[ONE_BY_ONE:], asked.at_once, found.created)
        full = meter.seconds()
        _timed(cri, cri.end, made, asked.at_once, found.stopped)
        _timed(cri, cri.end, made, asked.at_once, [])
        found.pods += len(made)
        found.cpu_created += full - start
        found.cpu_removed += meter.seconds() - full
        _timed(cri, cri.forget, made, asked.at_once, [])
        machine.assert_as_before()


def _timed(
    cri: Cri,
    do: Callable[[What], Awaitable[Outcome]],
    what: Iterable[What],
    at_once: int,
    seconds: list[float],
) -> list[Outcome]:
    """Do it with each, so many at once, and notes how long each took."""
    turn = asyncio.Semaphore(at_once)

    async def one(each: What) -> Outcome:
        async with turn:
            start = time.perf_counter()
            outcome = await do(each)
            seconds.append(time.perf_counter() - start)
            return outcome

    return cri.each(one, what)


def _write(found: dict[str, Figures], asked: argparse.Namespace, version: str) -> None:
    head = ("", "one by one, p50", "p95", "together, p50", "p95", "stop, p50", "p95")
    table = [[*head, "CPU a pod, create", "remove"]]
    for name, each in found.items():
        times = [
            f"{percentile(values, share) * 1000:.0f}"
            for values in (each.one_by_one, each.created, each.stopped)
            for share in (0.5, 0.95)
        ]
        cpu = (f"{used / each.pods * 1000:.0f}" for used in (each.cpu_created, each.cpu_removed))
        table.append([name, *times, *cpu])
    about = (
        f"containerd {version}, {asked.pods} pods a node, {asked.waves} nodes each, in turn; milliseconds. "
        f"The first {ONE_BY_ONE} pods come one by one, the others with {asked.at_once} calls in flight."
    )
    figures.write("pods", about, table, {name: asdict(each) for name, each in found.items()})


if __name__ == "__main__":
    sys.exit(main())
