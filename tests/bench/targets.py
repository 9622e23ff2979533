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


START = """The interpreter's own start is two thirds of Go's whole ADD: VERSION takes 5.3 ms where the ADD takes 13 and Go's 8
(medians, idle machine), and 17.7 of its 39 million instructions. Of the rest, unmarshalling our code takes 4 million, SQLite 2 (one
to make its module), classes 2.5, binding C libraries 0.5, `_ctypes` for setns 0.7, which Python 3.12 has itself. A fifth of the
time is page faults, a quarter of these from relocating libpython. A launcher in C with Debian's static libpython would save 0.8 to
1.1 ms: its code is not position-independent and takes an eighth fewer instructions; it would need a C compiler in the build."""
TRIED = """Was 1.64 to 1.77 (48.7 million instructions) until annotations were left out of the executable (1.6 million), `import` of
ours was told where modules are (1.6), the codecs cut to UTF-8 (1.7), error classes made only for errors (2.4), nouns of few networks
put apart (0.7), C functions bound when called (0.3), and modules read in groups (1.2). Tried without gain: finding C modules by a
table, a rollback journal that is kept, truncated or in memory (0.05 ms), fewer statements (0.05 ms), records made from a base class
(0.05 ms). Larger groups save 0.2 million more and cost 60 page faults."""
CHAIN = """Our plain ADD takes 13 of these 20 ms, the firewall 2.5, cnitool 3 in every contestant: what bounds the plain ADD bounds
this."""
PORT = """Our plain ADD takes 13 of these 16 ms, the firewall 2.5: what bounds the plain ADD bounds this."""
WAIT = """The kernel's RTM_DELLINK waits 17 to 20 ms for RCU, in ours as in the other. Letting a child wait in our place would end
the run before that, but leaves a zombie where the runtime's first process does not reap."""
CROWD = """CPU: one of the 50 takes 17 ms of it, a plain one of the reference 10, and two processors are busy for nine tenths of the
time. Was 2.0 to 2.4 until writers to the ledger waited in a queue, since SQLite sleeps up to 100 ms between two looks at its lock:
a quarter of the time nobody worked."""
UNPACKING = """The bootloader writes 10 MB (libpython alone is 7.7) to TMPDIR and removes them: VERSION takes 22 ms with it on
ext4, 19 on tmpfs, 5 from the directory. Compressed it takes 80. A launcher with the interpreter linked into it would write some 2 MB (not
tried); there is no C compiler in the build."""


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
