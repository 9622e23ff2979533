"""Containers find those of other hosts by name, through the agents and a real etcd."""

import signal
from collections.abc import Iterator

import pytest

from tests.lab import Json, dns
from tests.lab.agents import NETWORK, Node, Nodes, nodes
from tests.lab.containers import Container
from tests.lab.waiting import wait_until

DOMAIN = "cni.internal"
ALIASED: Json = {"config": {"runtimeConfig": {"aliases": {NETWORK: ["www"]}}}}


@pytest.fixture
def hosts() -> Iterator[Nodes]:
    """Two of them, which are members for a short time only."""
    with nodes(2, ttl=4, more={"nameserver": True}) as found:
        yield found
        for node in found.nodes.values():
            node.tidy()


def found(node: Node, asking: Container, name: str, kind: str = "A") -> list[str]:
    """Return what the nameserver of the asking container says of a name."""
    with node.machine.entered():
        answer = dns.ask(asking, _gateway(asking, kind), name, kind, patience_s=1)
    return sorted(answer.records)


def _gateway(asking: Container, kind: str) -> str:
    listed = asking.routes(4 if kind == "A" else 6)
    return next(str(each["gateway"]) for each in listed if each["dst"] == "default")


def test_containers_of_all_hosts_find_each_other(hosts: Nodes) -> None:
    hosts.start()
    web, db = hosts[1].container(called="web", **ALIASED), hosts[2].container(called="db")
    web4, web6 = hosts[1].addresses[web]
    db4, _ = hosts[2].addresses[db]
    for name in ("web", "www", f"web.{DOMAIN}"):
        wait_until(lambda: found(hosts[2], db, name) == [web4])  # noqa: B023 - it ends here
        assert found(hosts[2], db, name, "AAAA") == [web6]
    wait_until(lambda: found(hosts[1], web, "db") == [db4])
    hosts[1].tidy()
    wait_until(lambda: found(hosts[2], db, "web") == [])
    assert found(hosts[2], db, "db") == [db4]
    late = hosts[1].container(called="late")  # its server starts again
    wait_until(lambda: found(hosts[1], late, "db") == [db4])


def test_names_last_while_their_host_is_a_member(hosts: Nodes) -> None:
    hosts.start()
    web, db = hosts[1].container(called="web"), hosts[2].container(called="db")
    web4 = hosts[1].addresses[web][0]
    wait_until(lambda: found(hosts[2], db, "web") == [web4])
    hosts[1].stop(signal.SIGKILL)
    wait_until(lambda: "host-1" not in hosts.members())
    wait_until(lambda: found(hosts[2], db, "web") == [])
    hosts[1].start()
    wait_until(lambda: found(hosts[2], db, "web") == [web4])
    hosts[2].stop(signal.SIGKILL)
    assert found(hosts[2], db, "web") == [web4]  # without an agent nothing changes
