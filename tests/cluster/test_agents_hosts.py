"""What becomes of a host's blocks when its agent, or all of it, is gone."""

import signal
import time
from collections.abc import Iterator

import pytest

from tests.lab.across import Traffic
from tests.lab.agents import Nodes, nodes
from tests.lab.iproute import ip
from tests.lab.state import LEDGER
from tests.lab.waiting import wait_until

SMALL = {"network": "10.64.0.0/25", "blockSize": 27}  # four blocks of 29 containers
HOUR_S, SOON_S = 3600, 5


@pytest.fixture
def hosts() -> Iterator[Nodes]:
    """Three of them, which are members for a short time only."""
    with nodes(3, ttl=4, grace=2, ipv6=False, **SMALL) as found:
        yield found
        for node in found.nodes.values():
            node.tidy()


def test_a_killed_agent_is_not_felt(hosts: Nodes) -> None:
    hosts.start()
    ours, theirs = hosts[1].container(), hosts[2].container()
    before = hosts.blocks()
    with Traffic(hosts[1], ours, hosts[2].addresses[theirs][0]) as traffic:
        hosts[1].stop(signal.SIGKILL)
        hosts[1].container()
        hosts[1].start()
        hosts.settle()
    assert (traffic.lost, hosts.blocks()) == (0, before)


def test_routes_that_went_with_their_link_are_back_when_it_is(hosts: Nodes) -> None:
    hosts.start()
    ours, theirs = hosts[1].container(), hosts[2].container()
    with hosts[1].machine.entered():
        ip("link", "set", "eth0", "down")
        assert "via 192.0.2.2" not in ip("route", "show", "proto", "77")
        ip("link", "set", "eth0", "up")
    began = time.monotonic()
    wait_until(lambda: hosts.can_ping(1, ours, theirs) == [True])
    assert time.monotonic() - began < SOON_S


def test_a_host_that_was_started_anew_has_its_blocks_again(hosts: Nodes) -> None:
    hosts.start()
    theirs = hosts[2].container()
    hosts[1].container()
    before = hosts.blocks()
    hosts[1].reboot()
    hosts[1].start()
    hosts.settle()
    assert hosts.blocks() == before
    assert hosts.can_ping(1, hosts[1].container(), theirs) == [True]


def test_a_lost_ledger_has_the_host_s_blocks_again_and_who_uses_them(hosts: Nodes) -> None:
    hosts.start()
    made = [hosts[1].container() for _ in range(3)]
    theirs = hosts[2].container()
    before = hosts.blocks()
    with hosts[1].machine.entered():
        for file in LEDGER.parent.glob("ledger.sqlite*"):
            file.unlink()
    wait_until(lambda: hosts[1].status().status == 0)
    another = hosts[1].container()
    assert len(set(hosts.all_addresses())) == len(made) + 2
    assert hosts.blocks() == before
    assert hosts.can_ping(1, another, theirs) == hosts.can_ping(2, theirs, made[0]) == [True]


def test_blocks_of_a_lost_host_become_others_only_when_none_is_left(hosts: Nodes) -> None:
    hosts.start()
    lost = next(block for block, host in hosts.blocks().items() if host == "host-3")
    hosts[3].stop(signal.SIGKILL)
    wait_until(lambda: "host-3" not in hosts.members())
    made = [hosts[1].container() for _ in range(20)]  # the fourth block is taken
    wait_until(lambda: list(hosts.blocks().values()).count("host-1") == 2)
    assert hosts.blocks()[lost] == "host-3"
    made += [hosts[2].container() for _ in range(20)]  # and there is no other than that
    wait_until(lambda: hosts.blocks().get(lost) == "host-2")
    assert len(set(hosts.all_addresses())) == len(made)


def test_a_host_that_comes_back_too_late_knows_what_it_has_lost() -> None:
    with nodes(2, ttl=4, ipv6=False, network="10.64.0.0/26", blockSize=27) as hosts:
        hosts.start()
        stranded = hosts[2].container()
        lost = next(block for block, host in hosts.blocks().items() if host == "host-2")
        hosts[2].stop(signal.SIGKILL)
        wait_until(lambda: hosts.members() == {"host-1"})
        assert hosts[1].run("--evict", "host-2").status == 0
        for _ in range(20):
            hosts[1].container()
        wait_until(lambda: hosts.blocks().get(lost) == "host-1")
        hosts[2].start()
        wait_until(lambda: (shot := hosts[2].seen()) is not None and shot.lost == (lost,))
        assert hosts[2].addresses[stranded]
        assert hosts[2].status().status != 0
        for node in hosts.nodes.values():
            node.tidy()


def test_a_member_is_not_evicted_but_by_force(hosts: Nodes) -> None:
    hosts.start()
    run = hosts[1].run("--evict", "host-3")
    assert (run.status, "its lease has not expired" in run.stderr) == (1, True)
    assert "host-3" in hosts.blocks().values()
    hosts[3].stop(signal.SIGKILL)
    assert hosts[1].run("--evict", "host-3", "--force").status == 0
    assert "host-3" not in hosts.blocks().values()


def test_another_machine_with_the_same_id_is_kept_out(hosts: Nodes) -> None:
    hosts.start()
    hosts[1].container()
    hosts[3].stop()
    hosts[3].reboot()
    hosts[3].start("--host", "host-1")
    wait_until(lambda: "the id host-1 of this host is that of" in hosts[3].log())
    assert hosts[3].add().error()["code"] == 11
    assert set(hosts.blocks().values()) >= {"host-1", "host-2"}


def test_a_host_leaves_when_its_containers_have_gone(hosts: Nodes) -> None:
    hosts.start()
    hosts[1].container()
    hosts[1].stop()
    refused = hosts[1].run("--leave")
    assert (refused.status, "that containers have: 1" in refused.stderr) == (1, True)
    hosts[1].tidy()
    assert hosts[1].run("--leave").status == 0
    assert hosts.members() == {"host-2", "host-3"}
    assert "host-1" not in hosts.blocks().values()


@pytest.mark.parametrize("offset", ["+2h", "-3d"])
def test_a_wall_clock_that_is_wrong_changes_nothing(hosts: Nodes, offset: str) -> None:
    """Leases count on a clock that nobody can set; what is wrong is told."""
    hosts[1].start(before=("faketime", "-m", "--exclude-monotonic", "-f", offset))
    hosts[2].start()
    hosts[3].start()
    hosts.settle()
    ours, theirs = hosts[1].container(), hosts[2].container()
    with Traffic(hosts[1], ours, hosts[2].addresses[theirs][0]) as traffic:
        wait_until(lambda: (shot := hosts[1].seen()) is not None and abs(shot.skew or 0) > HOUR_S)
    assert (traffic.lost, len(hosts.members())) == (0, 3)
    assert len(set(hosts.all_addresses())) == 2
