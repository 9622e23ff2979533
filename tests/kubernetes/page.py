"""`python -m tests.kubernetes.page`: docs/evidence/kubernetes.md, from the outcomes that `conftest` has collected."""

import json
import os
import platform
import statistics
import time
from collections import Counter
from collections.abc import Iterator

from tests.cluster import day
from tests.cluster import test_store_contract as contract
from tests.kubernetes import pods, programs
from tests.kubernetes.conftest import RESULTS
from tests.kubernetes.e2e import RESULTS as OF_SPECS
from tests.lab import ROOT

PAGE = ROOT / "docs/evidence/kubernetes.md"
TEXT = ROOT / "tests/kubernetes/evidence.md"
OF_KUBERNETES = "## Kubernetes' own tests"
OUTCOMES = ("passed", "failed", "skipped")
TITLES = {
    "test_one_node": "One node, set up as docs/runtimes/kubernetes.md",
    "test_policies": "Network policies, applied by kube-network-policies on a node as above",
    "test_three_nodes": 'Three nodes, `"ranges": "node"`, kube-proxy in nftables mode',
    "test_daemonset": "Two nodes, the agents as a DaemonSet with the shipped manifests",
    "test_store": "The store's contract, all of tests/cluster/test_store_contract.py, on a real API server, with the shipped permissions",
    "test_chaos": "Failures at random on five hosts, with a real API server on three members of etcd",
}


def main() -> None:
    """Write the page, or what has no new outcomes as it is there."""
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else None
    before = PAGE.read_text().partition(f"{OF_KUBERNETES}\n")[0].rstrip() + "\n\n"
    PAGE.write_text((page(found) if found else before) + "\n".join((*_specs(), *_pods(), *_day())))


def page(found: dict[str, tuple[str, float]]) -> str:
    """Return the page's text."""
    versions = ", ".join(f"{part} {programs.version(part)}" for part in programs.PARTS)
    kernel = platform.release().partition("-")[0]
    when = time.strftime("%Y-%m-%d", time.gmtime())
    lines = [
        "# Kubernetes",
        "",
        f"Measured: {when}, Linux {kernel}, {os.cpu_count()} processors; {versions}. Again: `make check-kubernetes`.",
        "",
        TEXT.read_text(),
    ]
    for module, title in TITLES.items():
        rows: dict[str, tuple[str, float]] = {}
        for test, (outcome, seconds) in found.items():
            if f"{module}.py::" in test:
                name = _scenario(test.rpartition("::")[2])
                before, spent = rows.get(name, ("passed", 0.0))
                rows[name] = (before if outcome == "passed" else outcome, spent + seconds)
        passed = sum(outcome == "passed" for outcome, _ in rows.values())
        lines += [f"## {title}", "", f"{passed} of {len(rows)} passed.", ""]
        lines += ["| scenario | outcome | s |", "|---|---|---|"]
        lines += [
            f"| {name.replace('_', ' ')} | {outcome} | {seconds:.0f} |"
            for name, (outcome, seconds) in rows.items()
        ]
        lines.append("")
    return "\n".join((*lines, ""))


def _specs() -> Iterator[str]:
    """Yield what Kubernetes' own specs found: counts, and each spec's outcome by network."""
    known = json.loads(OF_SPECS.read_text())
    yield from (OF_KUBERNETES, "", OF_SPECS.with_suffix(".md").read_text())
    yield f"| network | specs | {' | '.join(OUTCOMES)} | minutes | date |"
    yield "|---|---|---|---|---|---|---|"
    for name, found in known.items():
        counts = Counter(state for state, _why in found["specs"].values())
        told = (counts.total(), *(counts[each] for each in OUTCOMES))
        yield f"| {name} | {' | '.join(map(str, told))} | {found['minutes']} | {found['date']} |"
    others: Counter[str] = Counter()
    for found in known.values():
        others |= Counter(found["others"])
    yield from ("", "Specs of `[sig-network]` that were not chosen, by what they need or are:", "")
    yield ", ".join(f"{each} ({count})" for each, count in sorted(others.items())) + "."
    rows: dict[str, dict[str, str]] = {}
    for name, found in known.items():
        for spec, (state, why) in found["specs"].items():
            rows.setdefault(spec, {})[name] = f"{state}: {why}" if why else state
    yield from ("", f"| spec | {' | '.join(known)} |", "|---|" + "---|" * len(known))
    for spec, states in sorted(rows.items()):
        told_of = (states.get(name, "").replace("|", "/") for name in known)
        yield f"| {spec.replace('|', '/')} | {' | '.join(told_of)} |"
    yield ""


def _pods() -> Iterator[str]:
    """Yield how long pods take."""
    found = json.loads(pods.RESULTS.read_text())
    yield from ("## Pods a second", "")
    yield (
        f"{found['pods']} pods at once, each with a host port and both families, on two nodes of one cluster in turn "
        f"(`make bench-kubernetes`): until all are ready, and until all are gone. The reference's chain has no `ipMasq` here, "
        f"which spares it rules. Load {found['load']}, {found['date']}."
    )
    yield from ("", "| network | ready, median s | pods/s | each round | gone, median s |")
    yield "|---|---|---|---|---|"
    for name, times in found["times"].items():
        up = statistics.median(times["up"])
        each = " ".join(f"{one:.1f}" for one in times["up"])
        gone = statistics.median(times["gone"])
        yield f"| {name} | {up:.1f} | {found['pods'] / up:.1f} | {each} | {gone:.1f} |"
    yield ""


def _day() -> Iterator[str]:
    """Yield what a day of agents with fast clocks found, with each store."""
    yield from ("## A day of failures", "", day.RESULTS.with_suffix(".md").read_text())
    for store, found in json.loads(day.RESULTS.read_text()).items():
        yield (
            f"Store `{store}`: {found['hours']:g} hours with clocks {found['hurry']} times as fast, {found['hosts']} hosts, "
            f"`ttl` {found['ttl']}, {sum(each['count'] for each in found['failures'].values())} failures: "
            f"{found['ended']} agents ended, {found['doubles']} blocks of two hosts, {found['tracebacks']} unexpected errors; "
            f"{found['moves']} blocks moved. Seed {found['seed']}, {found['date']}."
        )
        yield from (
            "",
            "| failure | times | well again, median s | slowest s |",
            "|---|---|---|---|",
        )
        for kind, each in found["failures"].items():
            yield f"| {kind} | {each['count']} | {each['median']} | {each['slowest']} |"
        yield ""


def _scenario(test: str) -> str:
    """Return a test's name as the page has it; those of the contract are one scenario."""
    return "the contract" if hasattr(contract, test) else test.removeprefix("test_")


if __name__ == "__main__":
    main()
