"""The fixtures of the tests with real runtimes: a private machine, and each runtime on it."""

import os
from collections.abc import Generator, Iterator

import pytest

from tests.runtimes.arrangements import ARRANGEMENTS, Arrangement
from tests.runtimes.machine import Machine, private_machine
from tests.runtimes.podman import Podman


def pytest_configure() -> None:
    """What a runtime leaves running must end with the tests."""
    if os.readlink("/proc/1/exe") != os.readlink("/proc/self/exe"):
        raise pytest.UsageError("these tests need namespaces: make check-runtimes")


@pytest.fixture(params=ARRANGEMENTS, ids=lambda each: each.name)
def arrangement(request: pytest.FixtureRequest) -> Arrangement:
    """Each way to arrange the plugins."""
    chosen: Arrangement = request.param
    return chosen


@pytest.fixture
def machine(arrangement: Arrangement) -> Iterator[Machine]:
    """A machine as good as new."""
    with private_machine(arrangement) as made:
        yield made


@pytest.fixture
def podman(machine: Machine) -> Podman:
    """podman on that machine."""
    return Podman(machine)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Every test ends so: its containers are removed, and then all must be as before."""
    outcome = yield
    used = pyfuncitem.funcargs
    if isinstance(machine := used.get("machine"), Machine):
        for runtime in used.values():
            if isinstance(runtime, Podman):
                runtime.tidy()
        machine.assert_as_before()
    return outcome
