"""`python -m tests.kubernetes.page`: docs/evidence/kubernetes.md, from the outcomes that `conftest` has collected."""

import json
import os
import platform
import time
from collections import Counter
from collections.abc import Iterator

from tests.cluster import day
from tests.cluster import test_store_contract as contract
from tests.kubernetes import programs
from tests.kubernetes.conftest import RESULTS
from tests.kubernetes.e2e import RESULTS as OF_SPECS
from tests.lab import ROOT

PAGE = ROOT / "docs/evidence/kubernetes.md"
TEXT = ROOT / "tests/kubernetes/evidence.md"
OF_KUBERNETES = "## Kubernetes' own tests"
TITLES = {
    "test_one_node": "One node, set up as docs/runtimes/kubernetes.md",
    "test_three_nodes": 'Three nodes, `"ranges": "node"`, kube-proxy in nftables mode',
    "test_daemonset": "Two nodes, the agents as a DaemonSet with the shipped manifests",
    "test_store": "The store's contract, all of tests/cluster/test_store_contract.py, on a real API server, with the shipped permissions",
    "test_chaos": "Failures at random on five hosts, with a real API server on three members of etcd",
}


def main() -> None:
    """Write the page, or what has no new outcomes as it is there."""
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else None
    before = PAGE.read_text().partition(f"{OF_KUBERNETES}\n")[0].rstrip() + "\n\n"
    PAGE.write_text((page(found) if found else before) + "\n".join((*_specs(), *_day())))


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
    """Yield what Kubernetes' own specs found."""
    known = json.loads(OF_SPECS.read_text())
    yield from (OF_KUBERNETES, "", OF_SPECS.with_suffix(".md").read_text())
    yield "| network | specs | passed | failed | skipped by themselves | did not begin | minutes | date |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, found in known.items():
        states = Counter(state for state, _why in found["others"].values())
        failed = states.total() - states["skipped"] - states["interrupted"]
        rest = found["chosen"] - found["passed"] - failed - states["skipped"]
        told = (found["chosen"], found["passed"], failed, states["skipped"], rest)
        yield f"| {name} | {' | '.join(map(str, told))} | {found['minutes']} | {found['date']} |"
    failures = [
        f"* {spec.removeprefix('[sig-network] ')}, {name}: {why or state}"
        for name, found in known.items()
        for spec, (state, why) in found["others"].items()
        if state not in ("skipped", "interrupted")
    ]
    yield from ("", *(["Those that failed:", "", *failures, ""] if failures else ()))


def _day() -> Iterator[str]:
    """Yield what a day of agents with fast clocks found."""
    found = json.loads(day.RESULTS.read_text())
    yield from ("## A day of failures", "", day.RESULTS.with_suffix(".md").read_text())
    yield (
        f"{found['hours']:g} hours with clocks {found['hurry']} times as fast, {found['hosts']} hosts, `ttl` {found['ttl']}, "
        f"{sum(each['count'] for each in found['failures'].values())} failures: {found['ended']} agents ended, "
        f"{found['doubles']} blocks of two hosts, {found['tracebacks']} unexpected errors; {found['moves']} blocks moved. "
        f"Seed {found['seed']}, {found['date']}."
    )
    yield from ("", "| failure | times | well again, median s | slowest s |", "|---|---|---|---|")
    for kind, each in found["failures"].items():
        yield f"| {kind} | {each['count']} | {each['median']} | {each['slowest']} |"
    yield ""


def _scenario(test: str) -> str:
    """Return a test's name as the page has it; those of the contract are one scenario."""
    return "the contract" if hasattr(contract, test) else test.removeprefix("test_")


if __name__ == "__main__":
    main()
