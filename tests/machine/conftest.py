"""The fixtures of the scenarios: a whole Debian as good as new, and containers in it.

SUITES names the machines: `bookworm` runs in namespaces of this kernel, `bookworm:qemu` on its own.
What each scenario took goes to `outcomes`.
"""

import os
from collections.abc import Iterator

import pytest

from tests.machine import outcomes
from tests.machine.boxes import Boxes, Containerd, Podman
from tests.machine.calls import Calls
from tests.machine.images import emulator, image
from tests.machine.machines import Machine
from tests.machine.stages import contained, emulated, package

OTHER = {"bookworm": "trixie", "trixie": "bookworm"}  # has the kernel to upgrade to
SUITES = os.environ.get("SUITES", "bookworm trixie").split()


@pytest.fixture(scope="session", params=SUITES)
def suite(request: pytest.FixtureRequest) -> str:
    """Each release of Debian."""
    return str(request.param)


@pytest.fixture(scope="session")
def switched_on(suite: str) -> Iterator[Machine]:
    """Yield a machine that all scenarios of a release use, one after the other."""
    release, _, way = suite.partition(":")
    emulator.need("etcd=etcd-server", "faketime", "busybox=busybox-static")
    emulator.need("systemd-nspawn=systemd-container")
    if way:
        emulator.need(f"{emulator.QEMU}=qemu-system-x86", "qemu-img=qemu-utils")
    made = image(release)
    outcomes.describe(suite, made)
    if way:
        with emulated(made, image(OTHER[release]), package()) as running:
            yield running
    else:
        with contained(made, package()) as running:
            yield running


@pytest.fixture
def guest(switched_on: Machine) -> Machine:
    """Return the machine as it was right after the package was installed."""
    switched_on.renew()
    return switched_on


@pytest.fixture
def boxes(guest: Machine, suite: str) -> Boxes:
    """Return containers with the runtime that this release has for CNI."""
    return Boxes(guest, Podman(guest) if suite.startswith("bookworm") else Containerd(guest))


@pytest.fixture
def calls(guest: Machine) -> Calls:
    """Return the plugin, to be called without a runtime."""
    return Calls(guest)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Keep which scenarios there are."""
    for item in session.items:
        outcomes.expect(item.nodeid)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep what a scenario has shown, and how long it took; nothing if its machine did not start."""
    if report.when == "call":
        outcomes.add(report.nodeid, report.outcome, report.duration)
        outcomes.write()  # now, as a run takes long and may be ended
