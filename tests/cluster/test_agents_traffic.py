"""Containers on five hosts, each with an agent of its own, and a real etcd of three members."""

from collections.abc import Iterator
from itertools import permutations

import pytest

from tests.lab.across import source_seen
from tests.lab.agents import Nodes, nodes

HOSTS = 5


@pytest.fixture(scope="module", params=["host-gw", "vxlan"])
def hosts(request: pytest.FixtureRequest) -> Iterator[Nodes]:
    """All of them, with agents that run."""
    with nodes(HOSTS, backend=request.param) as found:
        found.start()
        yield found


@pytest.fixture(autouse=True)
def _tidy(hosts: Nodes) -> Iterator[None]:
    yield
    for node in hosts.nodes.values():
        node.tidy()


def test_containers_of_all_hosts_ping_each_other(hosts: Nodes) -> None:
    made = {number: hosts[number].container() for number in hosts.nodes}
    for here, there in permutations(made, 2):
        assert hosts.can_ping(here, made[here], made[there]) == [True, True], (here, there)


def test_a_connection_comes_from_the_container_s_own_address(hosts: Nodes) -> None:
    client, server = hosts[1].container(), hosts[2].container()
    assert source_seen(hosts[1], client, hosts[2], server) == hosts[1].addresses[client]


def test_the_store_has_each_host_and_its_blocks(hosts: Nodes) -> None:
    assert hosts.members() == {node.name for node in hosts.nodes.values()}
    owners = list(hosts.blocks().values())
    assert {owners.count(name) for name in hosts.members()} == {2}


def test_a_host_whose_agent_has_stopped_goes_on(hosts: Nodes) -> None:
    ours, theirs = hosts[1].container(), hosts[2].container()
    assert hosts[1].stop() == 0
    assert hosts.can_ping(1, ours, theirs) == [True, True]
    assert hosts.can_ping(1, hosts[1].container(), theirs) == [True, True]
    hosts[1].start()
    hosts.settle()
    assert hosts.can_ping(1, ours, theirs) == [True, True]


def test_there_is_one_agent_a_network(hosts: Nodes) -> None:
    run = hosts[1].run()
    assert run.status == 1
    assert "another agent of pods is running on this host" in run.stderr
