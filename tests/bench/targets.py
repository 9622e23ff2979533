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


START = """Of 26 million instructions CPython's first phase takes 6.4, unmarshalling our code 5, classes 2.5, SQLite 3 (1.1 to make
its module, 0.9 to prepare statements), the constants of `_socket` 0.9. Go's two processes and their threads share two processors;
ours uses one, so its wall time is further from Go's than its CPU time."""
TRIED = """Was 1.35 to 1.77 (39 to 49 million instructions) until a launcher of our own left out CPython's second phase, linked
interpreter and SQLite at fixed addresses, and made builtin modules without a search (12.9 million together). Tried without gain:
leaving out what few runs call, function by function (0.4 million); heap and arenas populated ahead; finding C modules by a table; a
rollback journal that is kept, truncated or in memory; fewer statements; records made from a base class (0.05 ms each)."""
CHAIN = """cnitool takes 3 ms in every contestant, our ADD with the firewall the rest. The limit was set where the chain took 121 to
140 ms; here it takes half, and what is left to save is CPython's start and the kernel's own work."""
PORT = """What bounds the plain ADD, and the firewall's 2 ms."""
WAIT = """The kernel's RTM_DELLINK waits 17 to 20 ms for RCU, in ours as in the other. Letting a child wait in our place would end
the run before that, but leaves a zombie where the runtime's first process does not reap."""
CROWD = """CPU, which two processors are busy with for nine tenths of the time: one of the 50, with masquerade and a port, takes a
quarter to a third more of it than a plain one of the reference. Was 1.64 and more until the launcher, and 2.0 to 2.4 until writers to
the ledger waited in a queue, since SQLite sleeps up to 100 ms between two looks at its lock: a quarter of the time no process worked."""


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
    Target("Docker-like ADD, iptables", "docker", "ADD", IPTABLES, 0.18, bound=CHAIN),
    Target("Docker-like DEL, iptables", "docker", "DEL", IPTABLES, 0.2, bound=WAIT),
    Target("Docker-like ADD, nftables", "docker", "ADD", NFTABLES, 0.25),
    Target("Docker-like DEL, nftables", "docker", "DEL", NFTABLES, 0.3),
    Target("ADD with a port, netavark", "ports-1", "ADD", "netavark", 0.4, bound=PORT),
    Target("DEL with a port, netavark", "ports-1", "DEL", "netavark", 0.5, bound=WAIT),
    Target("206 ports, our own one-port ADD", "ports", "ADD", "1 ports", 1.3, "206 ports"),
    Target("206 ports, iptables", "ports-206", "ADD", "bridge + portmap, iptables", 0.01),
    Target("ADD among 1000 containers", "crowd", "ADD", "0 containers", 1.1, "1000 containers"),
    Target(
        "50 ADDs at once, the reference's plain ADDs", "at-once-50", "ADD", BARE, 1.1, bound=CROWD
    ),
    Target(
        "50 ADDs at once, the reference's chain", "at-once-50", "ADD", IPTABLES, 0.15, bound=CROWD
    ),
    Target("GC of 500, seconds", "gc", "GC", "", 1.0, "GC"),
    Target("GC of 500, 500 DELs", "gc", "GC", "500 DELs", 0.1, "GC"),
    Target("portable plain ADD", "plain", "ADD", GO, 2.2, "cni-bridge-portable"),
)


def judge(results: list[Result]) -> list[Verdict]:
    """Return a verdict on each target that was measured."""
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
