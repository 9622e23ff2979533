"""Spec version 1.1.0 under containerd 2: its results, and STATUS at every look at the node."""

from collections.abc import Iterator

import pytest

from tests.runtimes.arrangements import ALONE_1_1, Arrangement
from tests.runtimes.box import assert_published, assert_reach_each_other
from tests.runtimes.containerd import Containerd
from tests.runtimes.cri import Cri, Pod
from tests.runtimes.features import PORTS, REACH, STATUS, proves

RUNTIME = ("CRI of containerd", "containerd")
TINY = "10.99.0.0/30"  # the gateway and one more


@pytest.fixture
def arrangement(request: pytest.FixtureRequest) -> Arrangement:
    """One plugin, of the newest version; with the range that the test asks for."""
    subnet = getattr(request, "param", None)
    if subnet is None:
        return ALONE_1_1
    plugin = ALONE_1_1.conflist["plugins"][0]
    ipam = plugin["ipam"] | {"ranges": [[{"subnet": subnet}]]}
    return Arrangement("alone", ALONE_1_1.conflist | {"plugins": [plugin | {"ipam": ipam}]})


@pytest.fixture
def cri(containerd: Containerd) -> Iterator[Cri]:
    """Yield the connection to that containerd."""
    with Cri() as connected:
        yield connected


@proves(REACH)
def test_two_pods_reach_each_other(cri: Cri) -> None:
    pods = cri.run(Pod("a")), cri.run(Pod("b"))
    assert_reach_each_other(*map(cri.box, pods))
    for pod in pods:
        cri.remove_wholly(pod)


@proves(PORTS)
def test_host_ports_answer_from_everywhere(cri: Cri, containerd: Containerd) -> None:
    a = cri.run(Pod("a", ports=((8080, 80, "tcp"),)))
    b = cri.run(Pod("b"))
    assert_published(containerd.machine.town, cri.box(a), cri.box(b), 8080, 80, "tcp")
    cri.remove_wholly(a)
    cri.remove_wholly(b)


@proves(STATUS)
@pytest.mark.parametrize("arrangement", [TINY], indirect=True)
def test_a_node_without_a_free_address_is_not_ready_until_there_is_one(cri: Cri) -> None:
    assert cri.conditions()["NetworkReady"] == "ok"
    pod = cri.run(Pod("a"))
    assert "no IP addresses available" in cri.conditions()["NetworkReady"]
    cri.remove_wholly(pod)
    assert cri.conditions()["NetworkReady"] == "ok"
