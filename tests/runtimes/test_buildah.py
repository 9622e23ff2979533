"""buildah's `run` and `build` on a CNI network."""

import pytest

from tests.runtimes.arrangements import GATEWAY4, GATEWAY6
from tests.runtimes.buildah import Buildah
from tests.runtimes.features import REACH, STEPS, proves
from tests.runtimes.machine import Machine

RUNTIME = ("buildah", "buildah")


@pytest.fixture
def buildah(machine: Machine) -> Buildah:
    """buildah on that machine."""
    return Buildah(machine)


@proves(REACH)
def test_a_command_in_a_working_container_reaches_the_gateway(buildah: Buildah) -> None:
    for gateway in (GATEWAY4, GATEWAY6):
        assert "1 packets received" in buildah.run("ping", "-c", "1", "-W", "2", gateway)


@proves(STEPS)
def test_the_steps_of_a_build_have_the_network(buildah: Buildah) -> None:
    printed = buildah.build(
        f'RUN ["ping", "-c", "1", "-W", "2", "{GATEWAY4}"]',
        'RUN ["ip", "address", "show", "eth0"]',
    )
    assert "1 packets received" in printed
    assert "inet 10.99.0." in printed


@proves(STEPS)
def test_a_step_that_fails_leaves_nothing(buildah: Buildah) -> None:
    with pytest.raises(AssertionError, match="exit status 1"):
        buildah.build('RUN ["false"]')
