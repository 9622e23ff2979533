"""The fixtures of the tests with real runtimes: a private machine, and each runtime on it.

What a test marked with a feature has found goes to `table`.
"""

from collections import defaultdict
from collections.abc import Generator, Iterator

import pytest

from tests.runtimes import table
from tests.runtimes.arrangements import ARRANGEMENTS, Arrangement
from tests.runtimes.containerd import Containerd
from tests.runtimes.enclosure import is_inside
from tests.runtimes.machine import Machine, private_machine, version_of
from tests.runtimes.podman import Podman

FEATURE = "feature"
_found: table.Outcomes = defaultdict(lambda: defaultdict(dict))


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to run outside an enclosure: what a runtime leaves running must end with the tests."""
    config.addinivalue_line("markers", f"{FEATURE}(name): the feature that the test proves")
    if not is_inside():
        raise pytest.UsageError("these tests need namespaces: make check-runtimes")


@pytest.fixture(params=ARRANGEMENTS, ids=lambda each: each.name)
def arrangement(request: pytest.FixtureRequest) -> Arrangement:
    """Each way to arrange the plugins."""
    chosen: Arrangement = request.param
    return chosen


@pytest.fixture
def machine(arrangement: Arrangement, request: pytest.FixtureRequest) -> Iterator[Machine]:
    """Yield a machine as good as new."""
    with private_machine(arrangement) as made:
        if marker := request.node.get_closest_marker(FEATURE):
            runtime, program = request.module.RUNTIME
            proved = (f"{runtime} {version_of(program)}", marker.args[0], arrangement.name)
            request.node.user_properties.append((FEATURE, proved))
        yield made


@pytest.fixture
def podman(machine: Machine) -> Podman:
    """podman on that machine."""
    return Podman(machine)


@pytest.fixture
def containerd(machine: Machine) -> Iterator[Containerd]:
    """containerd on that machine."""
    with Containerd(machine) as running:
        yield running


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Every test ends so: its containers are removed, and then all must be as before."""
    outcome = yield
    used = pyfuncitem.funcargs
    if isinstance(machine := used.get("machine"), Machine):
        if isinstance(podman := used.get("podman"), Podman):
            podman.tidy()
        machine.assert_as_before()
    return outcome


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remembers the worst of several tests of one feature."""
    for name, proved in report.user_properties:
        if name == FEATURE and isinstance(
            proved, tuple | list
        ):  # a list if another process sent it
            runtime, feature, arrangement = map(str, proved)
            outcomes = _found[runtime][feature]
            if outcomes.get(arrangement) != "failed":
                outcomes[arrangement] = report.outcome


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where tests run in several processes, the first of them has all reports."""
    if not hasattr(session.config, "workerinput"):
        table.collect(_found)
