"""The fixtures of the scenarios: a whole Debian as good as new, and containers in it.

What each scenario took goes to `outcomes`.
"""

import os
from collections.abc import Iterator

import pytest

from tests.machine import outcomes
from tests.machine.boxes import Boxes, Containerd, Podman
from tests.machine.calls import Calls
from tests.machine.emulated import Emulated
from tests.machine.images import emulator, image
from tests.machine.stages import INSTALLED, machine, package

SUITES = os.environ.get("SUITES", "bookworm trixie").split()


@pytest.fixture(scope="session", params=SUITES)
def suite(request: pytest.FixtureRequest) -> str:
    """Each release of Debian."""
    return str(request.param)


@pytest.fixture(scope="session")
def switched_on(suite: str) -> Iterator[Emulated]:
    """Yield a machine that all scenarios of a release use, one after the other."""
    emulator.need(
        f"{emulator.QEMU}=qemu-system-x86", "qemu-img=qemu-utils", "busybox=busybox-static"
    )
    made = image(suite)
    outcomes.describe(suite, made)
    with machine(made, package()) as running:
        yield running


@pytest.fixture
def guest(switched_on: Emulated) -> Emulated:
    """Return the machine as it was right after the package was installed."""
    switched_on.restore(INSTALLED)
    return switched_on


@pytest.fixture
def boxes(guest: Emulated, suite: str) -> Boxes:
    """Return containers with the runtime that this release has for CNI."""
    return Boxes(guest, Podman(guest) if suite == "bookworm" else Containerd(guest))


@pytest.fixture
def calls(guest: Emulated) -> Calls:
    """Return the plugin, to be called without a runtime."""
    return Calls(guest)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep what a scenario has shown, and how long it took."""
    if report.when == "call":
        outcomes.add(report.nodeid, report.outcome, report.duration)
        outcomes.write()  # now, as a run takes long and may be ended
