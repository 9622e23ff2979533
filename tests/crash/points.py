"""The system calls of a run, each a point at which it can be disturbed.

strace lists them, and strace disturbs: the Nth call of a name in whatever process gets there first.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tests.lab import Plugin

CALL = re.compile(r"^(\d+)\s+(\w+)\((.*)", re.MULTILINE)
OWN_CODE = "SIGPIPE, {sa_handler=SIG_IGN"  # the last call before our first line: build/launcher.c
# Calls that the kernel can't refuse in the way of the others, whatever strace makes of them.
NEVER_FAIL = (
    "arch_prctl",
    "brk",
    "clone",
    "clone3",
    "execve",
    "exit_group",
    "geteuid",
    "getpid",
    "gettid",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "vfork",
    "wait4",
)


@dataclass(frozen=True)
class Point:
    """The Nth call of a name; `is_own` from the first line of ours on, without other programs'."""

    call: str
    number: int
    is_own: bool

    def __str__(self) -> str:
        return f"{self.call} {self.number}"


def listing(plugin: Plugin, log: Path) -> Plugin:
    """Return the same plugin, with all of its calls written to the log."""
    return replace(plugin, prefix=("strace", "-f", "-o", str(log), "-e", "signal=none"))


def disturbing(plugin: Plugin, point: Point, what: str, log: Path) -> Plugin:
    """Return the same plugin, disturbed at a point: `signal=KILL`, `error=EIO`."""
    inject = f"inject={point.call}:{what}:when={point.number}"
    # Faster, as it stops at that call alone; but there strace can't send signals.
    stops = () if "signal" in what else ("--seccomp-bpf",)
    words = ("-f", *stops, "-o", str(log), "-e", f"trace={point.call}", "-e", inject)
    return replace(plugin, prefix=("strace", *words))


def was_disturbed(log: Path) -> bool:
    """Whether the point was reached."""
    text = log.read_text(errors="replace")
    log.unlink()
    return any(mark in text for mark in ("(INJECTED)", "killed by SIG", "--- SIG"))


def found(log: Path, marker: str = OWN_CODE) -> list[Point]:
    """Every point in the order of the run.

    Where two processes make calls of one name, those of the later one that come at a lower number
    than the earlier one reaches can't be told apart, and are left out.
    """
    seen: dict[Point, None] = {}
    owner = ""
    counts: Counter[tuple[str, str]] = Counter()
    for process, call, arguments in CALL.findall(log.read_text(errors="replace")):
        counts[process, call] += 1
        if marker in arguments:
            owner = process
        number = counts[process, call]
        if number > max(
            (n for (p, c), n in counts.items() if c == call and p != process), default=0
        ):
            seen[Point(call, number, process == owner)] = None
    log.unlink()
    return list(seen)


def sampled(points: Iterable[Point], own: int, others: int) -> Iterator[Point]:
    """Each `own`th point of our own lines, and each `others`th of start-up and of other programs."""
    passed: Counter[bool] = Counter()
    for point in points:
        if passed[point.is_own] % (own if point.is_own else others) == 0:
            yield point
        passed[point.is_own] += 1
