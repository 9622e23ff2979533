"""What becomes of containers and hosts when the store does not answer, or only in part."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.lab.across import Traffic
from tests.lab.agents import Node, Nodes, nodes
from tests.lab.waiting import wait_until

TTL = 4
METRICS, NOTIFY = "127.0.0.1:9468", "/run/notify"


@pytest.fixture
def hosts() -> Iterator[Nodes]:
    """Two of them, which are members for a short time only."""
    with nodes(2, ttl=TTL) as found:
        found.start()
        yield found
        for node in found.nodes.values():
            node.tidy()


def test_a_killed_leader_is_not_felt(hosts: Nodes) -> None:
    ours, theirs = hosts[1].container(), hosts[2].container()
    with Traffic(hosts[1], ours, hosts[2].addresses[theirs][0]) as traffic:
        hosts.store.leader().kill()
        end = time.monotonic() + 2 * TTL
        while time.monotonic() < end:
            hosts[1].container()
    assert (traffic.lost, hosts.members()) == (0, {"host-1", "host-2"})


def test_without_a_majority_a_host_lives_on_its_blocks_until_their_lease_ends(hosts: Nodes) -> None:
    ours, theirs = hosts[1].container(), hosts[2].container()
    before = dict(hosts.blocks())
    with Traffic(hosts[1], ours, hosts[2].addresses[theirs][0]) as traffic:
        for member in hosts.store.members[:2]:
            member.kill()
        hosts[1].container()
        wait_until(lambda: _has_error(hosts[1]))
        assert not [word for word in ("not an answer", "Errno") if word in hosts[1].log()]
        wait_until(lambda: hosts[1].status().status != 0)
        refused = hosts[1].add().error()
        assert (refused["code"], hosts[1].status().error()["code"]) == (11, 51)
        assert "lease of its blocks of cluster network pods ended" in refused["msg"]
        hosts.store.start()
        hosts.settle()
        hosts[1].container()
    assert traffic.lost == 0
    assert before.items() <= hosts.blocks().items()


def test_a_host_that_is_cut_off_goes_on_alone_and_comes_back(hosts: Nodes) -> None:
    ours, neighbour = hosts[1].container(), hosts[1].container()
    before = dict(hosts.blocks())
    hosts.part(1)
    with Traffic(hosts[1], ours, hosts[1].addresses[neighbour][0]) as traffic:
        wait_until(lambda: hosts.members() == {"host-2"})
        assert hosts.blocks() == before
        theirs = hosts[2].container()
        wait_until(lambda: hosts[1].status().status != 0)
        hosts.join(1)
        hosts.settle()
    assert traffic.lost == 0
    assert hosts.blocks() == before
    assert hosts.can_ping(1, hosts[1].container(), theirs) == [True, True]


def test_a_store_that_has_lost_its_data_is_told_again(hosts: Nodes) -> None:
    ours, theirs = hosts[1].container(), hosts[2].container()
    before = hosts.blocks()
    for member in hosts.store.members:
        member.kill()
        member.forget()
    hosts.store.start()
    wait_until(lambda: hosts.blocks().items() >= before.items())
    hosts.settle()
    wait_until(lambda: hosts.can_ping(1, ours, theirs) == [True, True])
    another = hosts[1].container()
    assert hosts.can_ping(2, theirs, another) == [True, True]


def test_the_service_has_started_when_an_add_is_given_an_address() -> None:
    with nodes(1, ipv6=False) as hosts, _service_manager(hosts[1]) as told:
        hosts.store.kill()
        hosts[1].start("--metrics", METRICS, before=("env", f"NOTIFY_SOCKET={NOTIFY}"))
        assert told.recv(4096).startswith(b"WATCHDOG=1\nSTATUS=the store cannot be reached: ")
        assert _readiness(hosts[1]) == 503
        hosts.store.start()
        while not (words := told.recv(4096)).startswith(b"READY=1\n"):
            assert words.startswith(b"WATCHDOG=1\n")
        assert (_readiness(hosts[1]), hosts[1].status().status) == (200, 0)


def test_an_agent_whose_port_for_metrics_is_taken_does_without_it() -> None:
    with nodes(1, ipv6=False) as hosts:
        with hosts[1].machine.entered():
            taken = socket.create_server(("127.0.0.1", int(METRICS.rpartition(":")[2])))
        with taken:
            hosts[1].start("--metrics", METRICS)
            hosts.settle()
        assert f"no metrics at {METRICS}: Address already in use" in hosts[1].log()


@contextmanager
def _service_manager(node: Node) -> Iterator[socket.socket]:
    """Yield what systemd would hear of the agent."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        with node.machine.entered():
            told.bind(NOTIFY)
        told.settimeout(10)
        yield told


def _readiness(node: Node) -> int:
    with node.machine.entered():
        try:
            return int(urlopen(f"http://{METRICS}/readyz", timeout=5).status)
        except HTTPError as refusal:
            return refusal.code


def _has_error(node: Node) -> bool:
    shot = node.seen()
    return shot is not None and "the store cannot be reached" in shot.error
