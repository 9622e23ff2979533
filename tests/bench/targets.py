"""What is promised of the figures, as data, and whether it is kept.

The limits were set before anything was measured. Nothing is run here.
"""

from dataclasses import dataclass
from statistics import median
from typing import Any

from tests.bench.figures import Result, cpu_ratio, ratios

EFFORT = "effort"
OURS = "cni-bridge"
GO = "bridge + host-local (Go)"
IPTABLES, NFTABLES = (f"chain, {backend}" for backend in ("iptables", "nftables"))
BARE = "bridge + host-local, no ports"


@dataclass(frozen=True)
class Target:
    """One variant's time, in another's or (`other` is empty) in seconds, is at most `limit`.

    Of the workload `EFFORT`, it is the frames flooded.
    """

    what: str
    workload: str
    phase: str
    other: str
    limit: float
    variant: str = OURS
    is_cpu: bool = False
    bound: str = ""  # what it is bounded by, and what was tried


WORK = """Of 6.7 million instructions SQLite takes a sixth, calls of Python functions most of the rest; a plugin run resumes an image of
memory, so none are the start's (docs/internals/startup.md). Each page that it writes to for the first time costs 2 to 3 us, 870 times."""
CHAIN = """cnitool takes 3.5 ms, and 6.6 ms of CPU, in every contestant: a plain ADD takes 10 ms through it, three quarters of what the
target leaves."""
WAIT = """The kernel takes 2 ms to remove a pair. It waits 12 to 20 ms more before it answers, which another process does."""
CROWD = """CPU: two processors are busy for nine tenths of the time."""
PORTS = """A port costs 148,000 instructions: a third are SQLite's, which keeps three indexes, a quarter parses and checks its JSON, the rest
is for its records and its elements."""
COLLECTION = """The kernel needs 0.2 s of CPU to remove 500 pairs, as `ip link delete group` shows. It does so in one request, which another process
waits for as well. cni-bridge's own CPU is 0.1 s; 0.02 s of it put the interfaces into one group, since the kernel walks all IPv6 routes
for each of them."""
LIVING = """Each flooded frame costs 2 to 2.6 ms at 1000 ports. An ADD floods one, the announcement of its address."""


@dataclass(frozen=True)
class Verdict:
    """A target, and what was found; the spread is from the first to the last quarter of rounds."""

    target: Target
    found: float
    spread: tuple[float, float]

    @property
    def is_met(self) -> bool:
        """Whether it is kept."""
        return self.found <= self.target.limit


TARGETS = (
    Target("VERSION", "start", "VERSION", GO, 0.9),
    Target("plain ADD, wall", "plain", "ADD", GO, 0.85, bound=WORK),
    Target("plain ADD, CPU", "plain", "ADD", GO, 0.6, is_cpu=True, bound=WORK),
    Target("plain DEL, wall", "plain", "DEL", GO, 0.45, bound=WAIT),
    Target("plain CHECK, wall", "plain", "CHECK", GO, 0.9, bound=WORK),
    Target("Docker-like ADD, iptables", "docker", "ADD", IPTABLES, 0.12, bound=CHAIN),
    Target("Docker-like DEL, iptables", "docker", "DEL", IPTABLES, 0.08, bound=WAIT),
    Target("Docker-like ADD, nftables", "docker", "ADD", NFTABLES, 0.25),
    Target("Docker-like DEL, nftables", "docker", "DEL", NFTABLES, 0.3),
    Target("ADD with a port, netavark", "ports-1", "ADD", "netavark", 0.25, bound=WORK),
    Target("DEL with a port, netavark", "ports-1", "DEL", "netavark", 0.2, bound=WAIT),
    Target("206 ports, iptables", "ports-206", "ADD", "bridge + portmap, iptables", 0.01),
    Target("ADD with 1000 in the ledger", "crowd", "ADD", "0 containers", 1.1, "1000 containers"),
    Target("ADD among 1000 living, one bridge", "living-1000", "ADD", GO, 0.7, bound=LIVING),
    Target(
        "50 ADDs at once, the reference's plain ADDs", "at-once-50", "ADD", BARE, 0.85, bound=CROWD
    ),
    Target(
        "50 ADDs at once, the reference's chain", "at-once-50", "ADD", IPTABLES, 0.15, bound=CROWD
    ),
    Target("frames that an ADD floods", EFFORT, "ADD", "", 1),
    Target("ADD with 10,000 ports, seconds", "ports", "ADD", "", 0.16, "10000 ports", bound=PORTS),
    Target("GC of 500, seconds", "gc", "GC", "", 0.3, "GC", bound=COLLECTION),
    Target("GC of 500, 500 DELs", "gc", "GC", "500 DELs", 0.1, "GC"),
    Target("portable plain ADD, the directory", "plain", "ADD", OURS, 1.1, "cni-bridge-portable"),
)


def judge(results: list[Result], efforts: list[dict[str, Any]]) -> list[Verdict]:
    """Return a verdict on each target that was measured."""
    measured = {(each.workload, each.phase): each for each in results}
    frames = {(EFFORT, each["phase"], each["variant"]): each["frames"] for each in efforts}
    verdicts = []
    for target in TARGETS:
        result = measured.get((target.workload, target.phase))
        flooded = frames.get((target.workload, target.phase, target.variant))
        if flooded is not None:
            verdicts.append(Verdict(target, flooded, (flooded, flooded)))
        elif result and (verdict := _judged(target, result)):
            verdicts.append(verdict)
    return verdicts


def _judged(target: Target, result: Result) -> Verdict | None:
    series, other = result.of(target.variant), result.of(target.other)
    if series is None or (target.other and other is None):
        return None
    if other is None:
        values = [wall / 1000 for wall in series.walls]
    elif target.is_cpu:
        # Rounds say nothing here: the kernel counts the time of short processes in steps.
        whole = cpu_ratio(series, other) or 0.0
        return Verdict(target, whole, (whole, whole))
    else:
        values = ratios(series.walls, other.walls)
    ordered = sorted(values)
    last = len(ordered) - 1
    spread = ordered[round(last / 4)], ordered[round(last * 3 / 4)]
    return Verdict(target, median(values), spread)
