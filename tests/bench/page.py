"""docs/evidence/benchmarks.md and its plots, from the figures: nothing on the page is written by hand.

Nothing is measured here.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.bench import plots
from tests.bench.figures import Result, cells, load
from tests.bench.targets import Verdict, judge
from tests.lab import ROOT

PAGE = ROOT / "docs/evidence/benchmarks.md"
PICTURES = ROOT / "docs/evidence/benchmarks"
FIGURES = PICTURES / "figures.json"

HEAD = """# Benchmarks

cni-bridge and its peers, started in turn in one loop, in private namespaces, on the same host with an existing bridge. A round runs
every contestant once and begins with a different one each time, but slow ones take part in the first rounds only. A ratio is the median
of the ratios of rounds that have both. CPU is user and system time of the whole process tree, and its ratio is the ratio of the sums.
`make bench` measures everything and writes this page; `make bench-page` writes it from [the figures](benchmarks/figures.json).

Contestants: the reference plugins in Go, built by `build/peers.sh`, and the distribution's netavark. netavark gets its addresses from
its caller, so it does less; the reference's `firewall` does not support nftables, so its nftables chain still uses iptables for that
one plugin.

The containers of `crowd` ended without a DEL: the ledger and the sets are full, but the bridge has few interfaces. Those of `living` and
`spread` live, each with an interface on a bridge. CPU of a DEL leaves out the process that waits for the kernel after it.
"""
LIVING = """
Among 1000 running containers an ADD costs more, even on an empty bridge, for every contestant. The causes, by `perf record -a`, with 1000
containers on ten bridges:

- The kernel looks up keys below /proc/sys/net in a cache in which the entries of all namespaces have the same name. It compares up to 1000
  of them: 0.4 to 1 ms for a key that takes 0.05 ms on an empty host (`proc_sys_compare`). cni-bridge opens each key only once.
- Each host end has two or three IPv6 routes of its own. Whenever an interface comes or goes, the kernel walks all of the host's
  (`fib6_clean_all`): an eighth of an ADD's and a DEL's time.
- On one bridge, each flooded frame is delivered to every container: 2 to 2.6 ms.
"""
EFFORT = """
## Effort

One run with its children: instructions in user space (by valgrind), page faults, peak memory of the largest process, and the frames that
every other container on the bridge receives from a new one, within 9 s. Unlike times, they hardly depend on other load; the tests limit
them (`tests/budget/costs.json`, `tests/kernel/test_flooding.py`).
"""


def write(document: dict[str, Any], figures: Path) -> Path:
    """Write page and plots, beside figures that are not the page's own too; returns the page."""
    results = load(document)
    page, pictures = (
        (PAGE, PICTURES)
        if figures == FIGURES
        else (figures.with_suffix(".md"), figures.parent / "benchmarks")
    )
    text = [
        HEAD,
        _machine(document["machine"]),
        "\n## Targets\n\n",
        _targets(judge(results, document["effort"])),
    ]
    for workload in dict.fromkeys(each.workload for each in results):
        text += _section([each for each in results if each.workload == workload], pictures)
    text += _growths(results, pictures)
    if document["effort"]:
        text += [EFFORT, "\n", _efforts(document["effort"])]
    page.write_text("".join(text))
    return page


def _machine(machine: dict[str, Any]) -> str:
    return (
        f"\nMeasured on {machine['date']}: {machine['cpus']} CPUs, Linux {machine['kernel']}, "
        f"load {machine['load_before']} when it began.\n"
    )


def _targets(verdicts: list[Verdict]) -> str:
    rows = [
        (
            each.target.what,
            f"{each.target.limit:g}",
            f"{each.found:.3g}",
            f"{each.spread[0]:.3g} to {each.spread[1]:.3g}",
            "yes" if each.is_met else "**no**",
        )
        for each in verdicts
    ]
    table = _table(
        ("ratio of cni-bridge to the other", "at most", "found", "half of the rounds", "met"), rows
    )
    return table + "".join(
        f"\n**{each.target.what}**: {each.target.bound}\n"
        for each in verdicts
        if each.target.bound and not each.is_met
    )


def _section(results: Sequence[Result], pictures: Path) -> list[str]:
    """Return a workload: its phases' tables, and a plot of all."""
    first = results[0]
    picture = pictures / f"{first.workload}.svg"
    plots.spread(results, picture)
    text = [f"\n## {first.workload}\n\n{first.about[0].upper()}{first.about[1:]}.\n"]
    for result in results:
        rows = [(each.variant, *cells(each, result.of(result.base))) for each in result.series]
        head = (result.phase, "min", "median", "p95", "CPU", "wall x", "CPU x")
        rounds = f"{result.rounds} rounds{_fewer(result)}"
        text.append(f"\nMilliseconds, {rounds}; x is the ratio to {result.base}.\n\n")
        text.append(_table(head, rows))
    if first.absent:
        text.append(f"\nNot on this machine: {', '.join(first.absent)}.\n")
    return [*text, f"\n![{first.workload}]({pictures.name}/{picture.name})\n"]


def _fewer(result: Result) -> str:
    """Return how often the slow variants were run, which would take most of the time."""
    counts = sorted(set(result.fewer.values()))
    return "".join(
        f" ({count} of {', '.join(name for name, each in result.fewer.items() if each == count)})"
        for count in counts
    )


def _growths(results: Sequence[Result], pictures: Path) -> list[str]:
    """Time over the number of ports, and over that of containers."""
    text = []
    by_ports = [
        each for each in results if each.workload.startswith("ports-") and each.phase == "ADD"
    ]
    living = [
        each for each in results if each.workload.startswith("living-") and each.phase == "ADD"
    ]
    by_crowd = [each for each in results if each.workload == "crowd"]
    if len(by_ports) > 1:
        lines, file = plots.medians(by_ports), pictures / "by-ports.svg"
        plots.growth(lines, "published ports, ADD", file, is_logarithmic=True)
        text.append(f"\n## Over the number of ports\n\n![by ports]({pictures.name}/by-ports.svg)\n")
    if len(living) > 1:
        plots.growth(plots.medians(living), "living containers, ADD", pictures / "by-living.svg")
        picture = f"![by living]({pictures.name}/by-living.svg)"
        text.append(f"\n## Over the number of living containers\n{LIVING}\n{picture}\n")
    if by_crowd:
        lines, file = plots.sizes(by_crowd), pictures / "by-crowd.svg"
        plots.growth(lines, "containers in the ledger", file)
        text.append(
            f"\n## Over the number of containers in the ledger\n\n![by crowd]({pictures.name}/by-crowd.svg)\n"
        )
    return text


def _efforts(efforts: Iterable[dict[str, Any]]) -> str:
    rows = [
        (
            f"{each['phase']}, {each['variant']}",
            f"{each['instructions'] / 1e6:.1f} M" if each["instructions"] else "-",
            str(each["page_faults"]),
            f"{each['peak_kib'] / 1024:.1f} MiB",
            "-" if each["frames"] is None else str(each["frames"]),
        )
        for each in sorted(efforts, key=lambda each: str(each["phase"]))
    ]
    return _table(("run", "instructions", "page faults", "peak memory", "frames flooded"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
