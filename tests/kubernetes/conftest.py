"""What the tests with a real Kubernetes need, and what they write down: each scenario with its duration."""

import json

import pytest

from tests.kubernetes import programs
from tests.lab import ROOT
from tests.runtimes.enclosure import is_inside

RESULTS = ROOT / ".cache/kubernetes.json"
_found: dict[str, tuple[str, float]] = {}


def pytest_configure() -> None:
    """Refuse to run outside an enclosure, or without the programs."""
    if not is_inside():
        raise pytest.UsageError("these tests need namespaces: make check-kubernetes")
    for part in programs.PARTS:
        if not (programs.DIRECTORY / "versions" / part).exists():
            raise pytest.UsageError(f"no {part}: build/kubernetes.sh {programs.DIRECTORY}")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember each test's outcome; the set-up of a module is part of its first test."""
    outcome, seconds = _found.get(report.nodeid, ("passed", 0.0))
    _found[report.nodeid] = (
        report.outcome if report.outcome != "passed" else outcome,
        seconds + report.duration,
    )


def pytest_sessionfinish() -> None:
    """Add the outcomes to those of earlier runs, for the page."""
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(known | _found, indent=2) + "\n")
