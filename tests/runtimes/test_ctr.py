"""`ctr run --cni`, containerd's client for people."""

from tests.lab.iproute import ip_json
from tests.lab.waiting import wait_until
from tests.runtimes.arrangements import GATEWAY4, GATEWAY6, only_alone
from tests.runtimes.box import assert_reach_each_other
from tests.runtimes.containerd import Containerd
from tests.runtimes.features import GC, REACH, proves

RUNTIME = ("ctr", "containerd")


@proves(REACH)
def test_a_container_reaches_its_gateway_by_both_families(containerd: Containerd) -> None:
    assert "1 packets received" in containerd.run("a", "ping", "-c", "1", "-W", "2", GATEWAY4)
    assert "1 packets received" in containerd.run("b", "ping", "-c", "1", "-W", "2", GATEWAY6)


@proves(REACH)
def test_two_containers_reach_each_other(containerd: Containerd) -> None:
    a, b = containerd.start_container("a"), containerd.start_container("b")
    assert_reach_each_other(a, b)
    containerd.stop_container(b)
    containerd.stop_container(a)


@proves(GC)
@only_alone
def test_what_a_killed_ctr_has_left_can_be_freed(containerd: Containerd) -> None:
    """Nobody calls DEL any more, and containerd keeps no list of attachments."""
    a = containerd.start_container("a")
    containerd.kill_client(a)
    machine = containerd.machine
    held = "\n".join(machine.left_behind())
    assert all(each in held for each in a.addresses)
    wait_until(lambda: not ip_json("link", "show", "master", "web0"))  # the kernel takes its time
    machine.run("cni-bridge", "gc")
    machine.assert_as_before()
