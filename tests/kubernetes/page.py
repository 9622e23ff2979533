"""`python -m tests.kubernetes.page`: docs/evidence/kubernetes.md, from the outcomes that `conftest` has collected."""

import json
import os
import platform
import time

from tests.cluster import test_store_contract as contract
from tests.kubernetes import programs
from tests.kubernetes.conftest import RESULTS
from tests.lab import ROOT

PAGE = ROOT / "docs/evidence/kubernetes.md"
TEXT = ROOT / "tests/kubernetes/evidence.md"
TITLES = {
    "test_one_node": "One node, set up as docs/runtimes/kubernetes.md",
    "test_three_nodes": 'Three nodes, `"ranges": "node"`, kube-proxy in nftables mode',
    "test_daemonset": "Two nodes, the agents as a DaemonSet with the shipped manifests",
    "test_store": "The store's contract, all of tests/cluster/test_store_contract.py, on a real API server, with the shipped permissions",
    "test_chaos": "Failures at random on five hosts, with a real API server on three members of etcd",
}


def main() -> None:
    """Write the page."""
    found = json.loads(RESULTS.read_text())
    PAGE.write_text(page(found))


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
    return "\n".join(lines)


def _scenario(test: str) -> str:
    """Return a test's name as the page has it; those of the contract are one scenario."""
    return "the contract" if hasattr(contract, test) else test.removeprefix("test_")


if __name__ == "__main__":
    main()
