"""What is promised of the figures, as data, and whether it is kept.

The limits were set before anything was measured. Nothing is run here.
"""

from dataclasses import dataclass
from statistics import median

from tests.bench.figures import Result, cpu_ratio, ratios

OURS = "cni-bridge"
GO = "bridge + host-local (Go)"
IPTABLES, NFTABLES = (f"chain, {backend}" for backend in ("iptables", "nftables"))
BARE = "bridge + host-local, no ports"


@dataclass(frozen=True)
class Target:
    """One variant's time, in another's or (`other` is empty) in seconds, is at most `limit`."""

    what: str
    workload: str
    phase: str
    other: str
    limit: float
    variant: str = OURS
    is_cpu: bool = False
    bound: str = ""  # what it is bounded by, and what was tried


START = """The interpreter's own start is half of Go's whole ADD: 6 ms of CPU for `python3 -I -S -E -c pass` that
ends in `_exit`. Of ours another 1 ms is relocating libpython, which dirties 314 of its pages (half of the page faults of a start)
before anything runs; Debian's `python3` has no relocations, since it is linked to a fixed address, but can't be told to run ours
without arguments. SQLite takes 1.5 ms (0.6 to load, 0.25 to read its schema), unmarshalling our code 1.1, `_ctypes` for setns
0.4, which Python 3.12 has itself."""
TRIED = """Tried without gain: finding C modules by a table instead of directories, a rollback journal that is kept, truncated
or in memory (0.05 ms), fewer statements (0.05 ms), records made from a base class (0.05 ms), all code in one marshalled object
(0.2 ms, but DEL would read what only ADD needs)."""
WAIT = """The kernel's RTM_DELLINK waits 17 to 20 ms for RCU, in ours as in Go. Letting a child wait in our place would end
the run before that, but leaves a zombie where the runtime's first process does not reap."""
UNPACKING = """The bootloader writes 10 MB (libpython alone is 7.7) to TMPDIR and removes them: VERSION takes 31 ms with it on
ext4, 20 on tmpfs, 7 from the directory. Compressed it takes 80. There is no C compiler in the build to make it read in place."""


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
    Target("plain ADD, wall", "plain", "ADD", GO, 1.3, bound=START),
    Target("plain ADD, CPU", "plain", "ADD", GO, 1.2, is_cpu=True, bound=TRIED),
    Target("plain DEL, wall", "plain", "DEL", GO, 1.3, bound=WAIT),
    Target("Docker-like ADD, iptables", "docker", "ADD", IPTABLES, 0.18),
    Target("Docker-like DEL, iptables", "docker", "DEL", IPTABLES, 0.2),
    Target("Docker-like ADD, nftables", "docker", "ADD", NFTABLES, 0.25),
    Target("Docker-like DEL, nftables", "docker", "DEL", NFTABLES, 0.3),
    Target("ADD with a port, netavark", "ports-1", "ADD", "netavark", 0.4),
    Target("DEL with a port, netavark", "ports-1", "DEL", "netavark", 0.5),
    Target("206 ports, our own one-port ADD", "ports", "ADD", "1 ports", 1.3, "206 ports"),
    Target("206 ports, iptables", "ports-206", "ADD", "bridge + portmap, iptables", 0.01),
    Target("ADD among 1000 containers", "crowd", "ADD", "0 containers", 1.1, "1000 containers"),
    Target("50 ADDs at once, the reference's plain ADDs", "at-once-50", "ADD", BARE, 1.1),
    Target("50 ADDs at once, the reference's chain", "at-once-50", "ADD", IPTABLES, 0.15),
    Target("GC of 500, seconds", "gc", "GC", "", 1.0, "GC"),
    Target("GC of 500, 500 DELs", "gc", "GC", "500 DELs", 0.1, "GC"),
    Target("portable plain ADD", "plain", "ADD", GO, 2.2, "cni-bridge-portable", bound=UNPACKING),
)


def judge(results: list[Result]) -> list[Verdict]:
    """A verdict on each target that was measured."""
    measured = {(each.workload, each.phase): each for each in results}
    verdicts = []
    for target in TARGETS:
        result = measured.get((target.workload, target.phase))
        verdict = _judged(target, result) if result else None
        if verdict:
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
